/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Torn is not tampered (rule 6): what is damaged below the watermark stops
 * the log, what is damaged above it is set aside.  And disks that refuse.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define FIRST WORLD_LOG "/00000000000000000000.jsonl"
#define WATERMARK WORLD_LOG "/watermark"

#define APPEND(n, size, where, flags) \
	{ \
		.verb = DO_APPEND, .count = (n), .bytes = (size), \
		.chains = (where), .how = (flags) \
	}

/* The watermark lies before the last three appends. */
static const struct step script_marked[] = {
	{ .verb = DO_INIT },
	{ .verb = DO_OPEN },
	APPEND(2, 100, "ab", IDS),
	{ .verb = DO_PASS },
	APPEND(1, 200, "a", 0),
	APPEND(1, 150, "b", IDS),
	APPEND(2, 60, "ca", 0),
	APPEND(1, 90, "b", IDS),
	{ .verb = DO_END },
};

static struct world world;

static const struct check full_check = {
	.least = PROMISE_DURABLE,
	.again = true,
	.crash = true,
	.append = true,
	.ids = true,
	.verify = true,
};

static int
setup(void **state)
{
	(void)state;
	world_begin(&world);
	(void)snprintf(world.what, sizeof(world.what), "so far");
	world_reset(&world, 1);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)world_goes_on(&world);
	if (sim_violation() != NULL)
		print_message("# %s\n", sim_violation());
	return world.broken > 0 || sim_violation() != NULL ? -1 : 0;
}

/* The highest offset that a slot of the watermark names. */
static uint64_t
marked_offset(void)
{
	size_t len;
	const char *text = (const char *)sim_file(WATERMARK, &len);
	uint64_t offset = 0;

	assert_non_null(text);
	for (size_t slot = 0; slot + 512 <= len; slot += 512) {
		unsigned long long turn, size, segment, at;

		if (sscanf(text + slot, "tally-watermark-1 %llu %llu %llu %llu",
			&turn, &size, &segment, &at) == 4 &&
		    at > offset)
			offset = at;
	}
	return offset;
}

/* The power goes and everything was written; nothing was closed. */
static struct sim_image *
marked_image(void)
{
	world_run(&world, script_marked);
	assert_int_equal(world.failures, 0);
	sim_cut_at(sim_ops());
	world_bury(&world, 1);
	sim_reboot(SIM_KEEP, 0);
	return sim_save();
}

static int
try_open(struct tally_error *error)
{
	struct tally_log *log = NULL;
	int rc;

	sim_as(30);
	rc = tally_log_open(WORLD_DIR, NULL, &log, error);
	if (rc == 0)
		assert_int_equal(tally_log_close(log, error), 0);
	return rc;
}

static void
flip(const char *path, uint64_t offset)
{
	size_t len;
	const uint8_t *bytes = sim_file(path, &len);
	uint8_t byte;

	assert_non_null(bytes);
	assert_true(offset < len);
	byte = bytes[offset] ^ 1;
	assert_true(sim_poke(path, offset, &byte, 1));
}

/* ---- below the watermark ----------------------------------------------- */

static void
test_damage__below_the_watermark(void **state)
{
	struct sim_image *image = marked_image();
	uint64_t mark = marked_offset();
	struct tally_error error;

	(void)state;
	assert_true(mark > 500);
	for (uint64_t at = 0; at < mark; at += at < 40 ? 1 : 11) {
		uint64_t digest;

		sim_restore(image);
		flip(FIRST, at);
		digest = sim_digest(WORLD_LOG);
		assert_int_equal(try_open(&error), TALLY_E_DAMAGED);
		assert_int_equal(error.code, TALLY_E_DAMAGED);
		assert_non_null(strstr(error.message, "damaged"));
		assert_int_equal(sim_digest(WORLD_LOG), digest);
	}
	sim_image_free(image);
}

static void
test_damage__cut_below_the_watermark(void **state)
{
	struct sim_image *image = marked_image();
	uint64_t mark = marked_offset();
	struct tally_error error;

	(void)state;
	for (uint64_t at = 0; at < mark; at += 13) {
		sim_restore(image);
		assert_true(sim_resize(FIRST, at));
		assert_int_equal(try_open(&error), TALLY_E_DAMAGED);
	}
	sim_restore(image);
	assert_true(sim_remove(FIRST));
	assert_int_equal(try_open(&error), TALLY_E_DAMAGED);
	sim_image_free(image);
}

/* A whole segment is gone, an old one or the last. */
static void
test_damage__a_segment_is_missing(void **state)
{
	char names[64][SIM_NAME];
	struct tally_error error;
	struct sim_image *image;
	size_t n;

	(void)state;
	world_run(&world, script_life);
	assert_int_equal(world.failures, 0);
	sim_reboot(SIM_KEEP, 0);
	image = sim_save();
	n = sim_names(WORLD_LOG, names, 64);
	for (size_t i = 0; i < n; i++) {
		char path[128];

		if (strstr(names[i], ".jsonl") == NULL)
			continue;
		sim_restore(image);
		(void)snprintf(path, sizeof(path), WORLD_LOG "/%.79s",
		    names[i]);
		assert_true(sim_remove(path));
		assert_int_equal(try_open(&error), TALLY_E_DAMAGED);
	}
	sim_image_free(image);
}

