/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors: RFC 4648, section 10; Unicode, table 3-7 (well-formed UTF-8), by
 * encoding every character and trying every byte sequence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/text.h"
#include "guard.h"

static struct guard guard;

static int
open_guard(void **state)
{
	(void)state;
	guard_open(&guard, 4096);
	return 0;
}

static int
close_guard(void **state)
{
	(void)state;
	guard_close(&guard);
	return 0;
}

/* ---- hexadecimal ------------------------------------------------------ */

static void
test_text__hex_round_trip(void **state)
{
	uint8_t bytes[256], back[256];
	char *text;
	size_t len, i;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 151 + 3);
	for (len = 0; len <= sizeof(bytes); len++) {
		text = guard_high(&guard, 2 * len);
		tally_hex_format(bytes, len, text);
		assert_int_equal(tally_hex_parse(text, 2 * len, true, back,
				     len),
		    0);
		assert_memory_equal(back, bytes, len);
		for (i = 0; i < 2 * len; i++) {
			if (text[i] >= 'a')
				text[i] = (char)(text[i] - 32);
		}
		assert_int_equal(tally_hex_parse(text, 2 * len, false, back,
				     len),
		    0);
		assert_memory_equal(back, bytes, len);
	}
}

/* Every byte at every place of texts that do and do not fit the wide path. */
static void
test_text__hex_takes_digits_only(void **state)
{
	static const size_t lens[] = { 2, 4, 14, 16, 18, 32, 46, 64 };
	uint8_t out[32];
	size_t i, at, len;
	char *text;
	bool lower, upper;
	int c;

	(void)state;
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		len = lens[i];
		text = guard_high(&guard, len);
		memset(text, '7', len);
		for (at = 0; at < len; at++) {
			for (c = 0; c < 256; c++) {
				text[at] = (char)c;
				lower = c != 0 &&
				    strchr("0123456789abcdef", c) != NULL;
				upper = c >= 'A' && c <= 'F';
				assert_int_equal(tally_hex_parse(text, len,
						     true, out, len / 2),
				    lower ? 0 : TALLY_E_FORMAT);
				assert_int_equal(tally_hex_parse(text, len,
						     false, out, len / 2),
				    lower || upper ? 0 : TALLY_E_FORMAT);
			}
			text[at] = '7';
		}
	}
}

static void
test_text__hex_wants_the_exact_length(void **state)
{
	static const char text[] = "00112233445566778899aabbccddeeff0011";
	uint8_t out[16];
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(text); len++)
		assert_int_equal(tally_hex_parse(text, len, true, out, 16),
		    len == 32 ? 0 : TALLY_E_FORMAT);
}

