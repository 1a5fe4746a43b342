/* SPDX-License-Identifier: Apache-2.0 */
/* Member names given twice, in objects small and large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "event_judge.h"

#define BIG ((size_t)1 << 20)

/* ---- duplicates ------------------------------------------------------- */

/* Two equal names at every pair of places, in objects small and large. */
static void
test_event__duplicates_at_every_pair(void **state)
{
	static const int sizes[] = { 2, 3, 15, 16, 17, 18, 33, 45 };
	char text[2048], message[100];
	size_t s, at;
	int i, j, k, len;

	(void)state;
	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (i = 0; i < sizes[s]; i++) {
			for (j = i; j < sizes[s]; j++) {
				len = 0;
				at = 0;
				for (k = 0; k < sizes[s]; k++) {
					if (k == j)
						at = (size_t)len + 1;
					len += sprintf(text + len,
					    "%c\"n%d\":%d", k ? ',' : '{',
					    (k == j ? i : k) * 7919 % 1000, k);
				}
				text[len++] = '}';
				if (i == j) {
					assert_true(accepted(text,
					    (size_t)len));
					continue;
				}
				snprintf(message, sizeof(message),
				    "event: "
				    "duplicate member \"n%d\" at byte %zu",
				    i * 7919 % 1000, at);
				assert_refused(text, (size_t)len, TALLY_E_EVENT,
				    message);
			}
		}
	}
}

/* Of several duplicates in a large object the first in the text is named. */
static void
test_event__names_the_first_duplicate(void **state)
{
	char text[2048];
	int i, len = 0;

	(void)state;
	for (i = 0; i < 60; i++)
		len += sprintf(text + len, "%c\"%02d\":%d", i ? ',' : '{',
		    i < 40 ? 50 - i : i - 30, i);
	text[len++] = '}';
	/* The 41st name, 10, is new; the 42nd, 11, is the 40th. */
	assert_refused(text, (size_t)len, TALLY_E_EVENT,
	    "event: duplicate member \"11\" at byte 319");
	len = 0;
	for (i = 0; i < 40; i++)
		len += sprintf(text + len, "%c\"x\":%d", i ? ',' : '{', i % 10);
	text[len++] = '}';
	assert_refused(text, (size_t)len, TALLY_E_EVENT,
	    "event: duplicate member \"x\" at byte 7");
}

/* A name with escapes equals its plain form, in objects of every size. */
static void
test_event__duplicates_behind_escapes(void **state)
{
	static const char *const pairs[][2] = {
		{ "ab", "\\u0061b" },
		{ "ab", "a\\u0062" },
		{ "a/b", "a\\/b" },
		{ "\\n", "\\u000a" },
		{ "\\u00e9", "\xc3\xa9" },
		{ "\\u20AC", "\xe2\x82\xac" },
		{ "\\ud83d\\ude00", "\xf0\x9f\x98\x80" },
		{ "\\uD83D\\uDE00", "\\ud83d\\ude00" },
		{ "\\\"", "\\u0022" },
		{ "\\\\", "\\u005c" },
		{ "\\u0000", "\\u0000" },
		{ "", "" },
	};
	static const char *const differ[][2] = {
		{ "\\u0061", "b" },
		{ "a", "\\u0061\\u0061" },
		{ "a\\u0000", "a" },
		{ "\\\\u0061", "a" },
		{ "\\u0061", "A" },
		{ "\\ud83d\\ude00", "\\ud83d\\ude01" },
		{ "\\\\", "\\\\\\\\" },
		{ "\\u00e9", "e\\u0301" },
		{ "\\u0000", "" },
		{ "a\\u0062c", "abd" },
	};
	char text[2048];
	size_t i;
	int fill, k, len;

	(void)state;
	for (fill = 0; fill < 50; fill += 7) {
		for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
			len = sprintf(text, "{\"%s\":0,", pairs[i][0]);
			for (k = 0; k < fill; k++)
				len += sprintf(text + len, "\"%d\":0,",
				    k * 37 % 100);
			len += sprintf(text + len, "\"%s\":0}", pairs[i][1]);
			assert_false(accepted(text, (size_t)len));
		}
		for (i = 0; i < sizeof(differ) / sizeof(differ[0]); i++) {
			len = sprintf(text, "{\"%s\":0,", differ[i][0]);
			for (k = 0; k < fill; k++)
				len += sprintf(text + len, "\"%d\":0,",
				    k * 37 % 100);
			len += sprintf(text + len, "\"%s\":0}", differ[i][1]);
			assert_true(accepted(text, (size_t)len));
		}
	}
}

