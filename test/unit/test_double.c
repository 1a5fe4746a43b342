/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doubles as text.  The sequence of RFC 8785 by its published hashes, all
 * powers of two by what shortest means, reading against the C library.
 */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/double.h"
#include "core/hash.h"
#include "unit/vectors.h"

static double
from_bits(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint64_t
to_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* A text on the stack, terminated. */
struct text {
	char at[TALLY_DOUBLE_TEXT_MAX + 1];
};

static struct text
js(double value)
{
	struct text text;

	text.at[tally_double_format_js(value, text.at)] = '\0';
	return text;
}

static struct text
python(double value)
{
	struct text text;

	text.at[tally_double_format_python(value, text.at)] = '\0';
	return text;
}

/* ---- spelling --------------------------------------------------------- */

static void
test_double__where_the_spelling_turns(void **state)
{
	static const struct {
		double value;
		const char *js;
		const char *python;
	} cases[] = {
		{ 0.0, "0", "0.0" },
		{ -0.0, "0", "-0.0" },
		{ 1.0, "1", "1.0" },
		{ -100.0, "-100", "-100.0" },
		{ 1e15, "1000000000000000", "1000000000000000.0" },
		{ 9999999999999998.0, "9999999999999998",
		    "9999999999999998.0" },
		{ 1e16, "10000000000000000", "1e+16" },
		{ 1e20, "100000000000000000000", "1e+20" },
		{ 123456789012345680000.0, "123456789012345680000",
		    "1.2345678901234568e+20" },
		{ 1e21, "1e+21", "1e+21" },
		{ 1e100, "1e+100", "1e+100" },
		{ 1e-4, "0.0001", "0.0001" },
		{ 1e-5, "0.00001", "1e-05" },
		{ 1e-6, "0.000001", "1e-06" },
		{ 1.234e-6, "0.000001234", "1.234e-06" },
		{ 1e-7, "1e-7", "1e-07" },
		{ 0.1, "0.1", "0.1" },
		{ 12345.678, "12345.678", "12345.678" },
		{ 5e-324, "5e-324", "5e-324" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308",
		    "1.7976931348623157e+308" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_string_equal(js(cases[i].value).at, cases[i].js);
		assert_string_equal(python(cases[i].value).at,
		    cases[i].python);
	}
}

/* Does digits * 10^exponent read back as value? */
static bool
reads_back(uint64_t digits, int exponent, double value)
{
	char text[64];

	snprintf(text, sizeof(text), "%" PRIu64 "e%d", digits, exponent);
	return to_bits(strtod(text, NULL)) == to_bits(value);
}

/*
 * Nothing shorter reads back: with one digit less, neither the decimal below
 * nor the one above.  (Which of several is nearest, test/canon asks Python.)
 */
static void
assert_shortest(double value)
{
	struct tally_decimal decimal = tally_double_shortest(value);

	assert_true(reads_back(decimal.digits, decimal.exponent, value));
	if (decimal.digits < 10)
		return;
	assert_int_not_equal(decimal.digits % 10, 0);
	assert_false(reads_back(decimal.digits / 10, decimal.exponent + 1,
	    value));
	assert_false(reads_back(decimal.digits / 10 + 1, decimal.exponent + 1,
	    value));
}

static void
test_double__all_powers_of_two_are_shortest(void **state)
{
	int count = 0;

	(void)state;
	for (int e = -1074; e <= 1023; e++, count++)
		assert_shortest(ldexp(1.0, e));
	assert_int_equal(count, 2098);
}

static void
test_double__neighbours_of_powers_are_shortest(void **state)
{
	(void)state;
	for (int e = -1073; e <= 1023; e++) {
		assert_shortest(nextafter(ldexp(1.0, e), 0));
		assert_shortest(nextafter(ldexp(1.0, e), INFINITY));
	}
	for (int e = -307; e <= 308; e++) {
		char text[16];

		snprintf(text, sizeof(text), "1e%d", e);
		assert_shortest(strtod(text, NULL));
	}
}

/* ---- RFC 8785 --------------------------------------------------------- */

struct sequence {
	json_t *vectors;
	uint64_t at;
	uint8_t block[32];
	size_t left; /* doubles in block */
};

static double
from_block(const uint8_t *bytes)
{
	uint64_t bits = 0;

	for (int i = 7; i >= 0; i--)
		bits = bits << 8 | bytes[i];
	return from_bits(bits);
}

static double
next_of(struct sequence *s, struct tally_hasher *hasher)
{
	json_t *first = json_object_get(s->vectors, "first");
	size_t fixed = json_array_size(first);
	struct tally_hash hash;
	double value = 0;

	if (s->at < fixed)
		return from_bits(strtoull(
		    json_string_value(json_array_get(first, s->at++)), NULL,
		    16));
	if (s->at < fixed + 2000)
		return from_bits(UINT64_C(0x10000000000000) + s->at++ - fixed);
	while (value == 0 || !isfinite(value)) {
		if (s->left == 0) {
			hash = tally_hash_bytes(hasher, s->block, 32);
			memcpy(s->block, hash.b, 32);
			s->left = 4;
		}
		value = from_block(s->block + 8 * (4 - s->left--));
	}
	s->at++;
	return value;
}

static void
assert_sequence(uint64_t lines)
{
	struct sequence s = { .vectors = vectors_own("numbers.json") };
	struct tally_hasher numbers, all;
	char name[24], line[96];
	struct tally_hash hash;
	char text[TALLY_HASH_TEXT_SIZE];
	uint64_t i;
	double value;
	int len;

	assert_int_equal(tally_hasher_open(&numbers), 0);
	assert_int_equal(tally_hasher_open(&all), 0);
	tally_hash_begin(&all);
	for (i = 0; i < lines; i++) {
		value = next_of(&s, &numbers);
		len = snprintf(line, sizeof(line), "%" PRIx64 ",%s\n",
		    to_bits(value), js(value).at);
		tally_hash_add(&all, line, (size_t)len);
	}
	hash = tally_hash_end(&all);
	tally_hash_format(&hash, text);
	snprintf(name, sizeof(name), "%" PRIu64, lines);
	assert_string_equal(text,
	    vectors_text(json_object_get(s.vectors, "sha256_of_lines"), name));
	tally_hasher_close(&numbers);
	tally_hasher_close(&all);
	json_decref(s.vectors);
}

static void
test_double__the_sequence_of_rfc_8785(void **state)
{
	const char *more = getenv("TALLY_ALL_NUMBERS");

	(void)state;
	assert_sequence(1000);
	assert_sequence(10000);
	assert_sequence(100000);
	assert_sequence(1000000);
	if (more != NULL)
		assert_sequence(10000000);
}

/* ---- reading ---------------------------------------------------------- */

static void
assert_reads(const char *text)
{
	assert_int_equal(to_bits(tally_double_read(text, strlen(text))),
	    to_bits(strtod(text, NULL)));
}

static void
test_double__reading_rounds_correctly(void **state)
{
	static const char *const texts[] = { "0", "-0", "0.0", "0e5", "-0.0e-9",
		"1", "10", "0.1", "1e22", "1e23", "9007199254740993",
		"9007199254740992.5", "9007199254740993.0000000000000000001",
		"1.7976931348623157e308", "1.7976931348623159e308", "1e309",
		"-1e999999999999", "1e-999999999999", "4.9e-324", "2.4e-324",
		"2.4703282292062328e-324", "2.2250738585072011e-308",
		"123456789012345678", "0.000000000000000000000000001",
		"1000000000000000000000000000000000000000000000000001" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_reads(texts[i]);
}

/* The middle between two doubles, and one digit far behind it. */
static void
test_double__reading_minds_the_last_of_many_digits(void **state)
{
	static char text[4096];
	double low = ldexp(1, -1074), middle;

	(void)state;
	middle = ldexp(1, 53) + 1;
	assert_true(middle == ldexp(1, 53)); /* it is no double */
	memset(text, '0', sizeof(text));
	memcpy(text, "9007199254740993.", 17);
	for (size_t len = 20; len < sizeof(text) - 1; len += 97) {
		text[len] = '1';
		assert_int_equal(to_bits(tally_double_read(text, len)),
		    to_bits(ldexp(1, 53)));
		assert_int_equal(to_bits(tally_double_read(text, len + 1)),
		    to_bits(ldexp(1, 53) + 2));
		text[len] = '0';
	}
	snprintf(text, sizeof(text), "%.1100f", low);
	assert_reads(text);
}

static void
test_double__what_was_spelled_reads_back(void **state)
{
	uint64_t bits = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct text a, b;
		double value;

		bits = bits * UINT64_C(6364136223846793005) +
		    UINT64_C(1442695040888963407);
		value = from_bits(bits ^ bits >> 29);
		if (!isfinite(value) || value == 0)
			continue;
		a = js(value);
		b = python(value);
		assert_int_equal(to_bits(value),
		    to_bits(tally_double_read(a.at, strlen(a.at))));
		assert_int_equal(to_bits(value),
		    to_bits(tally_double_read(b.at, strlen(b.at))));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_double__where_the_spelling_turns),
		cmocka_unit_test(test_double__all_powers_of_two_are_shortest),
		cmocka_unit_test(
		    test_double__neighbours_of_powers_are_shortest),
		cmocka_unit_test(test_double__the_sequence_of_rfc_8785),
		cmocka_unit_test(test_double__reading_rounds_correctly),
		cmocka_unit_test(
		    test_double__reading_minds_the_last_of_many_digits),
		cmocka_unit_test(test_double__what_was_spelled_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