static void
test_text__hash_in_either_case(void **state)
{
	static const char mixed[] =
	    "E3b0c44298FC1c149afbf4c8996fb92427ae41e4649b934ca495991b7852B855";
	struct tally_hash hash = { { 0 } }, kept;
	char out[TALLY_HASH_TEXT_SIZE];

	(void)state;
	assert_int_equal(tally_hash_parse(mixed, 64, &hash), 0);
	tally_hash_format(&hash, out);
	assert_string_equal(out,
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	kept = hash;
	assert_int_equal(tally_hash_parse(mixed, 63, &hash), TALLY_E_FORMAT);
	assert_int_equal(tally_hash_parse(mixed, 65, &hash), TALLY_E_FORMAT);
	assert_int_equal(tally_hash_parse(mixed, 0, &hash), TALLY_E_FORMAT);
	/* A failure near the end leaves out alone too. */
	memcpy(out, mixed, 65);
	memset(out, '0', 63);
	out[63] = 'g';
	assert_int_equal(tally_hash_parse(out, 64, &hash), TALLY_E_FORMAT);
	assert_memory_equal(&hash, &kept, sizeof(hash));
}

/* ---- base64 ----------------------------------------------------------- */

static void
test_text__base64_gives_the_published_values(void **state)
{
	static const char *const want[] = { "", "Zg==", "Zm8=", "Zm9v",
		"Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
	uint8_t back[8];
	char text[8];
	size_t len, back_len;

	(void)state;
	for (len = 0; len < 7; len++) {
		assert_int_equal(tally_base64_size(len), strlen(want[len]));
		tally_base64_format((const uint8_t *)"foobar", len, text);
		assert_memory_equal(text, want[len], strlen(want[len]));
		assert_int_equal(tally_base64_parse(want[len],
				     strlen(want[len]), back, len, &back_len),
		    0);
		assert_int_equal(back_len, len);
		assert_memory_equal(back, "foobar", len);
	}
}

static void
test_text__base64_round_trip(void **state)
{
	uint8_t bytes[200], back[200];
	size_t len, i, text_len, back_len;
	char *text;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 89 + 251);
	for (len = 0; len <= sizeof(bytes); len++) {
		text_len = tally_base64_size(len);
		text = guard_high(&guard, text_len);
		tally_base64_format(bytes, len, text);
		assert_int_equal(tally_base64_parse(text, text_len, back, len,
				     &back_len),
		    0);
		assert_int_equal(back_len, len);
		assert_memory_equal(back, bytes, len);
		if (len > 0)
			assert_int_equal(tally_base64_parse(text, text_len,
					     back, len - 1, &back_len),
			    TALLY_E_LIMIT);
	}
}

/* What parses is what formatting its bytes gives: there is one spelling. */
static void
test_text__base64_is_canonical(void **state)
{
	static const char *const texts[] = { "Zg==", "Zm8=", "Zm9v",
		"Zm9vYg==" };
	char text[8], again[8];
	uint8_t back[8];
	size_t i, at, len, back_len, accepted = 0;
	int c;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		len = strlen(texts[i]);
		for (at = 0; at < len; at++) {
			for (c = 0; c < 256; c++) {
				memcpy(text, texts[i], len);
				text[at] = (char)c;
				if (tally_base64_parse(text, len, back,
					sizeof(back), &back_len) != 0)
					continue;
				tally_base64_format(back, back_len, again);
				assert_memory_equal(again, text, len);
				accepted++;
			}
		}
	}
	assert_true(accepted > 100);
}

static void
test_text__base64_refuses(void **state)
{
	static const char *const texts[] = { "Z", "Zg",
		"Zg=", "Zg===", "====", "=",
		"Zh==", "Zm9=", "Z===", "Zg==Zg==", "Zm8=Zm8=", "Zg=a",
		" Zg==", "Zg==\n", "Zm9v\n\n\n\n", "Zm-_", "Zm 9v",
		"Z=g=", "Zm9vYg=", "\0\0\0\0" };
	uint8_t out[16];
	size_t i, len, out_len;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		len = texts[i][0] != '\0' ? strlen(texts[i]) : 4;
		assert_int_equal(tally_base64_parse(guard_put(&guard, texts[i],
							len),
				     len, out, sizeof(out), &out_len),
		    TALLY_E_FORMAT);
	}
}

/* ---- decimal ---------------------------------------------------------- */

static void
test_text__decimal_round_trip(void **state)
{
	char text[TALLY_DECIMAL_MAX];
	uint64_t value, near, back;
	size_t len;
	int i;

	(void)state;
	for (value = 1; value != 0; value *= 2) {
		for (i = -1; i <= 1; i++) {
			near = value + (uint64_t)i;
			len = tally_decimal_format(near, text);
			assert_int_equal(tally_decimal_parse(guard_put(&guard,
								 text, len),
					     len, UINT64_MAX, &back),
			    0);
			assert_true(back == near);
			if (near > 0)
				assert_int_equal(tally_decimal_parse(text, len,
						     near - 1, &back),
				    TALLY_E_FORMAT);
		}
	}
	assert_int_equal(tally_decimal_format(UINT64_MAX, text), 20);
	assert_memory_equal(text, "18446744073709551615", 20);
}

