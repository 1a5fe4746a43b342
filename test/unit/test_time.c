/* SPDX-License-Identifier: Apache-2.0 */
/* Every day of the years 1970 to 9999, counted one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/text.h"
#include "guard.h"

#define DAY_US INT64_C(86400000000)
#define LAST_US INT64_C(253402300799999999)

static struct guard guard;

static int
open_guard(void **state)
{
	(void)state;
	guard_open(&guard, 64);
	return 0;
}

static int
close_guard(void **state)
{
	(void)state;
	guard_close(&guard);
	return 0;
}

static int
parse_strict(const char *text, int64_t *out)
{
	return tally_time_parse_strict(guard_put(&guard, text, 27), out);
}

static int
parse(const char *text, int64_t *out)
{
	size_t len = strlen(text);

	return tally_time_parse(guard_put(&guard, text, len), len, out);
}

static int
last_day(int year, int month)
{
	if (month == 2)
		return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
		    ? 29
		    : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* Days 0 to 32 and months 0 to 13 of every year, parsed and formatted. */
static void
test_time__every_day(void **state)
{
	char text[64], back[TALLY_TIME_TEXT_SIZE];
	int64_t want = 45296123456, got;
	int year, month, day;
	bool exists;

	(void)state;
	for (year = 1970; year <= 9999; year++) {
		for (month = 0; month <= 13; month++) {
			for (day = 0; day <= 32; day++) {
				exists = month >= 1 && month <= 12 &&
				    day >= 1 && day <= last_day(year, month);
				/* Impossible days: some years are enough. */
				if (!exists && year % 100 > 4)
					continue;
				snprintf(text, sizeof(text),
				    "%04d-%02d-%02dT12:34:56.123456Z", year,
				    month, day);
				if (!exists) {
					assert_int_equal(parse_strict(text,
							     &got),
					    TALLY_E_FORMAT);
					continue;
				}
				assert_int_equal(parse_strict(text, &got), 0);
				assert_true(got == want);
				tally_time_format(got, back);
				assert_string_equal(back, text);
				want += DAY_US;
			}
		}
	}
}

static void
test_time__every_second_of_a_day(void **state)
{
	char text[64], back[TALLY_TIME_TEXT_SIZE];
	int64_t got;
	int s;

	(void)state;
	for (s = 0; s < 86400; s++) {
		snprintf(text, sizeof(text), "1970-01-02T%02d:%02d:%02d.%06dZ",
		    s / 3600, s / 60 % 60, s % 60, s * 11);
		assert_int_equal(parse_strict(text, &got), 0);
		assert_true(got == DAY_US + s * INT64_C(1000000) + s * 11);
		tally_time_format(got, back);
		assert_string_equal(back, text);
	}
}

/* Any byte anywhere: refused, or the one spelling of another instant. */
static void
test_time__strict_has_one_spelling(void **state)
{
	static const char *const texts[] = { "2024-02-29T23:59:59.999999Z",
		"1970-01-01T00:00:00.000000Z", "9999-12-31T09:09:09.123456Z" };
	char text[28], back[TALLY_TIME_TEXT_SIZE];
	int64_t got;
	size_t i, at;
	int c;

	(void)state;
	for (i = 0; i < 3; i++) {
		for (at = 0; at < 27; at++) {
			for (c = 0; c < 256; c++) {
				memcpy(text, texts[i], 28);
				text[at] = (char)c;
				if (parse_strict(text, &got) != 0)
					continue;
				tally_time_format(got, back);
				assert_memory_equal(back, text, 27);
			}
		}
	}
}

static void
test_time__strict_refuses(void **state)
{
	static const char *const texts[] = {
		"2016-12-31T23:59:60.000000Z",
		"2026-11-21T24:00:00.000000Z",
		"2026-11-21T23:60:00.000000Z",
		"2026-11-21t01:26:18.123456Z",
		"2026-11-21T01:26:18.123456z",
		"2026-11-21 01:26:18.123456Z",
		"2026-11-21T01:26:18,123456Z",
		"1969-12-31T23:59:59.999999Z",
		"0000-01-01T00:00:00.000000Z",
		"1900-02-29T00:00:00.000000Z",
		"2100-02-29T00:00:00.000000Z",
		"2023-02-29T00:00:00.000000Z",
		"+026-11-21T01:26:18.123456Z",
		"2026-11-21T01:26:18.12345 Z",
		"2026-11-21T01:26:18.12345-Z",
		"2026/11/21T01:26:18.123456Z",
		"2026-11-21T01.26.18.123456Z",
		"                           ",
	};
	int64_t got = 4711;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse_strict(texts[i], &got), TALLY_E_FORMAT);
	assert_true(got == 4711);
}

