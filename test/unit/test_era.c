/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of an adoption in a log, read through a window whose memory may be
 * taken away at any time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "foreign/era.h"

#include "place.h"

#define RECORDS 700 /* two full parts and one that is not */
#define AHEAD 600

static struct tally_hash
digest_of(uint64_t number)
{
	struct tally_hash digest = { { 0 } };

	memcpy(digest.b, &number, sizeof(number));
	return digest;
}

/* A log in which so many records were adopted into "c". */
static struct tally_log *
adopted(struct place *place, uint64_t records)
{
	static const struct tally_canon_text hash = { "00", 2 };
	struct tally_log *log = must_open(place);
	struct tally_eras eras = { .log = log, .error = &place->error };
	struct tally_era era;

	assert_int_equal(tally_era_init(&era, "c", 1), 0);
	while (era.count < records) {
		struct tally_hash digest = digest_of(++era.count);

		assert_int_equal(tally_era_add(&eras, &era, &digest, &hash), 0);
		if (tally_era_is_full(&eras, &era))
			assert_int_equal(tally_era_append(&eras, &era), 0);
	}
	assert_int_equal(tally_era_append(&eras, &era), 0);
	assert_int_equal(eras.bytes, 0);
	tally_era_wipe(&eras, &era);
	assert_int_equal(tally_log_sync(log, &place->error), 0);
	return log;
}

/* The window holds what was adopted, from its first record on. */
static void
check_window(const struct tally_era *era)
{
	for (uint64_t i = 0; i < era->sealed_len; i++) {
		struct tally_hash want = digest_of(era->window + i);

		assert_true(tally_hash_equal(tally_era_sealed(era) + i, &want));
	}
}

/* Slides over all by steps, looking so far ahead, and drops after each. */
static void
slide_over(struct tally_eras *eras, uint64_t step, size_t ahead, bool drops)
{
	struct tally_era era;
	uint64_t seen = 0, more;

	assert_int_equal(tally_era_init(&era, "c", 1), 0);
	for (;;) {
		assert_int_equal(tally_era_look(eras, &era, ahead), 0);
		assert_int_equal(era.window, seen + 1);
		check_window(&era);
		if (era.sealed_len == 0)
			break;
		assert_true(era.sealed_len >= ahead || era.at_end);
		more = step < era.sealed_len ? step : era.sealed_len;
		tally_era_slide(&era, more);
		seen += more;
		if (drops) {
			tally_era_drop(eras, &era);
			assert_int_equal(eras->held, 0);
		}
	}
	assert_int_equal(seen, RECORDS);
	assert_true(era.at_end);
	tally_era_wipe(eras, &era);
	assert_int_equal(eras->held, 0);
}

static void
test_era__a_window_that_was_dropped_is_read_again(void **state)
{
	static const uint64_t steps[] = { 1, 7, 255, 256, 257, 512, 699, 700 };
	struct place *place = *state;
	struct tally_log *log = adopted(place, RECORDS);
	struct tally_eras eras = { .log = log, .error = &place->error };
	size_t i;

	assert_int_equal(tally_cursor_open(log, NULL, &eras.cursor,
			     &place->error),
	    0);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		slide_over(&eras, steps[i], 1, false);
		slide_over(&eras, steps[i], 1, true);
		slide_over(&eras, steps[i], AHEAD, false);
		slide_over(&eras, steps[i], AHEAD, true);
	}
	tally_cursor_close(eras.cursor);
	must_close(log);
}

/* What is at its end, and empty, is not asked for again: behind it stand parts
 * that were appended since. */
static void
test_era__one_at_its_end_stays_there(void **state)
{
	static const struct tally_canon_text hash = { "00", 2 };
	struct place *place = *state;
	struct tally_log *log = adopted(place, 3);
	struct tally_eras eras = { .log = log, .error = &place->error };
	struct tally_hash digest = digest_of(4);
	struct tally_era era;

	assert_int_equal(tally_cursor_open(log, NULL, &eras.cursor,
			     &place->error),
	    0);
	assert_int_equal(tally_era_init(&era, "c", 1), 0);
	assert_int_equal(tally_era_look(&eras, &era, 4), 0);
	assert_int_equal(era.sealed_len, 3);
	tally_era_slide(&era, 3);
	tally_era_drop(&eras, &era);
	era.count = 4;
	assert_int_equal(tally_era_add(&eras, &era, &digest, &hash), 0);
	assert_int_equal(tally_era_append(&eras, &era), 0);
	assert_int_equal(tally_log_sync(log, &place->error), 0);
	assert_int_equal(tally_era_look(&eras, &era, 1), 0);
	assert_int_equal(era.sealed_len, 0);
	tally_era_wipe(&eras, &era);
	tally_cursor_close(eras.cursor);
	must_close(log);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_era__a_window_that_was_dropped_is_read_again, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_era__one_at_its_end_stays_there, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
