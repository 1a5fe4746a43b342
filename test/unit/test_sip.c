/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash-2-4 against its authors' vectors and against libcrypto's; and the
 * pages that it sums up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "log/bytes.h"
#include "log/page.h"
#include "log/sys.h"
#include "vectors.h"

#define MESSAGE_MAX 600
#define PAGE 48
#define PAGES 5

static struct tally_sip_key
counting_key(uint8_t bytes[TALLY_SIP_KEY_SIZE])
{
	for (uint8_t i = 0; i < TALLY_SIP_KEY_SIZE; i++)
		bytes[i] = i;
	return tally_sip_key_decode(bytes);
}

static void
test_sip__vectors_of_its_authors(void **state)
{
	json_t *file = vectors_own("siphash.json");
	json_t *vectors = json_object_get(file, "vectors");
	uint8_t bytes[TALLY_SIP_KEY_SIZE], message[64];
	struct tally_sip_key key = counting_key(bytes);

	(void)state;
	assert_int_equal(json_array_size(vectors), 64);
	for (size_t n = 0; n < 64; n++) {
		const char *want = json_string_value(json_array_get(vectors,
		    n));
		char sum[8], text[17];

		message[n] = (uint8_t)n;
		tally_put64(sum, tally_sip(&key, message, n));
		for (int i = 0; i < 8; i++)
			snprintf(text + 2 * i, 3, "%02x", (uint8_t)sum[i]);
		assert_string_equal(text, want);
		/* The first eight bytes as a number. */
		if (n >= 8)
			assert_true(tally_sip_after(&key,
					tally_get64((char *)message),
					message + 8,
					n - 8) == tally_sip(&key, message, n));
	}
	json_decref(file);
}

/* Every length, with bytes and keys that differ each time. */
static void
test_sip__agrees_with_libcrypto(void **state)
{
	size_t size = 8, len = 0;
	OSSL_PARAM params[2] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	uint8_t bytes[TALLY_SIP_KEY_SIZE], message[MESSAGE_MAX];
	char own[8];
	unsigned char theirs[8];

	(void)state;
	assert_non_null(ctx);
	srand(1);
	for (size_t n = 0; n <= MESSAGE_MAX; n++) {
		struct tally_sip_key key;

		for (size_t i = 0; i < n; i++)
			message[i] = (uint8_t)rand();
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand();
		key = tally_sip_key_decode(bytes);
		tally_put64(own, tally_sip(&key, message, n));
		assert_int_equal(EVP_MAC_init(ctx, bytes, sizeof(bytes),
				     params),
		    1);
		assert_int_equal(EVP_MAC_update(ctx, message, n), 1);
		assert_int_equal(EVP_MAC_final(ctx, theirs, &len,
				     sizeof(theirs)),
		    1);
		assert_memory_equal(own, theirs, sizeof(own));
	}
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

/* A file of pages, as tally_paged_open will read it under a name. */
static int
make_pages(const struct tally_sip_key *secret, char out[PAGES * PAGE])
{
	struct tally_sip_key key = tally_sip_derive(secret, "a");
	int fd = tally_sys_temporary();

	assert_true(fd >= 0);
	for (size_t i = 0; i < PAGES; i++) {
		memset(out + i * PAGE, (int)i, PAGE);
		tally_page_seal(&key, i * PAGE, out + i * PAGE, PAGE);
	}
	assert_int_equal(tally_sys_write(fd, out, PAGES * PAGE, 0, NULL), 0);
	return fd;
}

static void
test_page__every_bit(void **state)
{
	uint8_t bytes[TALLY_SIP_KEY_SIZE];
	struct tally_sip_key secret = counting_key(bytes);
	char pages[PAGES * PAGE], got[PAGES * PAGE];
	struct tally_paged file = {
		.fd = make_pages(&secret, pages),
		.key = tally_sip_derive(&secret, "a"),
	};
	struct tally_error error;

	(void)state;
	assert_int_equal(tally_pages_read(&file, 0, PAGE, PAGES, got, &error),
	    0);
	assert_memory_equal(got, pages, sizeof(got));
	for (size_t bit = 0; bit < 8 * sizeof(pages); bit++) {
		char flipped = (char)(pages[bit / 8] ^ 1 << bit % 8);

		assert_int_equal(tally_sys_write(file.fd, &flipped, 1, bit / 8,
				     NULL),
		    0);
		for (size_t i = 0; i < PAGES; i++)
			assert_int_equal(tally_pages_read(&file, i * PAGE, PAGE,
					     1, got, NULL),
			    bit / 8 / PAGE == i ? TALLY_E_IO : 0);
		assert_int_equal(tally_pages_read(&file, 0, PAGE, PAGES, got,
				     &error),
		    TALLY_E_IO);
		assert_string_equal(error.message,
		    "the index is damaged; remove the directory \"index\", it"
		    " comes back");
		assert_int_equal(tally_sys_write(file.fd, &pages[bit / 8], 1,
				     bit / 8, NULL),
		    0);
	}
	tally_paged_close(&file);
}

/* What was sealed elsewhere does not hold here. */
static void
test_page__of_another_place(void **state)
{
	uint8_t bytes[TALLY_SIP_KEY_SIZE];
	struct tally_sip_key secret = counting_key(bytes), other;
	char pages[PAGES * PAGE], got[PAGE];
	struct tally_paged file = { .fd = make_pages(&secret, pages) };

	(void)state;
	file.key = tally_sip_derive(&secret, "b");
	assert_int_equal(tally_pages_read(&file, 0, PAGE, 1, got, NULL),
	    TALLY_E_IO);
	bytes[15] ^= 1;
	other = tally_sip_key_decode(bytes);
	file.key = tally_sip_derive(&other, "a");
	assert_int_equal(tally_pages_read(&file, 0, PAGE, 1, got, NULL),
	    TALLY_E_IO);
	file.key = tally_sip_derive(&secret, "a");
	assert_int_equal(tally_sys_write(file.fd, pages + PAGE, PAGE, 0, NULL),
	    0);
	assert_int_equal(tally_pages_read(&file, 0, PAGE, 1, got, NULL),
	    TALLY_E_IO);
	assert_int_equal(tally_pages_read(&file, PAGE, PAGE, 1, got, NULL), 0);
	/* Short by a byte. */
	assert_int_equal(tally_sys_truncate(file.fd, PAGES * PAGE - 1), 0);
	assert_int_equal(tally_pages_read(&file, (PAGES - 1) * PAGE, PAGE, 1,
			     got, NULL),
	    TALLY_E_IO);
	tally_paged_close(&file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sip__vectors_of_its_authors),
		cmocka_unit_test(test_sip__agrees_with_libcrypto),
		cmocka_unit_test(test_page__every_bit),
		cmocka_unit_test(test_page__of_another_place),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("sip", tests, NULL, NULL);
}