/* ---- above the watermark ----------------------------------------------- */

/* What stands at offset or behind it in the segment will be set aside. */
static void
forget_from(uint64_t offset)
{
	size_t len;
	const char *text = (const char *)sim_file(FIRST, &len);
	uint64_t index = 0;

	for (size_t at = 0; at < len; index++) {
		const char *end = memchr(text + at, '\n', len - at);

		assert_non_null(end);
		at = (size_t)(end - text) + 1;
		if (at > offset)
			break;
	}
	for (size_t i = 0; i < world.ledger.len; i++) {
		if (world.ledger.entry[i].receipt.index >= index)
			world.ledger.entry[i].promise = PROMISE_ABSENT;
	}
}

static void
test_damage__above_the_watermark(void **state)
{
	struct sim_image *image = marked_image();
	struct ledger ledger = world.ledger;
	uint64_t mark = marked_offset();
	size_t len;

	(void)state;
	assert_non_null(sim_file(FIRST, &len));
	assert_true(len > mark + 500);
	for (uint64_t at = mark; at < len && world_goes_on(&world); at += 7) {
		sim_restore(image);
		world.ledger = ledger;
		(void)snprintf(world.what, sizeof(world.what),
		    "byte %llu, above %llu", (unsigned long long)at,
		    (unsigned long long)mark);
		forget_from(at);
		flip(FIRST, at);
		(void)world_check(&world, &full_check);
	}
	sim_image_free(image);
}

static void
test_damage__cut_above_the_watermark(void **state)
{
	struct sim_image *image = marked_image();
	struct ledger ledger = world.ledger;
	uint64_t mark = marked_offset();
	size_t len;

	(void)state;
	assert_non_null(sim_file(FIRST, &len));
	for (uint64_t at = mark; at < len && world_goes_on(&world); at += 7) {
		sim_restore(image);
		world.ledger = ledger;
		(void)snprintf(world.what, sizeof(world.what),
		    "cut at byte %llu, above %llu", (unsigned long long)at,
		    (unsigned long long)mark);
		forget_from(at);
		assert_true(sim_resize(FIRST, at));
		(void)world_check(&world, &full_check);
	}
	sim_image_free(image);
}

/* ---- the watermark itself ---------------------------------------------- */

static void
test_damage__of_the_watermark(void **state)
{
	struct sim_image *image = marked_image();
	struct ledger ledger = world.ledger;
	size_t len;

	(void)state;
	assert_non_null(sim_file(WATERMARK, &len));
	for (uint64_t at = 0; at < len && world_goes_on(&world); at += 5) {
		sim_restore(image);
		world.ledger = ledger;
		(void)snprintf(world.what, sizeof(world.what),
		    "byte %llu of the watermark", (unsigned long long)at);
		flip(WATERMARK, at);
		(void)world_check(&world, &full_check);
	}
	sim_restore(image);
	world.ledger = ledger;
	(void)snprintf(world.what, sizeof(world.what), "no watermark");
	assert_true(sim_remove(WATERMARK));
	(void)world_check(&world, &full_check);
	sim_image_free(image);
}

/* ---- what is derived --------------------------------------------------- */

static void
remove_files(const char *dir)
{
	char names[64][SIM_NAME];
	size_t n = sim_names(dir, names, 64);

	for (size_t i = 0; i < n; i++) {
		char path[160];

		(void)snprintf(path, sizeof(path), "%s/%.79s", dir, names[i]);
		assert_true(sim_remove(path));
	}
	(void)sim_remove(dir);
}

static void
test_damage__run_and_index_are_derived(void **state)
{
	static const char *const dirs[] = { WORLD_DIR "/run",
		WORLD_DIR "/index" };

	(void)state;
	for (int which = 1; which < 4 && world_goes_on(&world); which++) {
		for (int reboot = 0; reboot < 2; reboot++) {
			(void)snprintf(world.what, sizeof(world.what),
			    "without %d, reboot %d", which, reboot);
			world_reset(&world, 1);
			world_run(&world, script_life);
			if (reboot)
				sim_reboot(SIM_KEEP, 0);
			for (int i = 0; i < 2; i++) {
				if ((which >> i & 1) != 0)
					remove_files(dirs[i]);
			}
			(void)world_check(&world, &full_check);
		}
	}
}

/* Every byte of run/state, by eights, after a kill: at worst it is rebuilt. */
static void
test_damage__of_the_shared_state(void **state)
{
	size_t len;

	(void)state;
	world_run(&world, script_life);
	assert_non_null(sim_file(WORLD_DIR "/run/state", &len));
	for (uint64_t at = 0; at < 64 && world_goes_on(&world); at += 3) {
		(void)snprintf(world.what, sizeof(world.what),
		    "byte %llu of the state", (unsigned long long)at);
		world_reset(&world, 1);
		world_run(&world, script_life);
		sim_reboot(SIM_KEEP, 0);
		flip(WORLD_DIR "/run/state", at);
		(void)world_check(&world, &full_check);
	}
}

