/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a request to a witness, there and back, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/witness.h"
#include "unit/guard.h"

#define NOTE \
	"example.com/log\n7\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n" \
	"\xe2\x80\x94 example.com/log " \
	"Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3" \
	"mFXmRKuwHjG1Yu72IneyaQM=\n"

static size_t
make(uint64_t old_size, size_t proof_len, char *out)
{
	struct tally_hash proof[TALLY_WITNESS_PROOF_MAX];
	size_t len;

	for (size_t i = 0; i < proof_len; i++)
		memset(proof[i].b, (int)i, sizeof(proof[i].b));
	len = tally_witness_request_head(old_size, proof, proof_len, out);
	assert_true(len <= TALLY_WITNESS_HEAD_MAX);
	memcpy(out + len, NOTE, sizeof(NOTE) - 1);
	return len + sizeof(NOTE) - 1;
}

static void
test_witness__there_and_back(void **state)
{
	static char text[TALLY_WITNESS_HEAD_MAX + sizeof(NOTE)];
	static const uint64_t sizes[] = { 0, 1, 7, INT64_MAX };
	struct tally_witness_request request;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t n = 0; n <= TALLY_WITNESS_PROOF_MAX; n++) {
			size_t len = make(sizes[i], n, text);

			assert_int_equal(tally_witness_request_parse(text, len,
					     &request),
			    0);
			assert_true(request.old_size == sizes[i]);
			assert_int_equal(request.proof_len, n);
			if (n > 0)
				assert_int_equal(request.proof[n - 1].b[31],
				    n - 1);
			assert_int_equal(request.note_text.len,
			    sizeof(NOTE) - 1);
			assert_true(request.checkpoint.size == 7);
			assert_string_equal(request.checkpoint.origin,
			    "example.com/log");
		}
	}
}

/* No beginning of a request is one, and none is read past its end. */
static void
test_witness__no_prefix_is_a_request(void **state)
{
	static char text[TALLY_WITNESS_HEAD_MAX + sizeof(NOTE)];
	struct tally_witness_request request;
	size_t len = make(3, 2, text);
	struct guard guard;

	(void)state;
	guard_open(&guard, len);
	for (size_t n = 0; n < len; n++) {
		assert_int_equal(tally_witness_request_parse(guard_put(&guard,
								 text, n),
				     n, &request),
		    TALLY_E_FORMAT);
	}
	guard_close(&guard);
}

static void
test_witness__refuses_what_is_not_canonical(void **state)
{
	static const char *const heads[] = { "old 00\n\n", "old +1\n\n",
		"old -1\n\n", "old 1 \n\n", "old  1\n\n", "old\n\n", "old \n\n",
		"Old 1\n\n", " old 1\n\n", "old 9223372036854775808\n\n",
		"old 1\r\n\n", "old 1\n\r\n", "\n", "old 1\nold 1\n\n",
		"old 1\nAAAA\n\n",
		"old 1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU\n\n",
		"old 1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n\n",
		"old 1\n 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n",
		"old 1\n\n\n" };
	struct tally_witness_request request;
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		int len = snprintf(text, sizeof(text), "%s%s", heads[i], NOTE);

		assert_int_equal(tally_witness_request_parse(text, (size_t)len,
				     &request),
		    TALLY_E_FORMAT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_witness__there_and_back),
		cmocka_unit_test(test_witness__no_prefix_is_a_request),
		cmocka_unit_test(test_witness__refuses_what_is_not_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
