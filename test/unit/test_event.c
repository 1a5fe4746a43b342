/* SPDX-License-Identifier: Apache-2.0 */
/* What the event scanner keeps and what it refuses, in so many words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/text.h"
#include "event_judge.h"

/* ---- what is kept ----------------------------------------------------- */

static void
test_event__keeps_what_was_given(void **state)
{
	static const char *const same[] = {
		"{}",
		"[]",
		"0",
		"-0",
		"1",
		"-1",
		"10",
		"1.0",
		"1.10",
		"0.5",
		"1e3",
		"1E+3",
		"1e-03",
		"-0.0e-0",
		"9007199254740993",
		"123456789012345678901234567890",
		"1e999",
		"true",
		"false",
		"null",
		"\"\"",
		"\"a\"",
		"\"\\u0041\"",
		"\"\\/\"",
		"\"\\b\\f\\n\\r\\t\\\"\\\\\"",
		"\"\\ud83d\\uDE00\"",
		"\"\\u0000\"",
		"\"\x7f\"",
		"\"caf\xc3\xa9\"",
		"\"\xf0\x9f\x98\x80\"",
		"\"\xef\xbb\xbf\"",
		"\"\xe2\x80\xa8\"",
		"\"\xef\xbf\xbf\"",
		"\" \"",
		"\"{ [ : , ] }\"",
		"[[]]",
		"[{}]",
		"{\"\":\"\"}",
		"{\"b\":1,\"a\":2}",
		"[1,1,1]",
		"{\"a\":{\"a\":{\"a\":1}}}",
		"[{\"a\":1},{\"a\":1}]",
		"{\"a\":1,\"A\":1,\"a \":1}",
		"{\"\\u0061\":1,\"b\":2}",
		"[true,false,null,0,\"\",{},[]]",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_keeps(same[i], strlen(same[i]), same[i]);
}

static void
test_event__leaves_out_insignificant_space(void **state)
{
	static const char *const pairs[][2] = {
		{ " {}", "{}" },
		{ "{} ", "{}" },
		{ "\t\r\n [ ] \n", "[]" },
		{ "{ \"a\" : 1 }", "{\"a\":1}" },
		{ "{\"a\":1 ,\"b\":2}", "{\"a\":1,\"b\":2}" },
		{ "[ 1 , 2 ]", "[1,2]" },
		{ "[1,\n\t2]", "[1,2]" },
		{ " 1 ", "1" },
		{ " true ", "true" },
		{ "\r\n\"a b\"\r\n", "\"a b\"" },
		{ "{\n  \"a long name, longer than a vector\": \"x  y\"\n}\n",
		    "{\"a long name, longer than a vector\":\"x  y\"}" },
		{ "[ [ ] , { } ]", "[[],{}]" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_keeps(pairs[i][0], strlen(pairs[i][0]), pairs[i][1]);
}

/* Runs of every length between white space, with little room behind. */
static void
test_event__copies_runs_of_every_length(void **state)
{
	char text[200], want[200];
	size_t len, i, n;

	(void)state;
	for (len = 0; len < 70; len++) {
		text[0] = ' ';
		text[1] = want[0] = '"';
		for (i = 0; i < len; i++)
			text[2 + i] = want[1 + i] = (char)('a' + i % 26);
		text[2 + len] = want[1 + len] = '"';
		text[3 + len] = '\n';
		want[2 + len] = '\0';
		assert_keeps(text, len + 4, want);
		/* The limit is all that out has. */
		assert_int_equal(judge(text, len + 4, len + 2, &n, NULL), 0);
		assert_int_equal(judge(text, len + 4, len + 1, &n, NULL),
		    TALLY_E_LIMIT);
	}
}

/* ---- what is refused -------------------------------------------------- */

static const struct {
	const char *text;
	const char *message;
} refusals[] = {
	{ "\xef\xbb\xbf{}", "byte order mark at byte 0" },
	{ "\xef\xbb\xbf", "byte order mark at byte 0" },
	{ "", "unexpected end at byte 0" },
	{ " \n ", "unexpected end at byte 3" },
	{ "{", "unexpected end at byte 1" },
	{ "[", "unexpected end at byte 1" },
	{ "[1", "unexpected end at byte 2" },
	{ "[1,", "unexpected end at byte 3" },
	{ "{\"a\"", "unexpected end at byte 4" },
	{ "{\"a\":", "unexpected end at byte 5" },
	{ "{\"a\":1", "unexpected end at byte 6" },
	{ "{\"a\":1,", "unexpected end at byte 7" },
	{ "\"abc", "unexpected end at byte 4" },
	{ "-", "unexpected end at byte 1" },
	{ "1.", "unexpected end at byte 2" },
	{ "1e", "unexpected end at byte 2" },
	{ "1e+", "unexpected end at byte 3" },
	{ "}", "expected a value at byte 0" },
	{ "]", "expected a value at byte 0" },
	{ ",", "expected a value at byte 0" },
	{ ":", "expected a value at byte 0" },
	{ "[,1]", "expected a value at byte 1" },
	{ "[1,]", "expected a value at byte 3" },
	{ "[1,,2]", "expected a value at byte 3" },
	{ "{\"a\":}", "expected a value at byte 5" },
	{ "{\"a\":,}", "expected a value at byte 5" },
	{ "+1", "expected a value at byte 0" },
	{ ".5", "expected a value at byte 0" },
	{ "NaN", "expected a value at byte 0" },
	{ "Infinity", "expected a value at byte 0" },
	{ "'a'", "expected a value at byte 0" },
	{ "// x\n1", "expected a value at byte 0" },
	{ "True", "expected a value at byte 0" },
	{ "\v1", "expected a value at byte 0" },
	{ "\xc2\xa0"
	  "1",
	    "expected a value at byte 0" },
	{ "\xff", "expected a value at byte 0" },
	{ "[\x01]", "expected a value at byte 1" },
	{ "{1:2}", "expected a member name at byte 1" },
	{ "{a:1}", "expected a member name at byte 1" },
	{ "{,}", "expected a member name at byte 1" },
	{ "{\"a\":1,}", "expected a member name at byte 7" },
	{ "{\"a\":1,,\"b\":2}", "expected a member name at byte 7" },
	{ "{\"a\":1,[]}", "expected a member name at byte 7" },
	{ "{\"a\"}", "expected ':' at byte 4" },
	{ "{\"a\" 1}", "expected ':' at byte 5" },
	{ "{\"a\",1}", "expected ':' at byte 4" },
	{ "{\"a\":1 \"b\":2}", "expected ',' or '}' at byte 7" },
	{ "{\"a\":1]", "expected ',' or '}' at byte 6" },
	{ "{\"a\":1:2}", "expected ',' or '}' at byte 6" },
	{ "{\"a\":1;\"b\":2}", "expected ',' or '}' at byte 6" },
	{ "[1}", "expected ',' or ']' at byte 2" },
	{ "[1 2]", "expected ',' or ']' at byte 3" },
	{ "[1:2]", "expected ',' or ']' at byte 2" },
	{ "[\"a\"\"b\"]", "expected ',' or ']' at byte 4" },
	{ "[0x1]", "expected ',' or ']' at byte 2" },
	{ "[1.2.3]", "expected ',' or ']' at byte 4" },
	{ "[1e2e3]", "expected ',' or ']' at byte 4" },
	{ "t", "invalid literal at byte 0" },
	{ "tru", "invalid literal at byte 0" },
	{ "truE", "invalid literal at byte 0" },
	{ "[nul]", "invalid literal at byte 1" },
	{ "fals", "invalid literal at byte 0" },
	{ "nan", "invalid literal at byte 0" },
	{ "00", "leading zero at byte 0" },
	{ "01", "leading zero at byte 0" },
	{ "[-012]", "leading zero at byte 1" },
	{ "-a", "expected a digit at byte 1" },
	{ "--1", "expected a digit at byte 1" },
	{ "-.5", "expected a digit at byte 1" },
	{ "[1.]", "expected a digit at byte 3" },
	{ "1.e5", "expected a digit at byte 2" },
	{ "1e-", "unexpected end at byte 3" },
	{ "[1e]", "expected a digit at byte 3" },
	{ "[1e+-2]", "expected a digit at byte 4" },
	{ "\"a\nb\"", "control character in a string at byte 2" },
	{ "\"\x1f\"", "control character in a string at byte 1" },
	{ "{\"\t\":1}", "control character in a string at byte 2" },
	{ "\"\x80\"", "invalid UTF-8 at byte 1" },
	{ "\"ab\xc3\"", "invalid UTF-8 at byte 3" },
	{ "\"\xc3\xa9\xff\"", "invalid UTF-8 at byte 3" },
	{ "\"\xc0\xaf\"", "invalid UTF-8 at byte 1" },
	{ "\"\xed\xa0\x80\"", "invalid UTF-8 at byte 1" },
	{ "\"\xf4\x90\x80\x80\"", "invalid UTF-8 at byte 1" },
	{ "\"\xe2\x82", "invalid UTF-8 at byte 1" },
	{ "{\"\xf8\":1}", "invalid UTF-8 at byte 2" },
	{ "\"\\a\"", "invalid escape at byte 1" },
	{ "\"\\", "invalid escape at byte 1" },
	{ "\"\\u12", "invalid escape at byte 1" },
	{ "\"\\u12g4\"", "invalid escape at byte 1" },
	{ "\"ab\\U0041\"", "invalid escape at byte 3" },
	{ "\"\\x41\"", "invalid escape at byte 1" },
	{ "\"\\'\"", "invalid escape at byte 1" },
	{ "\"\\ud800\"", "unpaired surrogate at byte 1" },
	{ "\"\\udc00\"", "unpaired surrogate at byte 1" },
	{ "\"a\\udbff\\u0041\"", "unpaired surrogate at byte 2" },
	{ "\"\\ud800\\ud800\"", "unpaired surrogate at byte 1" },
	{ "\"\\udc00\\ud800\"", "unpaired surrogate at byte 1" },
	{ "\"\\ud83d\\n\"", "unpaired surrogate at byte 1" },
	{ "\"\\ud83d\\udc0", "unpaired surrogate at byte 1" },
	{ "{} {}", "trailing bytes at byte 3" },
	{ "1 2", "trailing bytes at byte 2" },
	{ "{}}", "trailing bytes at byte 2" },
	{ "[]]", "trailing bytes at byte 2" },
	{ "\"a\"b", "trailing bytes at byte 3" },
	{ "truetrue", "trailing bytes at byte 4" },
	{ "1a", "trailing bytes at byte 1" },
	{ "0x10", "trailing bytes at byte 1" },
	{ "1,2", "trailing bytes at byte 1" },
	{ "{}\xef\xbb\xbf", "trailing bytes at byte 2" },
	{ "{\"a\":1,\"b\":2,\"a\":3}", "duplicate member \"a\" at byte 13" },
	{ "{\"a\":1,\"bcd\":23,\"a\":3}", "duplicate member \"a\" at byte 16" },
	{ "{\"\":1,\"\":2}", "duplicate member \"\" at byte 6" },
	{ "{ \"a\" : 1 , \"a\" : 2 }", "duplicate member \"a\" at byte 12" },
	{ "[{\"x\":{\"y\":1,\"y\":2}}]", "duplicate member \"y\" at byte 13" },
	{ "{\"x\":{},\"x\":{}}", "duplicate member \"x\" at byte 8" },
	{ "{\"a\":1,\"\\u0061\":2}", "duplicate member \"\\u0061\" at byte 7" },
	{ "{\"\\u0061\":1,\"a\":2}", "duplicate member \"a\" at byte 12" },
	{ "{\"\\/\":1,\"/\":2}", "duplicate member \"/\" at byte 8" },
	{ "{\"\\u00E9\":1,\"\xc3\xa9\":2}",
	    "duplicate member \"\xc3\xa9\" at byte 12" },
	{ "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}",
	    "duplicate member \"\xf0\x9f\x98\x80\" at byte 18" },
};

static void
test_event__says_what_is_wrong_and_where(void **state)
{
	char message[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		snprintf(message, sizeof(message), "event: %s",
		    refusals[i].message);
		assert_refused(refusals[i].text, strlen(refusals[i].text),
		    TALLY_E_EVENT, message);
	}
	assert_refused("1\0", 2, TALLY_E_EVENT,
	    "event: trailing bytes at byte 1");
	assert_refused("\0", 1, TALLY_E_EVENT,
	    "event: expected a value at byte 0");
	assert_refused("\"a\0b\"", 5, TALLY_E_EVENT,
	    "event: control character in a string at byte 2");
	assert_refused(NULL, 0, TALLY_E_EVENT,
	    "event: unexpected end at byte 0");
}

/* Names in messages are short and printable. */
static void
test_event__shows_names_harmlessly(void **state)
{
	static const struct {
		const char *name;
		const char *shown;
	} cases[] = {
		{ "del\x7f", "del?" },
		{ "c1\xc2\x85\xc2\xa0", "c1?\xc2\xa0" },
		{ "bidi\xe2\x80\xae\xe2\x81\xa6\xe2\x82\xac",
		    "bidi??\xe2\x82\xac" },
		{ "bom\xef\xbb\xbf\xef\xbf\xbd", "bom?\xef\xbf\xbd" },
		{ "123456789012345678901234567890123456789012345678901234567"
		  "890",
		    "123456789012345678901234567890123456789012345678901"
		    "234567890" },
		{ "123456789012345678901234567890123456789012345678901234567"
		  "8901",
		    "12345678901234567890123456789012345678901234567890"
		    "1234567890..." },
		{ "12345678901234567890123456789012345678901234567890123456789"
		  "\xc3\xa9",
		    "1234567890123456789012345678901234567890123456"
		    "7890123456789..." },
	};
	char text[400], message[400];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		len = (size_t)snprintf(text, sizeof(text),
		    "{\"%s\":1,\"%s\":2}", cases[i].name, cases[i].name);
		snprintf(message, sizeof(message),
		    "event: duplicate member \"%s\" at byte %zu",
		    cases[i].shown, strlen(cases[i].name) + 6);
		assert_refused(text, len, TALLY_E_EVENT, message);
	}
}

/* The check has no message, and refuses what only the scan may take. */
static void
test_event__check_refuses_white_space(void **state)
{
	static const char *const texts[] = { " {}", "{} ", "{ }", "[ ]", "[1 ]",
		"[1, 2]", "[1 ,2]", "{\"a\" :1}", "{\"a\": 1}", "{ \"a\":1}",
		"{\"a\":1 }", "1\n", "\t1", "\r1" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(tally_event_check(texts[i], strlen(texts[i]),
				     LIMIT, &room),
		    TALLY_E_EVENT);
}

/* ---- bytes, escapes, UTF-8 -------------------------------------------- */

/* Every byte at every place of strings around the widths of a load. */
static void
test_event__every_byte_in_a_string(void **state)
{
	char text[80];
	size_t len, at;
	int c;

	(void)state;
	for (len = 0; len <= 50; len++) {
		memset(text, 'x', sizeof(text));
		text[0] = text[len + 1] = '"';
		assert_true(accepted(text, len + 2));
		for (at = 1; at <= len; at++) {
			for (c = 0; c < 256; c++) {
				text[at] = (char)c;
				assert_int_equal(accepted(text, len + 2),
				    tally_json_is_plain((uint8_t)c));
			}
			text[at] = 'x';
		}
	}
}

static void
test_event__every_byte_behind_a_backslash(void **state)
{
	char text[4] = "\"\\_\"";
	int c;

	(void)state;
	for (c = 0; c < 256; c++) {
		text[2] = (char)c;
		assert_int_equal(accepted(text, 4),
		    c != 0 && strchr("\"/\\bfnrt", c) != NULL);
	}
}

static void
test_event__every_unit(void **state)
{
	char text[32];
	unsigned unit;
	int len;

	(void)state;
	for (unit = 0; unit < 0x10000; unit++) {
		len = snprintf(text, sizeof(text), "\"\\u%04x\"", unit);
		assert_int_equal(accepted(text, (size_t)len),
		    unit < 0xd800 || unit > 0xdfff);
		len = snprintf(text, sizeof(text), "\"\\u%04X\"", unit);
		assert_int_equal(accepted(text, (size_t)len),
		    unit < 0xd800 || unit > 0xdfff);
		len = snprintf(text, sizeof(text), "\"\\ud800\\u%04x\"", unit);
		assert_int_equal(accepted(text, (size_t)len),
		    unit >= 0xdc00 && unit <= 0xdfff);
		len = snprintf(text, sizeof(text), "\"\\u%04x\\udfff\"", unit);
		assert_int_equal(accepted(text, (size_t)len),
		    unit >= 0xd800 && unit <= 0xdbff);
	}
}

/* UTF-8 is judged as tally_is_utf8 does, whatever stands around it. */
static void
test_event__utf8_of_every_start(void **state)
{
	char text[64];
	uint32_t i;
	size_t pad;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (i = 0; i < 0x800000; i += 7) {
		pad = i % 20;
		text[0] = '"';
		text[1 + pad] = (char)(0x80 | i >> 16);
		text[2 + pad] = (char)(0x80 | (i >> 8 & 0xff));
		text[3 + pad] = (char)(i & 0xff);
		if (tally_json_is_plain((uint8_t)text[3 + pad]) ||
		    (i & 0xff) >= 0x80) {
			text[4 + pad] = '"';
			assert_int_equal(accepted(text, pad + 5),
			    tally_is_utf8(text, pad + 5));
		}
		memset(text + 1 + pad, 'x', 4);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keeps_what_was_given),
		TEST(leaves_out_insignificant_space),
		TEST(copies_runs_of_every_length),
		TEST(says_what_is_wrong_and_where),
		TEST(shows_names_harmlessly),
		TEST(check_refuses_white_space),
		TEST(every_byte_in_a_string),
		TEST(every_byte_behind_a_backslash),
		TEST(every_unit),
		TEST(utf8_of_every_start),
	};

	return cmocka_run_group_tests(tests, open_guards, close_guards);
}