static void
test_time__reads_rfc_3339(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01t00:00:00z", 0 },
		{ "1970-01-01 00:00:01Z", 1000000 },
		{ "1970-01-01T00:00:00.5Z", 500000 },
		{ "1970-01-01T00:00:00.000001Z", 1 },
		{ "1970-01-01T00:00:00.0000019Z", 1 },
		{ "1970-01-01T00:00:00.123456789Z", 123456 },
		{ "1970-01-01T00:00:00.000000999Z", 0 },
		{ "1970-01-01T01:00:00+01:00", 0 },
		{ "1969-12-31T23:30:00-00:30", 0 },
		{ "1970-01-01T00:00:00-23:59", 86340000000 },
		{ "2026-11-21T01:26:18.123456Z", 1795224378123456 },
		{ "2026-11-21T06:56:18.123456+05:30", 1795224378123456 },
		{ "9999-12-31T23:59:59.999999999Z", LAST_US },
		{ "9999-12-31T22:59:59-01:00", LAST_US - 999999 },
		{ "1985-04-12T23:20:50.52Z", 482196050520000 },
		{ "1996-12-19T16:39:57-08:00", 851042397000000 },
		{ "1937-01-01T12:00:27.87+00:20", -1 },
	};
	int64_t got;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got = -1;
		assert_int_equal(parse(cases[i].text, &got),
		    cases[i].want < 0 ? TALLY_E_FORMAT : 0);
		assert_true(got == cases[i].want);
	}
}

static void
test_time__refuses_what_rfc_3339_does_not_have(void **state)
{
	static const char *const texts[] = {
		"",
		"Z",
		"1970-01-01",
		"1970-01-01T00:00:00",
		"1970-01-01T00:00Z",
		"1970-01-01T00:00:00.Z",
		"1970-01-01T00:00:00.1234567890Z",
		"1970-01-01T00:00:00.5",
		"1970-01-01T00:00:00+1:00",
		"1970-01-01T00:00:00+0100",
		"1970-01-01T00:00:00+01",
		"1970-01-01T01:00:00+24:00",
		"1970-01-01T01:00:00+00:60",
		"1970-01-01T00:00:00Z ",
		" 1970-01-01T00:00:00Z",
		"1970-01-01X00:00:00Z",
		"1970-1-01T00:00:00ZZ",
		"1990-12-31T23:59:60Z",
		"1970-01-01T00:00:00+00:01",
		"9999-12-31T23:59:59-00:01",
		"1969-12-31T23:59:59Z",
		"1970-01-01T00:00:00.5+0a:00",
		"1970-01-01T00:00:00.-5Z",
		"1970-02-30T00:00:00Z",
		"12026-11-21T01:26:18Z",
		"1970-01-01T00:00:00UTC",
		"1970-01-01T00:00:00 01:00",
	};
	int64_t got = 4711;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse(texts[i], &got), TALLY_E_FORMAT);
	assert_true(got == 4711);
}

/* A prefix is an instant only where it ends in the zone. */
static void
test_time__every_prefix(void **state)
{
	static const char text[] = "2026-11-21T06:56:18.123456+05:30";
	int64_t got;
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(text) - 1; len++)
		assert_int_equal(tally_time_parse(guard_put(&guard, text, len),
				     len, &got),
		    TALLY_E_FORMAT);
}

static void
test_time__clamps_what_it_cannot_write(void **state)
{
	char text[TALLY_TIME_TEXT_SIZE];

	(void)state;
	tally_time_format(-1, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
	tally_time_format(INT64_MIN, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
	tally_time_format(LAST_US, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
	tally_time_format(LAST_US + 1, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
	tally_time_format(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999999Z");
}

#define TEST(name) cmocka_unit_test(test_time__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_day),
		TEST(every_second_of_a_day),
		TEST(strict_has_one_spelling),
		TEST(strict_refuses),
		TEST(reads_rfc_3339),
		TEST(refuses_what_rfc_3339_does_not_have),
		TEST(every_prefix),
		TEST(clamps_what_it_cannot_write),
	};

	return cmocka_run_group_tests(tests, open_guard, close_guard);
}