/* ---- disks that refuse ------------------------------------------------- */

static void
test_refuse__network(void **state)
{
	struct tally_error error;

	(void)state;
	sim_set(SIM_NETWORK);
	assert_int_equal(tally_log_init(WORLD_DIR, NULL, &error),
	    TALLY_E_NETWORK);
	sim_clear(SIM_NETWORK);
	assert_int_equal(tally_log_init(WORLD_DIR, NULL, &error), 0);
	sim_set(SIM_NETWORK);
	assert_int_equal(try_open(&error), TALLY_E_NETWORK);
	sim_clear(SIM_NETWORK);
	assert_int_equal(try_open(&error), 0);
}

static void
test_refuse__read_only(void **state)
{
	static const struct step one = APPEND(1, 50, "a", 0);
	struct tally_error error;

	(void)state;
	sim_set(SIM_READ_ONLY);
	assert_int_equal(tally_log_init(WORLD_DIR, NULL, &error),
	    TALLY_E_ACCESS);
	sim_clear(SIM_READ_ONLY);
	world_run(&world, script_marked);
	/* In the middle of a life: an append is refused, then it goes on. */
	sim_set(SIM_READ_ONLY);
	assert_int_equal(world_step(&world, &one), TALLY_E_ACCESS);
	assert_int_equal(world.error.os_errno, EROFS);
	sim_clear(SIM_READ_ONLY);
	assert_int_equal(world_step(&world, &one), 0);
	world_bury(&world, 1);
	sim_reboot(SIM_KEEP, 0);
	sim_set(SIM_READ_ONLY);
	assert_int_equal(try_open(&error), TALLY_E_ACCESS);
	sim_clear(SIM_READ_ONLY);
	(void)world_check(&world, &full_check);
}

/* A reader changes nothing, whatever was left behind. */
static void
test_read_only_handle__writes_nothing(void **state)
{
	struct check check = { .least = PROMISE_DURABLE };
	struct tally_open_options options = { .read_only = true };
	struct sim_image *image = marked_image();

	(void)state;
	for (uint64_t torn = 0; torn < 30 && world_goes_on(&world); torn++) {
		struct tally_log *log = NULL;
		struct tally_error error;
		size_t len;
		uint64_t digest;

		sim_restore(image);
		assert_non_null(sim_file(FIRST, &len));
		assert_true(sim_resize(FIRST, len + torn));
		digest = sim_digest(WORLD_LOG);
		sim_set(SIM_FROZEN);
		assert_int_equal(tally_log_open(WORLD_DIR, &options, &log,
				     &error),
		    0);
		(void)world_check_readable(&world, log, &check);
		assert_int_equal(tally_log_close(log, &error), 0);
		sim_clear(SIM_FROZEN);
		assert_int_equal(sim_digest(WORLD_LOG), digest);
		assert_int_equal(sim_memory_count(), 0);
	}
	sim_image_free(image);
}

/* Somebody cuts or replaces the segment under a living writer. */
static void
test_refuse__a_swapped_segment(void **state)
{
	static const struct step one = APPEND(1, 50, "a", 0);
	size_t len;

	(void)state;
	world_run(&world, script_marked);
	assert_non_null(sim_file(FIRST, &len));
	assert_true(sim_resize(FIRST, len - 10));
	assert_int_equal(world_step(&world, &one), TALLY_E_SWAPPED);
	world_bury(&world, 1);

	world_reset(&world, 1);
	world_run(&world, script_marked);
	assert_true(sim_remove(FIRST));
	assert_int_equal(world_step(&world, &one), TALLY_E_SWAPPED);
	world_bury(&world, 1);
}

#define DAMAGE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		DAMAGE_TEST(test_damage__below_the_watermark),
		DAMAGE_TEST(test_damage__cut_below_the_watermark),
		DAMAGE_TEST(test_damage__a_segment_is_missing),
		DAMAGE_TEST(test_damage__above_the_watermark),
		DAMAGE_TEST(test_damage__cut_above_the_watermark),
		DAMAGE_TEST(test_damage__of_the_watermark),
		DAMAGE_TEST(test_damage__run_and_index_are_derived),
		DAMAGE_TEST(test_damage__of_the_shared_state),
		DAMAGE_TEST(test_refuse__network),
		DAMAGE_TEST(test_refuse__read_only),
		DAMAGE_TEST(test_read_only_handle__writes_nothing),
		DAMAGE_TEST(test_refuse__a_swapped_segment),
	};
	int failed;

	world_open(&world);
	failed = cmocka_run_group_tests_name("damage", tests, NULL, NULL);
	world_close(&world);
	return failed;
}
