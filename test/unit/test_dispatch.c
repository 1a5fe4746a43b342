/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of sinks taken apart: what is one, and who signed it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tally/dispatch.h>

#include "core/checkpoint.h"
#include "core/text.h"
#include "unit/guard.h"

#define ORIGIN "example.org/audit"
#define HASH "b97873d8ad6c2f5d2a1d3b4ab3a5f5a0a5bb3b4ab3a5f5a0a5bb3b4ab3a5f5a0"
#define HEADS \
	"[{\"chain\":\"a\",\"hash\":\"" HASH "\",\"seq\":3}," \
	"{\"chain\":\"b\",\"hash\":\"" HASH "\",\"seq\":1}]"

static const uint8_t seed[TALLY_SIGN_SEED_SIZE] = { 1 },
		     other_seed[TALLY_SIGN_SEED_SIZE] = { 2 };
static char key[TALLY_VKEY_TEXT_MAX + 1], other_key[TALLY_VKEY_TEXT_MAX + 1];
static const char *const keys[] = { key }, *const others[] = { other_key },
			 *const both[] = { other_key, key };
static char note[1024], note_json[2048];

/* ---- making lines ------------------------------------------------------- */

static void
make_key(struct tally_hasher *hasher, const uint8_t *from,
    struct tally_vkey *vkey, char *out)
{
	uint8_t public[TALLY_SIGN_PUBLIC_SIZE];

	assert_int_equal(tally_sign_public(from, public), 0);
	tally_vkey_init(hasher, ORIGIN, sizeof(ORIGIN) - 1, TALLY_VKEY_ED25519,
	    public, vkey);
	out[tally_vkey_format(vkey, out)] = '\0';
}

static int
prepare(void **state)
{
	struct tally_checkpoint checkpoint = { .origin_len = sizeof(ORIGIN) - 1,
		.size = 7 };
	struct tally_vkey vkey, other;
	struct tally_hasher hasher;
	size_t len, line, at = 0;

	(void)state;
	assert_int_equal(tally_hasher_open(&hasher), 0);
	make_key(&hasher, seed, &vkey, key);
	make_key(&hasher, other_seed, &other, other_key);
	tally_hasher_close(&hasher);
	memcpy(checkpoint.origin, ORIGIN, sizeof(ORIGIN));
	len = tally_checkpoint_format(&checkpoint, note);
	note[len] = '\n';
	assert_int_equal(tally_note_sign(&vkey, seed, 0, note, len,
			     note + len + 1, &line),
	    0);
	note[len + 1 + line] = '\0';
	for (const char *c = note; *c != '\0'; c++) {
		note_json[at++] = *c == '\n' ? '\\' : *c;
		if (*c == '\n')
			note_json[at++] = 'n';
	}
	note_json[at] = '\0';
	return 0;
}

/* The object between the fixed places, signed. */
static size_t
sign(const uint8_t *with, const char *object, char *out)
{
	char message[8192], text[128];
	uint8_t signature[TALLY_SIGN_SIZE];
	int len = snprintf(message, sizeof(message), "tally-dispatch/v1\n%s",
	    object);

	assert_int_equal(tally_sign_make(with, message, (size_t)len, signature),
	    0);
	tally_base64_format(signature, sizeof(signature), text);
	len = sprintf(out, "{\"dispatch\":%s,\"signature\":\"%.88s\"}", object,
	    text);
	return (size_t)len;
}

static void
make_object(char *out, const char *heads, const char *rest)
{
	(void)sprintf(out, "{\"checkpoint\":\"%s\",\"heads\":%s,%s}", note_json,
	    heads, rest);
}

static size_t
make_line(char *out)
{
	char object[4096];

	make_object(object, HEADS, "\"part\":1,\"parts\":2,\"since\":4");
	return sign(seed, object, out);
}

/* The verdict, or an error. */
static int
judge(const char *line, size_t len, const char *const *vkeys, size_t count)
{
	struct tally_dispatch dispatch;
	int result = tally_dispatch_parse(line, len, vkeys, count, &dispatch,
	    NULL);

	if (result != 0)
		return result;
	result = (int)dispatch.verdict;
	tally_dispatch_wipe(&dispatch);
	assert_null(dispatch.storage);
	return result;
}

