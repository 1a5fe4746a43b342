/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The canonical forms: what they refuse, what they do at the end of their
 * room, the options.  That the forms are right is test/canon's business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/canon.h"
#include "guard.h"

#define NODES 65536

static struct tally_canon_node nodes[NODES];
static uint32_t order[NODES];
static struct tally_canon_room room = { nodes, order, NODES, { { 0 } } };

static char written[1 << 20];

/* Reads and writes; gives the result, or the message of what was refused. */
static const char *
write_styled(const char *text, const struct tally_canon_style *style,
    unsigned read)
{
	static struct tally_error error;
	struct tally_canon_out out = { written, 0, sizeof(written) - 1, false };
	size_t count;

	memset(&error, 0, sizeof(error));
	if (tally_canon_read(text, strlen(text), read, &room, &count, &error) !=
		0 ||
	    tally_canon_write(text, &room, 0, style, &out, &error) != 0)
		return error.message;
	written[out.len] = '\0';
	return written;
}

static const char *
form(enum tally_canon_form which, const char *text)
{
	struct tally_canon_style style = { .form = which };

	return write_styled(text, &style, 0);
}

/* ---- refusals --------------------------------------------------------- */

static void
test_canon__refusals_say_where(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} cases[] = {
		{ "", "json: unexpected end at byte 0" },
		{ "  ", "json: unexpected end at byte 2" },
		{ "{", "json: unexpected end at byte 1" },
		{ "[1,", "json: unexpected end at byte 3" },
		{ "\"ab", "json: unexpected end at byte 3" },
		{ "{1:2}", "json: expected a member name at byte 1" },
		{ "{\"a\" 1}", "json: expected ':' at byte 5" },
		{ "{\"a\":1 2}", "json: expected ',' or '}' at byte 7" },
		{ "[1 2]", "json: expected ',' or ']' at byte 3" },
		{ "[1,]", "json: expected a value at byte 3" },
		{ "nul", "json: expected a value at byte 0" },
		{ "NaN", "json: expected a value at byte 0" },
		{ "undefined", "json: expected a value at byte 0" },
		{ "-", "json: unexpected end at byte 1" },
		{ "-x", "json: expected a digit at byte 1" },
		{ "1.x", "json: expected a digit at byte 2" },
		{ "1e+", "json: unexpected end at byte 3" },
		{ "012", "json: leading zero at byte 0" },
		{ "-01", "json: leading zero at byte 1" },
		{ "\"a\nb\"", "json: control character in a string at byte 2" },
		{ "\"\xc3(\"", "json: invalid UTF-8 at byte 1" },
		{ "\"\xed\xa0\x80\"", "json: invalid UTF-8 at byte 1" },
		{ "\"\\x\"", "json: invalid escape at byte 1" },
		{ "\"\\u12g4\"", "json: invalid escape at byte 1" },
		{ "\"\\u12", "json: unexpected end at byte 5" },
		{ "1 2", "json: trailing bytes at byte 2" },
		{ "\xef\xbb\xbf" "1", "json: expected a value at byte 0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(form(TALLY_CANON_PYTHON, cases[i].text),
		    cases[i].message);
}

static void
test_canon__what_only_one_library_refuses(void **state)
{
	static char digits[4400];

	(void)state;
	assert_string_equal(form(TALLY_CANON_JSONB, "\"\\u0000\""),
	    "json: a zero character, which jsonb refuses");
	assert_string_equal(form(TALLY_CANON_JSONB, "{\"a\":\"\\ud800\"}"),
	    "json: an unpaired surrogate, which jsonb refuses");
	assert_string_equal(form(TALLY_CANON_JSONB,
				"{\"a\":\"\\ud800\",\"a\":1}"),
	    "json: an unpaired surrogate, which jsonb refuses");
	assert_string_equal(form(TALLY_CANON_JSONB, "1e131072"),
	    "json: a number that PostgreSQL's numeric has no room for");
	assert_string_equal(form(TALLY_CANON_JSONB, "1e-16384"),
	    "json: a number that PostgreSQL's numeric has no room for");
	assert_int_equal(strlen(form(TALLY_CANON_JSONB, "1e131071")), 131072);
	assert_int_equal(strlen(form(TALLY_CANON_JSONB, "1e-16383")), 16385);
	memset(digits, '7', 4301);
	assert_string_equal(form(TALLY_CANON_PYTHON, digits),
	    "json: an integer of more than 4300 digits, which Python refuses");
	digits[4300] = '\0';
	assert_string_equal(form(TALLY_CANON_PYTHON, digits), digits);
}

static void
test_canon__depth(void **state)
{
	static char text[2 * TALLY_CANON_DEPTH + 8];
	size_t depth = TALLY_CANON_DEPTH;

	(void)state;
	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	assert_string_equal(form(TALLY_CANON_PYTHON, text), text);
	memset(text, '[', depth + 1);
	memset(text + depth + 1, ']', depth + 1);
	assert_string_equal(form(TALLY_CANON_PYTHON, text),
	    "json: nested deeper than 512 at byte 512");
}

/* ---- room ------------------------------------------------------------- */

static const char sample[] =
    "{\"z\":[1,2.50,{\"b\":null,\"a\":\"\\u00e9x\"}],\"a\":{},\"10\":true,"
    "\"9\":\"caf\xc3\xa9\",\"a\":-0.0}";

/* Any prefix, flush against memory that cannot be read. */
static void
test_canon__nothing_is_read_behind_the_text(void **state)
{
	struct guard guard;
	size_t len = sizeof(sample) - 1, count;

	(void)state;
	guard_open(&guard, len);
	for (size_t n = 0; n <= len; n++) {
		const char *text = guard_put(&guard, sample, n);
		int r = tally_canon_read(text, n, 0, &room, &count, NULL);

		assert_int_equal(r, n == len ? 0 : TALLY_E_EVENT);
	}
	guard_close(&guard);
}