static void
test_text__decimal_refuses(void **state)
{
	static const char *const texts[] = { "", "00", "01", "-1", "+1", " 1",
		"1 ", "1.0", "1e3", "0x1", "18446744073709551616",
		"18446744073709551620", "99999999999999999999",
		"184467440737095516150", "1a", "a", ":", "/",
		"000000000000000000000" };
	uint64_t out = 4711;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(tally_decimal_parse(guard_put(&guard, texts[i],
							 strlen(texts[i])),
				     strlen(texts[i]), UINT64_MAX, &out),
		    TALLY_E_FORMAT);
	assert_true(out == 4711);
	assert_int_equal(tally_decimal_parse("0", 1, 0, &out), 0);
	assert_true(out == 0);
}

/* ---- UTF-8 ------------------------------------------------------------ */

static bool
is_utf8(const uint8_t *bytes, size_t len)
{
	return tally_is_utf8(guard_put(&guard, bytes, len), len);
}

/* What encoding gives is valid, and no part of it is. */
static void
test_text__utf8_every_character(void **state)
{
	uint8_t bytes[4];
	size_t len, part;
	int32_t c;

	(void)state;
	for (c = 0; c <= 0x10ffff; c++) {
		len = tally_utf8_encode(c, bytes);
		assert_int_equal(is_utf8(bytes, len), c < 0xd800 || c > 0xdfff);
		for (part = 1; part < len; part++)
			assert_false(is_utf8(bytes, part));
	}
}

/*
 * There are as many valid sequences of each length as characters that need
 * that length, so with the test above no other sequence is valid.
 */
static void
test_text__utf8_nothing_else(void **state)
{
	static const uint8_t ends[] = { 0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff };
	uint32_t valid[5] = { 0 };
	uint8_t b[4];
	uint32_t i;

	(void)state;
	for (i = 0; i < 0x10000; i++) {
		b[0] = (uint8_t)(i >> 8);
		b[1] = (uint8_t)i;
		valid[2] += b[0] >= 0x80 && is_utf8(b, 2);
	}
	assert_int_equal(valid[2], 0x800 - 0x80);
	for (i = 0; i < 0x800000; i++) {
		b[0] = (uint8_t)(0x80 | i >> 16);
		b[1] = (uint8_t)(i >> 8);
		b[2] = (uint8_t)i;
		/* Two and one, or one and two, are counted elsewhere. */
		valid[3] += b[1] >= 0x80 && b[2] >= 0x80 && is_utf8(b, 3);
	}
	assert_int_equal(valid[3], 0x10000 - 0x800 - 0x800);
	/* The last byte is judged as the third one is: its edges suffice. */
	for (i = 0; i < 0x1000000; i++) {
		b[0] = (uint8_t)(0xf0 | i >> 20);
		b[1] = (uint8_t)(i >> 12);
		b[2] = (uint8_t)(i >> 4);
		if ((i & 15) >= sizeof(ends))
			continue;
		b[3] = ends[i & 15];
		valid[4] += is_utf8(b, 4);
	}
	assert_int_equal(valid[4], 2 * 0x100000 / 64);
}

static void
test_text__utf8_empty_and_ascii(void **state)
{
	uint8_t c;

	(void)state;
	assert_true(tally_is_utf8(NULL, 0));
	for (c = 0; c < 0x80; c++)
		assert_true(is_utf8(&c, 1));
	for (c = 0xff; c >= 0x80; c--)
		assert_false(is_utf8(&c, 1));
}

/* ---- names ------------------------------------------------------------ */

static void
assert_escapes(const char *plain, size_t len, const char *escaped)
{
	char out[TALLY_CHAIN_TEXT_MAX], back[TALLY_CHAIN_MAX + 1];
	const char *what = NULL;
	size_t out_len, back_len;

	assert_int_equal(tally_name_escape(guard_put(&guard, plain, len), len,
			     TALLY_CHAIN_MAX, out, &out_len, &what),
	    0);
	assert_null(what);
	assert_int_equal(out_len, strlen(escaped));
	assert_memory_equal(out, escaped, out_len);
	assert_int_equal(tally_name_unescape(guard_put(&guard, out, out_len),
			     out_len, TALLY_CHAIN_MAX, back, &back_len),
	    0);
	assert_int_equal(back_len, len);
	assert_memory_equal(back, plain, len);
	assert_int_equal(back[len], 0);
}

