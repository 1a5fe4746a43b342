/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors: FIPS 180-4 examples; the prefixes against hashing in one piece. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "core/hash.h"
#include "guard.h"

static struct tally_hasher hasher;

static int
open_hasher(void **state)
{
	(void)state;
	return tally_hasher_open(&hasher);
}

static int
close_hasher(void **state)
{
	(void)state;
	tally_hasher_close(&hasher);
	return 0;
}

static void
assert_hash(struct tally_hash hash, const char *hex)
{
	char text[TALLY_HASH_TEXT_SIZE];

	tally_hash_format(&hash, text);
	assert_string_equal(text, hex);
}

static void
assert_same(struct tally_hash a, struct tally_hash b)
{
	assert_true(tally_hash_equal(&a, &b));
}

static void
test_hash__gives_the_published_values(void **state)
{
	static const char two_blocks[] =
	    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	struct tally_hash hash;
	int i;

	(void)state;
	assert_hash(tally_hash_bytes(&hasher, "", 0),
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_hash(tally_hash_bytes(&hasher, NULL, 0),
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_hash(tally_hash_bytes(&hasher, "abc", 3),
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_hash(tally_hash_bytes(&hasher, two_blocks, 56),
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	tally_hash_begin(&hasher);
	for (i = 0; i < 15625; i++)
		tally_hash_add(&hasher,
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    64);
	hash = tally_hash_end(&hasher);
	assert_hash(hash,
	    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	assert_false(tally_hasher_failed(&hasher));
}

/* Every way to cut a message in two gives the same. */
static void
test_hash__pieces_are_the_whole(void **state)
{
	uint8_t bytes[200];
	struct tally_hash whole;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	whole = tally_hash_bytes(&hasher, bytes, sizeof(bytes));
	for (i = 0; i <= sizeof(bytes); i++) {
		tally_hash_begin(&hasher);
		tally_hash_add(&hasher, bytes, i);
		tally_hash_add(&hasher, bytes + i, sizeof(bytes) - i);
		assert_same(tally_hash_end(&hasher), whole);
	}
}

/* Up to and past the length that is put together on the stack. */
static void
test_hash__prefixes_of_every_length(void **state)
{
	static const uint8_t salt[TALLY_SALT_SIZE] = { 1, 2, 3, 0xff };
	uint8_t message[17 + 1200] = { 0 };
	struct guard guard;
	size_t len;
	char *text;

	(void)state;
	guard_open(&guard, 1200);
	memset(guard_low(&guard), 'x', guard.room);
	memset(message + 17, 'x', 1200);
	for (len = 0; len <= 1200; len++) {
		text = guard_high(&guard, len);
		message[16] = 0;
		assert_same(tally_hash_leaf(&hasher, text, len),
		    tally_hash_bytes(&hasher, message + 16, len + 1));
		message[0] = 2;
		memset(message + 1, 0, TALLY_SALT_SIZE);
		assert_same(tally_hash_commitment(&hasher, NULL, text, len),
		    tally_hash_bytes(&hasher, message, len + 17));
		memcpy(message + 1, salt, TALLY_SALT_SIZE);
		assert_same(tally_hash_commitment(&hasher, salt, text, len),
		    tally_hash_bytes(&hasher, message, len + 17));
	}
	guard_close(&guard);
}

static void
test_hash__node_is_prefix_left_right(void **state)
{
	struct tally_hash left, right;
	uint8_t message[65] = { 1 };

	(void)state;
	memset(left.b, 0xaa, sizeof(left.b));
	memset(right.b, 0x55, sizeof(right.b));
	memset(message + 1, 0xaa, 32);
	memset(message + 33, 0x55, 32);
	assert_same(tally_hash_node(&hasher, &left, &right),
	    tally_hash_bytes(&hasher, message, sizeof(message)));
}

/* A result that is dropped does not disturb the next one. */
static void
test_hash__begin_forgets_what_was_not_ended(void **state)
{
	(void)state;
	tally_hash_begin(&hasher);
	tally_hash_add(&hasher, "left over", 9);
	assert_hash(tally_hash_bytes(&hasher, "abc", 3),
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* libcrypto refuses one of its calls from now on. */
static enum {
	NOTHING,
	INIT,
	UPDATE,
	FINAL
} refused;

int
__real_SHA256_Init(SHA256_CTX *ctx);
int
__wrap_SHA256_Init(SHA256_CTX *ctx);
int
__real_SHA256_Update(SHA256_CTX *ctx, const void *data, size_t len);
int
__wrap_SHA256_Update(SHA256_CTX *ctx, const void *data, size_t len);
int
__real_SHA256_Final(unsigned char *out, SHA256_CTX *ctx);
int
__wrap_SHA256_Final(unsigned char *out, SHA256_CTX *ctx);

int
__wrap_SHA256_Init(SHA256_CTX *ctx)
{
	return refused == INIT ? 0 : __real_SHA256_Init(ctx);
}

int
__wrap_SHA256_Update(SHA256_CTX *ctx, const void *data, size_t len)
{
	return refused == UPDATE ? 0 : __real_SHA256_Update(ctx, data, len);
}

int
__wrap_SHA256_Final(unsigned char *out, SHA256_CTX *ctx)
{
	return refused == FINAL ? 0 : __real_SHA256_Final(out, ctx);
}

static void
test_hash__stays_failed_and_answers_zero(void **state)
{
	struct tally_hash zero = { { 0 } };
	struct tally_hasher broken;

	(void)state;
	for (int call = INIT; call <= FINAL; call++) {
		assert_int_equal(tally_hasher_open(&broken), 0);
		refused = call;
		assert_same(tally_hash_bytes(&broken, "abc", 3), zero);
		refused = NOTHING;
		assert_true(tally_hasher_failed(&broken));
		assert_same(tally_hash_bytes(&broken, "abc", 3), zero);
		assert_same(tally_hash_leaf(&broken, "abc", 3), zero);
		assert_same(tally_hash_node(&broken, &zero, &zero), zero);
		assert_same(tally_hash_commitment(&broken, NULL, "abc", 3),
		    zero);
		assert_true(tally_hasher_failed(&broken));
		tally_hasher_close(&broken);
	}
}

static void
test_hash__notices_a_failed_update(void **state)
{
	struct tally_hash zero = { { 0 } };
	struct tally_hasher broken;

	(void)state;
	assert_int_equal(tally_hasher_open(&broken), 0);
	tally_hash_begin(&broken);
	refused = UPDATE;
	tally_hash_add(&broken, "abc", 3);
	refused = NOTHING;
	assert_true(tally_hasher_failed(&broken));
	assert_same(tally_hash_end(&broken), zero);
	assert_true(tally_hasher_failed(&broken));
	tally_hasher_close(&broken);
}

static unsigned long taken;

static void *
count_alloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	taken++;
	return malloc(size);
}

static void *
count_realloc(void *memory, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	taken++;
	return realloc(memory, size);
}

static void
count_free(void *memory, const char *file, int line)
{
	(void)file;
	(void)line;
	free(memory);
}

/* Where a hash could fail for want of memory, lines would look altered. */
static void
test_hash__takes_no_memory(void **state)
{
	static const char message[2000];
	struct tally_hash zero = { { 0 } };
	unsigned long before = taken;

	(void)state;
	for (size_t len = 0; len <= sizeof(message); len += 50) {
		(void)tally_hash_bytes(&hasher, message, len);
		(void)tally_hash_leaf(&hasher, message, len);
		(void)tally_hash_commitment(&hasher, NULL, message, len);
	}
	(void)tally_hash_node(&hasher, &zero, &zero);
	assert_false(tally_hasher_failed(&hasher));
	assert_int_equal(taken, before);
	assert_true(taken > 0);
}

static void
test_hash__closes_what_was_never_opened(void **state)
{
	struct tally_hasher hasher_zero = { .ctx = NULL };

	(void)state;
	tally_hasher_close(&hasher_zero);
	assert_true(tally_hasher_failed(&hasher_zero));
	tally_hasher_close(&hasher_zero);
	tally_hash_begin(&hasher_zero);
	assert_true(tally_hasher_failed(&hasher_zero));
}

/* Each bit counts. */
static void
test_hash__equality_and_zero_see_every_bit(void **state)
{
	struct tally_hash a = { { 0 } }, b;
	unsigned bit;

	(void)state;
	assert_true(tally_hash_is_zero(&a));
	assert_true(tally_hash_equal(&a, &a));
	for (bit = 0; bit < 256; bit++) {
		b = a;
		b.b[bit / 8] = (uint8_t)(1 << bit % 8);
		assert_false(tally_hash_is_zero(&b));
		assert_false(tally_hash_equal(&a, &b));
		assert_false(tally_hash_equal(&b, &a));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash__gives_the_published_values),
		cmocka_unit_test(test_hash__pieces_are_the_whole),
		cmocka_unit_test(test_hash__prefixes_of_every_length),
		cmocka_unit_test(test_hash__node_is_prefix_left_right),
		cmocka_unit_test(test_hash__begin_forgets_what_was_not_ended),
		cmocka_unit_test(test_hash__stays_failed_and_answers_zero),
		cmocka_unit_test(test_hash__notices_a_failed_update),
		cmocka_unit_test(test_hash__takes_no_memory),
		cmocka_unit_test(test_hash__closes_what_was_never_opened),
		cmocka_unit_test(test_hash__equality_and_zero_see_every_bit),
	};

	if (CRYPTO_set_mem_functions(count_alloc, count_realloc, count_free) !=
	    1)
		return 1;
	return cmocka_run_group_tests(tests, open_hasher, close_hasher);
}