/* Names in order are not sorted; equal neighbours are still seen. */
static void
test_event__duplicates_among_names_in_order(void **state)
{
	char text[2048];
	int i, len = 0;

	(void)state;
	for (i = 0; i < 50; i++)
		len += sprintf(text + len, "%c\"%03d\":1", i ? ',' : '{', i);
	text[len++] = '}';
	assert_true(accepted(text, (size_t)len));
	memcpy(text + 1 + 49 * 8, "\"048\"", 5);
	assert_refused(text, (size_t)len, TALLY_E_EVENT,
	    "event: duplicate member \"048\" at byte 393");
	memcpy(text + 1 + 49 * 8, "\"0480\"", 6);
	assert_false(accepted(text, (size_t)len));
}

/*
 * Names that only their middles tell apart, as many as fit: with a duplicate
 * at the end, in the middle, and without.
 */
static void
test_event__duplicates_among_names_that_collide(void **state)
{
	static char text[LIMIT];
	int count, i, len;

	(void)state;
	for (count = 17; count < 110; count++) {
		len = 0;
		for (i = 0; i < count; i++)
			len += sprintf(text + len,
			    "%c\"12345678.%03d."
			    "12345678\":1",
			    i ? ',' : '{', i * 37 % 997);
		text[len++] = '}';
		assert_true(accepted(text, (size_t)len));
		/* The last name is the one before it. */
		memcpy(text + len - 16, text + len - 16 - 26, 3);
		assert_false(accepted(text, (size_t)len));
	}
}

/* Around the most names that the table takes. */
static void
test_event__duplicates_among_thousands(void **state)
{
	static struct tally_event_name many[3000];
	struct tally_event_room wide = { many, 3000 };
	static char text[1 << 16];
	int count, i, len;

	(void)state;
	for (count = 2040; count < 2056; count++) {
		len = 0;
		for (i = 0; i < count; i++)
			len += sprintf(text + len, "%c\"%05d\":1",
			    i ? ',' : '{', i * 7919 % 99991);
		text[len++] = '}';
		assert_int_equal(tally_event_check(text, (size_t)len,
				     sizeof(text), &wide),
		    0);
		memcpy(text + len - 9, text + 2, 5);
		assert_int_equal(tally_event_check(text, (size_t)len,
				     sizeof(text), &wide),
		    TALLY_E_EVENT);
	}
}

/* ---- large objects ---------------------------------------------------- */

struct large {
	char *text;
	size_t len;
	char *out;
	struct tally_event_room room;
};

static void
large_open(struct large *large)
{
	large->text = malloc(BIG);
	large->out = malloc(BIG);
	large->room.capacity = tally_event_room_max(BIG);
	large->room.names = calloc(large->room.capacity,
	    sizeof(*large->room.names));
	large->len = 0;
	assert_non_null(large->text);
	assert_non_null(large->out);
	assert_non_null(large->room.names);
}

static void
large_close(struct large *large)
{
	free(large->text);
	free(large->out);
	free(large->room.names);
}

/*
 * Members with names of prefix and a number, as many as fit; step scatters
 * the numbers.  Returns how many there are.
 */