static void
test_text__name_there_and_back(void **state)
{
	char plain[256], escaped[512];
	size_t i;

	(void)state;
	assert_escapes("x", 1, "x");
	assert_escapes("org/42", 6, "org/42");
	assert_escapes("a\"b", 3, "a\\\"b");
	assert_escapes("a\\b", 3, "a\\\\b");
	assert_escapes("\\\"", 2, "\\\\\\\"");
	assert_escapes("a/b'<>&", 7, "a/b'<>&");
	assert_escapes(" \xc2\xa0\xe2\x80\xa8\xef\xbb\xbf", 9,
	    " \xc2\xa0\xe2\x80\xa8\xef\xbb\xbf");
	assert_escapes("\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80");
	for (i = 0; i < 255; i++) {
		plain[i] = '"';
		escaped[2 * i] = '\\';
		escaped[2 * i + 1] = '"';
		escaped[2 * i + 2] = '\0';
		assert_escapes(plain, i + 1, escaped);
	}
}

/* Each single byte, and each control character of two bytes. */
static void
test_text__name_holds_no_control_character(void **state)
{
	char name[4], out[TALLY_CHAIN_TEXT_MAX];
	const char *what;
	size_t out_len;
	int c, want;

	(void)state;
	for (c = 0; c < 0x80; c++) {
		memcpy(name, "a_b", 3);
		name[1] = (char)c;
		want = c < 0x20 || c == 0x7f ? TALLY_E_USAGE : 0;
		assert_int_equal(tally_name_escape(name, 3, TALLY_CHAIN_MAX,
				     out, &out_len, &what),
		    want);
		if (want != 0)
			assert_string_equal(what, "holds a control character");
		if (c != '"' && c != '\\')
			assert_int_equal(tally_name_unescape(name, 3,
					     TALLY_CHAIN_MAX, out, &out_len),
			    want != 0 ? TALLY_E_FORMAT : 0);
	}
	for (c = 0x80; c < 0x100; c++) {
		tally_utf8_encode(c, (uint8_t *)name);
		want = c < 0xa0 ? TALLY_E_USAGE : 0;
		assert_int_equal(tally_name_escape(name, 2, TALLY_CHAIN_MAX,
				     out, &out_len, &what),
		    want);
		assert_int_equal(tally_name_unescape(name, 2, TALLY_CHAIN_MAX,
				     out, &out_len),
		    want != 0 ? TALLY_E_FORMAT : 0);
	}
}

static void
assert_no_name(const char *name, size_t len, size_t max, const char *what)
{
	char out[2 * 300];
	const char *said = NULL;
	size_t out_len = 4711;

	assert_int_equal(tally_name_escape(guard_put(&guard, name, len), len,
			     max, out, &out_len, &said),
	    TALLY_E_USAGE);
	assert_non_null(said);
	assert_string_equal(said, what);
	assert_int_equal(out_len, 4711);
}

static void
test_text__name_says_what_is_wrong(void **state)
{
	char name[300];

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_no_name("", 0, TALLY_CHAIN_MAX, "is empty");
	assert_no_name(NULL, 0, TALLY_ID_MAX, "is empty");
	assert_no_name(name, 256, TALLY_CHAIN_MAX, "is longer than 255 bytes");
	assert_no_name(name, 129, TALLY_ID_MAX, "is longer than 128 bytes");
	assert_no_name(name, 11, 10, "is too long");
	assert_no_name("a\xff", 2, TALLY_CHAIN_MAX, "is not valid UTF-8");
	assert_no_name("\xc3", 1, TALLY_CHAIN_MAX, "is not valid UTF-8");
	assert_no_name("\xed\xa0\x80", 3, TALLY_ID_MAX, "is not valid UTF-8");
	assert_no_name("\n\xff", 2, TALLY_ID_MAX, "is not valid UTF-8");
	assert_no_name("a\nb", 3, TALLY_CHAIN_MAX, "holds a control character");
	assert_no_name("a\0b", 3, TALLY_CHAIN_MAX, "holds a control character");
	assert_no_name("\xc2\x9f", 2, TALLY_ID_MAX,
	    "holds a control character");
}