/* ---- tests -------------------------------------------------------------- */

static void
test_dispatch__what_it_says(void **state)
{
	struct tally_dispatch dispatch;
	char line[8192];
	size_t len = make_line(line);

	(void)state;
	assert_int_equal(tally_dispatch_parse(line, len, keys, 1, &dispatch,
			     NULL),
	    0);
	assert_int_equal(dispatch.verdict, TALLY_DISPATCH_SIGNED);
	assert_string_equal(dispatch.origin, ORIGIN);
	assert_int_equal(dispatch.size, 7);
	assert_int_equal(dispatch.since, 4);
	assert_int_equal(dispatch.part, 1);
	assert_int_equal(dispatch.parts, 2);
	assert_int_equal(dispatch.note_len, strlen(note));
	assert_memory_equal(dispatch.note, note, dispatch.note_len);
	assert_int_equal(dispatch.heads_len, 2);
	assert_string_equal(dispatch.heads[0].chain, "a");
	assert_int_equal(dispatch.heads[0].seq, 3);
	assert_string_equal(dispatch.heads[1].chain, "b");
	tally_dispatch_wipe(&dispatch);
	/* With its line feed; a bare checkpoint. */
	line[len] = '\n';
	assert_int_equal(judge(line, len + 1, keys, 1), TALLY_DISPATCH_SIGNED);
	assert_int_equal(judge(note, strlen(note), keys, 1),
	    TALLY_DISPATCH_SIGNED);
}

static void
test_dispatch__who_signed(void **state)
{
	char object[4096], line[8192];
	size_t len = make_line(line);

	(void)state;
	assert_int_equal(judge(line, len, both, 2), TALLY_DISPATCH_SIGNED);
	assert_int_equal(judge(line, len, others, 1), TALLY_DISPATCH_OTHER_KEY);
	assert_int_equal(judge(line, len, NULL, 0), TALLY_DISPATCH_OTHER_KEY);
	assert_int_equal(judge(note, strlen(note), others, 1),
	    TALLY_DISPATCH_OTHER_KEY);
	/* The heads by another key, under a checkpoint that is ours. */
	make_object(object, HEADS, "\"part\":1,\"parts\":2,\"since\":4");
	len = sign(other_seed, object, line);
	assert_int_equal(judge(line, len, keys, 1), TALLY_DISPATCH_FORGED);
	assert_int_equal(judge(line, len, both, 2), TALLY_DISPATCH_FORGED);
}

/* No beginning of a line is one, and none is read past its end. */
static void
test_dispatch__no_prefix_is_one(void **state)
{
	char line[8192];
	size_t len = make_line(line);
	struct guard guard;

	(void)state;
	guard_open(&guard, len);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(judge(guard_put(&guard, line, n), n, keys, 1),
		    TALLY_E_FORMAT);
	assert_int_equal(judge(guard_put(&guard, line, len), len, keys, 1),
	    TALLY_DISPATCH_SIGNED);
	guard_close(&guard);
}

/* No bit can be another, anywhere. */
static void
test_dispatch__every_bit_counts(void **state)
{
	char line[8192];
	size_t len = make_line(line);

	(void)state;
	for (size_t i = 0; i < len * 8; i++) {
		line[i / 8] = (char)(line[i / 8] ^ (1 << i % 8));
		assert_int_not_equal(judge(line, len, keys, 1),
		    TALLY_DISPATCH_SIGNED);
		line[i / 8] = (char)(line[i / 8] ^ (1 << i % 8));
	}
}