static uint32_t
large_fill(struct large *large, const char *prefix, uint32_t step)
{
	uint32_t count = 0;

	large->len = 0;
	while (large->len + strlen(prefix) + 32 < BIG) {
		large->len += (size_t)sprintf(large->text + large->len,
		    "%c\"%s%x\":1", count ? ',' : '{', prefix,
		    (count * step) & 0xfffff);
		count++;
	}
	large->text[large->len++] = '}';
	return count;
}

/* Scans and checks; the processor time both took, in seconds. */
static double
large_scan(struct large *large, int want)
{
	clock_t begin = clock();
	size_t n;

	assert_int_equal(tally_event_scan(large->text, large->len, BIG,
			     &large->room, large->out, &n, NULL),
	    want);
	assert_int_equal(tally_event_check(large->text, large->len, BIG,
			     &large->room),
	    want);
	return (double)(clock() - begin) / CLOCKS_PER_SEC;
}

/*
 * Pair by pair, a hundred thousand names are five thousand million
 * comparisons: minutes.  The bound is for a slow machine under a sanitizer.
 */
static void
test_event__large_objects_are_not_quadratic(void **state)
{
	static const double bound_s = 20;
	static char prefix[BIG / 64];
	struct large large;
	uint32_t count;

	(void)state;
	large_open(&large);
	count = large_fill(&large, "", 0x9e375);
	assert_true(count > 100000);
	assert_true(large_scan(&large, 0) < bound_s);
	/* The last name is the first one again. */
	memcpy(large.text + large.len - 6, ",\"0\":1}", 7);
	large.len++;
	assert_true(large_scan(&large, TALLY_E_EVENT) < bound_s);
	/* Rising, falling, with prefixes, with escapes. */
	large_fill(&large, "", 1);
	assert_true(large_scan(&large, 0) < bound_s);
	large_fill(&large, "", 0xfffff);
	assert_true(large_scan(&large, 0) < bound_s);
	memset(prefix, 'p', 1000);
	count = large_fill(&large, prefix, 0x9e375);
	assert_true(count > 900);
	assert_true(large_scan(&large, 0) < bound_s);
	memset(prefix, 'p', sizeof(prefix) - 1);
	large_fill(&large, prefix, 0x9e375);
	assert_true(large_scan(&large, 0) < bound_s);
	large_fill(&large, "\\u0070", 0x9e375);
	assert_true(large_scan(&large, 0) < bound_s);
	memset(prefix, 0, sizeof(prefix));
	while (strlen(prefix) < 3000)
		strcat(prefix, "\\u0070\\n");
	large_fill(&large, prefix, 0x9e375);
	assert_true(large_scan(&large, 0) < bound_s);
	large_close(&large);
}

/* Objects in objects: each level's names are its own. */
static void
test_event__large_objects_in_levels(void **state)
{
	struct large large;
	uint32_t i, level;

	(void)state;
	large_open(&large);
	for (level = 0; level < 60; level++) {
		large.text[large.len++] = '{';
		for (i = 0; i < 1500; i++)
			large.len += (size_t)sprintf(large.text + large.len,
			    "\"%x\":1,", i * 7 % 1501);
		large.len += (size_t)sprintf(large.text + large.len,
		    "\"down\":");
	}
	large.text[large.len++] = '1';
	memset(large.text + large.len, '}', 60);
	large.len += 60;
	assert_true(large_scan(&large, 0) < 20);
	/* An inner duplicate behind thousands of outer names. */
	memcpy(large.text + large.len - 61, "{\"a\":1,\"a\":1}", 13);
	memset(large.text + large.len - 61 + 13, '}', 60);
	large.len += 12;
	assert_true(large_scan(&large, TALLY_E_EVENT) < 20);
	large_close(&large);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(duplicates_at_every_pair),
		TEST(names_the_first_duplicate),
		TEST(duplicates_behind_escapes),
		TEST(duplicates_among_names_in_order),
		TEST(duplicates_among_names_that_collide),
		TEST(duplicates_among_thousands),
		TEST(large_objects_are_not_quadratic),
		TEST(large_objects_in_levels),
	};

	return cmocka_run_group_tests(tests, open_guards, close_guards);
}