static void
test_text__name_has_one_escaped_form(void **state)
{
	static const char *const texts[] = { "", "\"", "a\"", "a\"b", "\\",
		"a\\", "\\a", "\\/", "\\n", "\\u0041", "\\u0022", "\\\\\\",
		"\\\"\"", "\xc3", "a\xff", "\xc0\xaf", "\xed\xbf\xbf",
		"\xc2\x80", "\x7f", "\t" };
	char out[TALLY_CHAIN_MAX + 1];
	size_t i, out_len, len;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		len = strlen(texts[i]);
		assert_int_equal(tally_name_unescape(guard_put(&guard, texts[i],
							 len),
				     len, TALLY_CHAIN_MAX, out, &out_len),
		    TALLY_E_FORMAT);
	}
}

/* The limit counts plain bytes. */
static void
test_text__name_limit_is_of_plain_bytes(void **state)
{
	char text[600], out[TALLY_CHAIN_MAX + 1];
	size_t i, out_len;

	(void)state;
	for (i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "\\\"", 2);
	assert_int_equal(tally_name_unescape(text, 510, TALLY_CHAIN_MAX, out,
			     &out_len),
	    0);
	assert_int_equal(out_len, 255);
	assert_int_equal(tally_name_unescape(text, 512, TALLY_CHAIN_MAX, out,
			     &out_len),
	    TALLY_E_FORMAT);
	assert_int_equal(tally_name_unescape(text, 256, TALLY_ID_MAX, out,
			     &out_len),
	    0);
	assert_int_equal(tally_name_unescape(text, 258, TALLY_ID_MAX, out,
			     &out_len),
	    TALLY_E_FORMAT);
}

/* Every prefix, flush: what is measured never goes past the end. */
static void
test_text__name_measure_stops_at_the_quote(void **state)
{
	static const char text[] =
	    "we\\\"ird\\\\n\xc3\xbc"
	    "\xe2\x82\xac"
	    "\xf0\x9f\x98\x80 and long enough for wide loads\",\"digest\"";
	const size_t whole = (size_t)(strstr(text, "\",\"") - text);
	size_t len, got;

	(void)state;
	for (len = 0; len < sizeof(text); len++) {
		got = tally_name_measure(guard_put(&guard, text, len), len,
		    255);
		if (len >= whole)
			assert_int_equal(got, whole);
		else
			assert_true(got == len || got == 0);
	}
	assert_int_equal(tally_name_measure(text, 1, 255), 1);
	assert_int_equal(tally_name_measure(text, 3, 255), 0);
	assert_int_equal(tally_name_measure(text, 4, 255), 4);
}

#define TEST(name) cmocka_unit_test(test_text__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hex_round_trip),
		TEST(hex_takes_digits_only),
		TEST(hex_wants_the_exact_length),
		TEST(hash_in_either_case),
		TEST(base64_gives_the_published_values),
		TEST(base64_round_trip),
		TEST(base64_is_canonical),
		TEST(base64_refuses),
		TEST(decimal_round_trip),
		TEST(decimal_refuses),
		TEST(utf8_every_character),
		TEST(utf8_nothing_else),
		TEST(utf8_empty_and_ascii),
		TEST(name_there_and_back),
		TEST(name_holds_no_control_character),
		TEST(name_says_what_is_wrong),
		TEST(name_has_one_escaped_form),
		TEST(name_limit_is_of_plain_bytes),
		TEST(name_measure_stops_at_the_quote),
	};

	return cmocka_run_group_tests(tests, open_guard, close_guard);
}
