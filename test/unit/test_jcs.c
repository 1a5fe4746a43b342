/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 8785, sections 3.2.2.2 and 3.2.3.  What was quoted is read back by
 * jansson; the order is held against UTF-16 code units, written out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/jcs.h"
#include "core/json.h"
#include "guard.h"

static struct guard in_guard, out_guard;

static int
open_guards(void **state)
{
	(void)state;
	guard_open(&in_guard, 4096);
	guard_open(&out_guard, 8 * 4096);
	return 0;
}

static int
close_guards(void **state)
{
	(void)state;
	guard_close(&in_guard);
	guard_close(&out_guard);
	return 0;
}

/* Quotes text between guard pages, with exactly as much room as it takes. */
static const char *
quote(const char *text, size_t len, size_t *out_len)
{
	const char *in = guard_put(&in_guard, text, len);
	size_t measured = tally_jcs_measure(in, len);
	char *out = guard_high(&out_guard, measured);

	assert_true(measured <= TALLY_JCS_QUOTED_MAX(len));
	*out_len = tally_jcs_quote(in, len, out);
	if (*out_len != 0)
		assert_int_equal(*out_len, measured);
	return out;
}

static void
assert_quoted(const char *text, size_t len, const char *want)
{
	size_t got_len;
	const char *got = quote(text, len, &got_len);

	assert_int_equal(got_len, strlen(want));
	assert_memory_equal(got, want, got_len);
}