static void
test_dispatch__members_that_are_none(void **state)
{
	static const char *const rests[] = {
		"\"part\":0,\"parts\":2,\"since\":4",
		"\"part\":3,\"parts\":2,\"since\":4",
		"\"part\":-1,\"parts\":2,\"since\":4",
		"\"part\":1,\"parts\":4294967296,\"since\":4",
		"\"part\":1,\"parts\":2,\"since\":8",
		"\"part\":1,\"parts\":2,\"since\":-1",
		"\"part\":1,\"parts\":2,\"since\":9223372036854775808",
		"\"part\":1.0,\"parts\":2,\"since\":4",
		"\"part\":\"1\",\"parts\":2,\"since\":4",
		"\"part\":1,\"parts\":2", "\"part\":1,\"since\":4",
		"\"part\":1,\"parts\":2,\"since\":4,\"more\":1",
		"\"part\":1,\"parts\":2,\"since\":4,\"since\":4",
		"\"part\":1,\"parts\":2,\"since\":4}{"
	};
	static const char *const heads[] = { "{}", "null", "\"\"", "[1]",
		"[{}]", "[{\"chain\":\"\",\"hash\":\"" HASH "\",\"seq\":1}]",
		"[{\"chain\":1,\"hash\":\"" HASH "\",\"seq\":1}]",
		"[{\"chain\":\"a\",\"hash\":\"" HASH "\",\"seq\":0}]",
		"[{\"chain\":\"a\",\"hash\":\"" HASH "\",\"seq\":-1}]",
		"[{\"chain\":\"a\",\"hash\":\"" HASH "0\",\"seq\":1}]",
		"[{\"chain\":\"a\",\"hash\":\"B97873\",\"seq\":1}]",
		"[{\"chain\":\"\\u0000\",\"hash\":\"" HASH "\",\"seq\":1}]",
		"[{\"chain\":\"a\",\"hash\":\"" HASH "\"}]" };
	char object[4096], line[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
		make_object(object, HEADS, rests[i]);
		assert_int_equal(judge(line, sign(seed, object, line), keys, 1),
		    TALLY_E_FORMAT);
	}
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		make_object(object, heads[i],
		    "\"part\":1,\"parts\":2,\"since\":4");
		assert_int_equal(judge(line, sign(seed, object, line), keys, 1),
		    TALLY_E_FORMAT);
	}
}

static void
test_dispatch__bounds(void **state)
{
	char *object = malloc(65536), *line = malloc(65536);
	char *heads = malloc(32768), chain[TALLY_CHAIN_MAX + 2];
	struct tally_error error;
	struct tally_dispatch dispatch;
	const char *bad[] = { "no key" };

	(void)state;
	assert_true(object != NULL && line != NULL && heads != NULL);
	for (size_t more = 0; more <= 1; more++) {
		memset(chain, 'x', sizeof(chain));
		chain[TALLY_CHAIN_MAX + more] = '\0';
		(void)sprintf(heads,
		    "[{\"chain\":\"%s\",\"hash\":\"" HASH "\",\"seq\":1}]",
		    chain);
		make_object(object, heads,
		    "\"part\":1,\"parts\":1,\"since\":7");
		assert_int_equal(judge(line, sign(seed, object, line), keys, 1),
		    more == 0 ? (int)TALLY_DISPATCH_SIGNED : TALLY_E_FORMAT);
	}
	free(object);
	free(heads);
	line = realloc(line, TALLY_NOTE_MAX + 1);
	assert_non_null(line);
	memset(line, '{', TALLY_NOTE_MAX + 1);
	assert_int_equal(judge(line, TALLY_NOTE_MAX + 1, keys, 1),
	    TALLY_E_FORMAT);
	assert_int_equal(judge(line, TALLY_NOTE_MAX, keys, 1), TALLY_E_FORMAT);
	free(line);
	assert_int_equal(tally_dispatch_parse(note, strlen(note), bad, 1,
			     &dispatch, &error),
	    TALLY_E_USAGE);
	assert_string_equal(error.message, "\"no key\" is no key");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dispatch__what_it_says),
		cmocka_unit_test(test_dispatch__who_signed),
		cmocka_unit_test(test_dispatch__no_prefix_is_one),
		cmocka_unit_test(test_dispatch__every_bit_counts),
		cmocka_unit_test(test_dispatch__members_that_are_none),
		cmocka_unit_test(test_dispatch__bounds),
	};

	return cmocka_run_group_tests(tests, prepare, NULL);
}