static void
test_canon__too_little_room_is_partial(void **state)
{
	struct tally_canon_style style = { .form = TALLY_CANON_JSONB };
	struct tally_canon_room small = room;
	size_t len = sizeof(sample) - 1, needed, count, whole;
	struct guard guard;

	(void)state;
	assert_int_equal(
	    tally_canon_read(sample, len, 0, &room, &needed, NULL), 0);
	for (small.capacity = 0; small.capacity < needed; small.capacity++)
		assert_int_equal(tally_canon_read(sample, len, 0, &small,
				     &count, NULL), TALLY_PARTIAL);
	small.capacity = needed;
	assert_int_equal(
	    tally_canon_read(sample, len, 0, &small, &count, NULL), 0);
	guard_open(&guard, 4096);
	for (whole = 0;; whole++) {
		struct tally_canon_out out = { guard_high(&guard, whole), 0,
			whole, false };

		if (tally_canon_write(sample, &small, 0, &style, &out, NULL) ==
		    0)
			break;
		assert_true(out.full);
	}
	assert_int_equal(whole, strlen(form(TALLY_CANON_JSONB, sample)));
	guard_close(&guard);
}

/* ---- options ---------------------------------------------------------- */

static void
test_canon__without_counts_for_the_outermost_object(void **state)
{
	struct tally_canon_text hash = { "hash", 4 };
	struct tally_canon_style style = { .form = TALLY_CANON_PYTHON,
		.without = &hash,
		.without_len = 1 };

	(void)state;
	assert_string_equal(write_styled("{\"x\":{\"hash\":1},\"hash\":2,"
					 "\"\\u0068ash\":3,\"a\":[]}",
				&style, 0),
	    "{\"a\":[],\"x\":{\"hash\":1}}");
}

static void
test_canon__only_counts_at_every_depth(void **state)
{
	struct tally_canon_text names[] = { { "id", 2 }, { "x", 1 } };
	struct tally_canon_style style = { .form = TALLY_CANON_JS_PROPERTY,
		.only = names,
		.only_len = 2 };

	(void)state;
	assert_string_equal(
	    write_styled("{\"x\":{\"y\":1,\"id\":[{\"z\":1}]},\"b\":2}", &style,
		0),
	    "{\"x\":{\"id\":[{}]}}");
}

static void
test_canon__words_where_they_are_asked_for(void **state)
{
	struct tally_canon_style style = { .form = TALLY_CANON_PYTHON };

	(void)state;
	assert_string_equal(
	    write_styled("[NaN,Infinity,-Infinity,-1]", &style,
		TALLY_CANON_READ_NAN),
	    "[NaN,Infinity,-Infinity,-1]");
	assert_string_equal(write_styled("{\"a\":undefined}", &style,
				TALLY_CANON_READ_UNDEFINED),
	    "{\"a\":undefined}");
}

static void
test_canon__many_members_are_sorted_and_the_last_counts(void **state)
{
	static char text[40000];
	static const enum tally_canon_form forms[] = { TALLY_CANON_JS_PROPERTY,
		TALLY_CANON_JS_UTF16, TALLY_CANON_PYTHON, TALLY_CANON_JSONB };
	size_t len = 0;
	const char *all;

	(void)state;
	text[len++] = '{';
	for (int i = 0; i < 1000; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s\"k%03d\":%d", i ? "," : "", i * 7 % 500, i);
	text[len++] = '}';
	text[len] = '\0';
	for (size_t f = 0; f < 4; f++) {
		all = form(forms[f], text);
		for (int k = 0; k < 500; k++) {
			char name[16];
			const char *at;

			snprintf(name, sizeof(name), "\"k%03d\":", k);
			at = strstr(all, name);
			assert_non_null(at);
			assert_int_equal(atoi(at + 7), 500 + (int)(
			    (long)k * 143 % 500));
			assert_null(strstr(at + 1, name));
			all = at;
		}
	}
}

static void
test_canon__plain_text_of_a_string(void **state)
{
	const char *text = "\"a\\n\\u00e9\\ud83d\\ude00\\ud800!\"";
	struct tally_canon_out out = { written, 0, sizeof(written), false };
	struct tally_canon_text same = { "a\n\xc3\xa9\xf0\x9f\x98\x80", 8 };
	size_t count;

	(void)state;
	assert_int_equal(tally_canon_read(text, strlen(text), 0, &room, &count,
			     NULL), 0);
	tally_canon_write_plain(text, &nodes[0], &out);
	assert_int_equal(out.len, 12);
	assert_memory_equal(written,
	    "a\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd!", 12);
	assert_false(tally_canon_equal(text, &nodes[0], &same));
	out.len = 0;
	assert_int_equal(tally_canon_write_string(TALLY_CANON_PYTHON, same.at,
			     same.len, &out, NULL), 0);
	assert_memory_equal(written, "\"a\\n\\u00e9\\ud83d\\ude00\"", 23);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canon__refusals_say_where),
		cmocka_unit_test(test_canon__what_only_one_library_refuses),
		cmocka_unit_test(test_canon__depth),
		cmocka_unit_test(test_canon__nothing_is_read_behind_the_text),
		cmocka_unit_test(test_canon__too_little_room_is_partial),
		cmocka_unit_test(
		    test_canon__without_counts_for_the_outermost_object),
		cmocka_unit_test(test_canon__only_counts_at_every_depth),
		cmocka_unit_test(test_canon__words_where_they_are_asked_for),
		cmocka_unit_test(
		    test_canon__many_members_are_sorted_and_the_last_counts),
		cmocka_unit_test(test_canon__plain_text_of_a_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