static void
assert_read_back(const char *text, size_t len)
{
	size_t quoted_len;
	const char *quoted = quote(text, len, &quoted_len);
	json_t *json = json_loadb(quoted, quoted_len,
	    JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	assert_non_null(json);
	assert_int_equal(json_string_length(json), len);
	assert_memory_equal(json_string_value(json), text, len);
	json_decref(json);
}

/* ---- strings ---------------------------------------------------------- */

static void
test_jcs__every_single_byte(void **state)
{
	static const char *const low[0x20] = { "\\u0000", "\\u0001", "\\u0002",
		"\\u0003", "\\u0004", "\\u0005", "\\u0006", "\\u0007", "\\b",
		"\\t", "\\n", "\\u000b", "\\f", "\\r", "\\u000e", "\\u000f",
		"\\u0010", "\\u0011", "\\u0012", "\\u0013", "\\u0014",
		"\\u0015", "\\u0016", "\\u0017", "\\u0018", "\\u0019",
		"\\u001a", "\\u001b", "\\u001c", "\\u001d", "\\u001e",
		"\\u001f" };
	char text[1], want[16];
	size_t len;
	int c;

	(void)state;
	for (c = 0; c < 0x80; c++) {
		text[0] = (char)c;
		if (c < 0x20)
			snprintf(want, sizeof(want), "\"%s\"", low[c]);
		else if (c == '"' || c == '\\')
			snprintf(want, sizeof(want), "\"\\%c\"", c);
		else
			snprintf(want, sizeof(want), "\"%c\"", c);
		assert_quoted(text, 1, want);
	}
	for (c = 0x80; c < 0x100; c++) {
		text[0] = (char)c;
		quote(text, 1, &len);
		assert_int_equal(len, 0);
	}
}

static void
test_jcs__published_strings(void **state)
{
	(void)state;
	assert_quoted(NULL, 0, "\"\"");
	assert_quoted("plain", 5, "\"plain\"");
	/* RFC 8785, section 3.2.2: the member "string" of the sample. */
	assert_quoted("\xe2\x82\xac$\x0f\nA'B\"\\\\\"/", 14,
	    "\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"");
	/* Neither '/' nor DEL nor what JavaScript once stumbled over. */
	assert_quoted("</\x7f\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf", 12,
	    "\"</\x7f\xe2\x80\xa8\xe2\x80\xa9\xef\xbb\xbf\"");
}

/* The two that need most care, at every place of texts of every length. */
static void
test_jcs__escapes_at_every_place(void **state)
{
	static const char hostile[] = { '\0', '\n', '"', '\\', 0x1f };
	char text[70];
	size_t len, at, i;

	(void)state;
	for (len = 1; len <= sizeof(text); len++) {
		memset(text, 'x', len);
		assert_read_back(text, len);
		for (at = 0; at < len; at++) {
			for (i = 0; i < sizeof(hostile); i++) {
				text[at] = hostile[i];
				assert_read_back(text, len);
				text[len - 1 - at] = '"';
				assert_read_back(text, len);
				text[len - 1 - at] = 'x';
			}
			text[at] = 'x';
		}
	}
}

static void
test_jcs__characters_at_every_place(void **state)
{
	static const char *const characters[] = { "\xc2\x80", "\xdf\xbf",
		"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
	char text[48];
	size_t len, at, i, size, got;

	(void)state;
	for (i = 0; i < sizeof(characters) / sizeof(characters[0]); i++) {
		size = strlen(characters[i]);
		for (len = size; len <= sizeof(text); len++) {
			for (at = 0; at + size <= len; at++) {
				memset(text, at % 2 != 0 ? 'x' : '\n', len);
				memcpy(text + at, characters[i], size);
				assert_read_back(text, len);
			}
			/* Cut off in its middle. */
			for (at = 1; at < size; at++) {
				quote(text, len - at, &got);
				assert_int_equal(got, 0);
			}
		}
	}
}

static void
test_jcs__refuses_what_is_not_utf8(void **state)
{
	static const char *const texts[] = { "\x80", "\xbf", "\xc0\xaf",
		"\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
		"\xff", "\xc3\n", "\xc3\"", "\xe2\x82\"", "\xc3\xc3\xa9" };
	char text[40];
	size_t i, at, len, got;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		len = strlen(texts[i]);
		for (at = 0; at + len <= sizeof(text); at++) {
			memset(text, 'x', sizeof(text));
			memcpy(text + at, texts[i], len);
			quote(text, sizeof(text), &got);
			assert_int_equal(got, 0);
			quote(text, at + len, &got);
			assert_int_equal(got, 0);
		}
	}
}

static void
test_jcs__the_longest_there_can_be(void **state)
{
	char text[4096];
	size_t len;

	(void)state;
	memset(text, 1, sizeof(text));
	quote(text, sizeof(text), &len);
	assert_int_equal(len, TALLY_JCS_QUOTED_MAX(sizeof(text)));
	assert_read_back(text, sizeof(text));
}

/* ---- order ------------------------------------------------------------ */

struct units {
	uint16_t at[8];
	size_t len;
};

static void
add_character(struct units *units, char *text, size_t *text_len, int32_t c)
{
	*text_len += tally_utf8_encode(c, (uint8_t *)text + *text_len);
	if (c >= 0x10000) {
		c -= 0x10000;
		units->at[units->len++] = (uint16_t)(0xd800 + (c >> 10));
		c = 0xdc00 + (c & 0x3ff);
	}
	units->at[units->len++] = (uint16_t)c;
}

static int
compare_units(const struct units *a, const struct units *b)
{
	size_t i;

	for (i = 0; i < a->len && i < b->len; i++) {
		if (a->at[i] != b->at[i])
			return a->at[i] < b->at[i] ? -1 : 1;
	}
	return (a->len > b->len) - (a->len < b->len);
}

/* Every two texts of up to two characters of these. */
static const int32_t edges[] = { 0, 'A', 'a', 'b', 0x7f, 0x80, 0xff, 0x7ff,
	0x800, 0xd7ff, 0xe000, 0xefff, 0xf000, 0xfffd, 0xffff, 0x10000, 0x10001,
	0x1f600, 0x3ffff, 0x40000, 0x10fffe, 0x10ffff };
#define EDGES ((int)(sizeof(edges) / sizeof(edges[0])))
#define TEXTS ((EDGES + 1) * (EDGES + 1))

static void
make_text(int which, struct units *units, char *text, size_t *text_len)
{
	int first = which / (EDGES + 1), second = which % (EDGES + 1);

	units->len = 0;
	*text_len = 0;
	if (first < EDGES)
		add_character(units, text, text_len, edges[first]);
	if (second < EDGES)
		add_character(units, text, text_len, edges[second]);
}

static int
sign(int n)
{
	return (n > 0) - (n < 0);
}

static void
test_jcs__order_is_that_of_utf16(void **state)
{
	struct units a_units, b_units;
	char a[8], b[8];
	size_t a_len, b_len;
	int i, j;

	(void)state;
	for (i = 0; i < TEXTS; i++) {
		make_text(i, &a_units, a, &a_len);
		for (j = 0; j < TEXTS; j++) {
			make_text(j, &b_units, b, &b_len);
			assert_int_equal(
			    sign(tally_jcs_compare(guard_put(&in_guard, a,
						       a_len),
				a_len, guard_put(&out_guard, b, b_len), b_len)),
			    compare_units(&a_units, &b_units));
		}
	}
}

/* RFC 8785, section 3.2.3: the sample, sorted. */
static void
test_jcs__published_order(void **state)
{
	static const char *const names[] = { "\r", "1", "\xc2\x80", "\xc3\xb6",
		"\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xef\xac\xb3" };
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (j = 0; j < sizeof(names) / sizeof(names[0]); j++)
			assert_int_equal(sign(tally_jcs_compare(names[i],
					     strlen(names[i]), names[j],
					     strlen(names[j]))),
			    (i > j) - (i < j));
	}
}

#define TEST(name) cmocka_unit_test(test_jcs__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_single_byte),
		TEST(published_strings),
		TEST(escapes_at_every_place),
		TEST(characters_at_every_place),
		TEST(refuses_what_is_not_utf8),
		TEST(the_longest_there_can_be),
		TEST(order_is_that_of_utf16),
		TEST(published_order),
	};

	return cmocka_run_group_tests(tests, open_guards, close_guards);
}
