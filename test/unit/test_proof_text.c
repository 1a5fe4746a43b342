/* SPDX-License-Identifier: Apache-2.0 */
/* The text of proofs: written and read back, cut at every byte, malformed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/proof.h"
#include "guard.h"

#define ROOT "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define UNSIGNED "example.org/audit\n7\n" ROOT "\n\n"
#define SIGNED UNSIGNED "\xe2\x80\x94 example.org/audit AAAAAAA=\n"

static void
test_proof_text__written_and_read(void **state)
{
	static const char *const notes[] = { UNSIGNED, SIGNED };
	struct tally_hash path[TALLY_PROOF_MAX];
	struct tally_proof_text proof;
	char text[8192];
	size_t n, extra, i, len;

	(void)state;
	memset(path, 0x5a, sizeof(path));
	for (i = 0; i < 8; i++) {
		n = i & 1;
		extra = i & 2 ? 5 : 0;
		len = tally_proof_text_format("extra", extra, 4711 * n, path,
		    i & 4 ? TALLY_PROOF_MAX : 0, notes[n], strlen(notes[n]),
		    text);
		assert_true(len <= tally_proof_text_size(extra, TALLY_PROOF_MAX,
				       strlen(notes[n])));
		assert_int_equal(tally_proof_text_parse(text, len, &proof,
				     NULL),
		    0);
		assert_int_equal(proof.has_extra, extra != 0);
		assert_int_equal(proof.index, 4711 * n);
		assert_int_equal(proof.path_len, i & 4 ? TALLY_PROOF_MAX : 0);
		assert_int_equal(proof.under.is_signed, n == 1);
		assert_int_equal(proof.under.checkpoint.size, 7);
		assert_string_equal(proof.under.checkpoint.origin,
		    "example.org/audit");
		assert_int_equal(proof.under.text.len, strlen(notes[n]));
		if (extra != 0)
			assert_memory_equal(proof.extra.at, "ZXh0cmE=", 8);
	}
}

/* A whole signed proof begins with its unsigned form, and nothing else. */
static void
test_proof_text__every_prefix(void **state)
{
	struct tally_hash path[3] = { { { 0 } } };
	struct tally_proof_text proof;
	char text[1024];
	struct guard guard;
	size_t i, len;

	(void)state;
	guard_open(&guard, sizeof(text));
	len = tally_proof_text_format("x", 1, 2, path, 3, SIGNED,
	    strlen(SIGNED), text);
	for (i = 0; i < len; i++) {
		bool whole = i == len - strlen(SIGNED) + strlen(UNSIGNED);

		assert_int_equal(tally_proof_text_parse(guard_put(&guard, text,
							    i),
				     i, &proof, NULL),
		    whole ? 0 : TALLY_E_FORMAT);
	}
	guard_close(&guard);
}

static void
test_proof_text__malformed(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{ "", "line 1 of the proof: the text ends here" },
		{ "hello\n",
		    "line 1 of the proof: it is not what a proof begins with" },
		{ "c2sp.org/tlog-proof@v1.1\n",
		    "line 1 of the proof: it is another version" },
		{ "c2sp.org/tlog-proof@v1\nextra \n",
		    "line 2 of the proof: it is empty" },
		{ "c2sp.org/tlog-proof@v1\nindex 01\n",
		    "line 2 of the proof: it is no index" },
		{ "c2sp.org/tlog-proof@v1\nindex\n",
		    "line 2 of the proof: it is no index" },
		{ "c2sp.org/tlog-proof@v1\nextra eA==\nextra eA==\n",
		    "line 3 of the proof: it is no index" },
		{ "c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n",
		    "line 2 of the proof: it is no index" },
		{ "c2sp.org/tlog-proof@v1\nindex 0\nabcd\n\n" UNSIGNED,
		    "line 3 of the proof: it is no hash" },
		{ "c2sp.org/tlog-proof@v1\nindex 0\n\nhello\n\n",
		    "line 4 of the proof: what begins here is no checkpoint" },
		{ "c2sp.org/tlog-proof@v1\nindex 0\n\n" SIGNED "x",
		    "line 4 of the proof: what begins here is no signed note,"
		    " and no checkpoint with an empty line behind it" },
	};
	struct tally_proof_text proof;
	struct tally_error error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(tally_proof_text_parse(bad[i].text,
				     strlen(bad[i].text), &proof, &error),
		    TALLY_E_FORMAT);
		assert_string_equal(error.message, bad[i].message);
	}
}

static void
test_proof_text__bounds(void **state)
{
	struct tally_hash path[TALLY_PROOF_MAX + 1] = { { { 0 } } };
	struct tally_proof_text proof;
	struct tally_error error;
	char text[8192];
	size_t len;

	(void)state;
	len = tally_proof_text_format(NULL, 0, 0, path, TALLY_PROOF_MAX + 1,
	    UNSIGNED, strlen(UNSIGNED), text);
	assert_int_equal(tally_proof_text_parse(text, len, &proof, &error),
	    TALLY_E_FORMAT);
	assert_string_equal(error.message,
	    "line 67 of the proof: there are too many hashes");
	/* The length is refused before anything is looked at. */
	assert_int_equal(tally_proof_text_parse(text, TALLY_PROOF_TEXT_MAX + 1,
			     &proof, &error),
	    TALLY_E_FORMAT);
	assert_string_equal(error.message, "a proof is at most 32 MiB long");
}

#define TEST(name) cmocka_unit_test(test_proof_text__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(written_and_read),
		TEST(every_prefix),
		TEST(malformed),
		TEST(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
