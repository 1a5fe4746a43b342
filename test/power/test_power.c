/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power goes at every op that could change what the disk holds, and comes
 * back with every kind of what a disk may have kept.  Then the log is held to
 * the ledger (world.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOW 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SLOW 1
#endif
#ifdef SLOW
#define SEEDS 1
#define NESTED_EVERY 97
#else
#define SEEDS 3
#define NESTED_EVERY 23
#endif

static struct world world;
static unsigned long cuts;
static unsigned long nested;

static const struct check full_check = {
	.least = PROMISE_DURABLE,
	.again = true,
	.crash = true,
	.append = true,
	.ids = true,
	.verify = true,
};
static const struct check quick_check = {
	.least = PROMISE_DURABLE,
	.append = true,
	.ids = true,
};

/* Runs the script up to op n; the bits are set once init is done. */
static void
run_until(const struct step *script, uint64_t n, unsigned bits)
{
	world_reset(&world, 1);
	sim_cut_at(n);
	if (world_step(&world, script) == 0) {
		sim_set(bits);
		world_run(&world, script + 1);
	}
	for (int i = 1; i <= WORLD_HANDLES; i++)
		world_bury(&world, i);
}

/*
 * The power goes again at every op of the recovery that could change
 * something.  The machine is as image says, after the first reboot.
 */
static void
cut_the_recovery(const struct sim_image *image, uint64_t seed)
{
	struct ledger ledger = world.ledger;
	struct check check = quick_check;
	struct segments_copy before;
	char what[sizeof(world.what)];
	bool dead = true;

	sim_restore(image);
	segments_take(&before);
	check.before = &before;

	memcpy(what, world.what, sizeof(what));
	for (uint64_t n = 0; dead && world_goes_on(&world); n++) {
		struct tally_log *log = NULL;
		struct tally_error error;
		int rc;

		world.ledger = ledger;
		sim_restore(image);
		sim_as(50);
		sim_cut_at(sim_ops() + n);
		rc = tally_log_open(WORLD_DIR, NULL, &log, &error);
		dead = sim_is_dead();
		if (!dead && rc != 0 && ledger.init_done)
			world_fail(&world, "%s", error.message);
		(void)tally_log_close(log, &error);
		if (!dead)
			break;
		nested++;
		(void)snprintf(world.what, sizeof(world.what), "%.90s, op %llu",
		    what, (unsigned long long)n);
		sim_reboot((enum sim_mode)(n % SIM_MODE_COUNT), seed + n);
		(void)world_check(&world, &check);
	}
	segments_wipe(&before);
	world.ledger = ledger;
}

/* All that a disk may have kept, at one cut. */
static void
try_modes(uint64_t n, unsigned seeds)
{
	struct ledger ledger = world.ledger;
	struct sim_image *image = sim_save();

	for (int m = 0; m < SIM_MODE_COUNT && world_goes_on(&world); m++) {
		enum sim_mode mode = (enum sim_mode)m;
		unsigned last = sim_mode_is_random(mode) ? seeds : 1;

		for (unsigned s = 0; s < last && world_goes_on(&world); s++) {
			struct sim_image *rebooted = NULL;
			uint64_t seed = n * 1000 + s;

			world.ledger = ledger;
			sim_restore(image);
			(void)snprintf(world.what, sizeof(world.what),
			    "cut at op %llu, %s, seed %llu",
			    (unsigned long long)n, sim_mode_name(mode),
			    (unsigned long long)seed);
			sim_reboot(mode, seed);
			cuts++;
			if (cuts % NESTED_EVERY == 0)
				rebooted = sim_save();
			(void)world_check(&world, &full_check);
			if (rebooted != NULL) {
				world.ledger = ledger;
				cut_the_recovery(rebooted, seed);
			}
			sim_image_free(rebooted);
		}
	}
	sim_image_free(image);
}

/* Every op of the script; up to the first broken promise. */
static void
try_script(const struct step *script, unsigned seeds, unsigned bits)
{
	static bool changes[65536];
	uint64_t ops;

	cuts = 0;
	nested = 0;
	world_begin(&world);
	(void)snprintf(world.what, sizeof(world.what), "without a cut");
	run_until(script, UINT64_MAX, bits);
	ops = sim_ops();
	assert_true(ops < sizeof(changes));
	for (uint64_t n = 0; n < ops; n++)
		changes[n] = sim_op_changes(sim_op_at(n));
	changes[ops] = true; /* the end */
	for (uint64_t n = 0; n <= ops && world_goes_on(&world); n++) {
		if (!changes[n])
			continue;
		run_until(script, n, bits);
		try_modes(n, seeds);
	}
}

static void
report(const char *name)
{
	(void)world_goes_on(&world);
	print_message("# %s: %lu cuts, %lu of recoveries, %lu checks\n", name,
	    cuts, nested, world.checks);
}

static void
test_power__a_whole_life(void **state)
{
	(void)state;
	try_script(script_life, SEEDS, 0);
	report("a whole life");
	assert_int_equal(world.broken, 0);
}

static void
test_power__around_a_roll(void **state)
{
	(void)state;
	try_script(script_roll, SEEDS, 0);
	report("around a roll");
	assert_int_equal(world.broken, 0);
}

static void
test_power__two_processes(void **state)
{
	(void)state;
	try_script(script_pair, SEEDS, 0);
	report("two processes");
	assert_int_equal(world.broken, 0);
}

/* The same test must catch a disk that does not sync, and only that. */
static void
expect_caught(unsigned bits, const char *name)
{
	try_script(script_short, 1, 0);
	report("as it is");
	assert_int_equal(world.broken, 0);
	try_script(script_short, 1, bits);
	report(name);
	assert_true(world.broken > 0);
}

static void
test_power__a_mutant_without_sync_is_caught(void **state)
{
	(void)state;
	expect_caught(SIM_NO_SYNC, "without sync of files");
}

static void
test_power__a_mutant_without_directory_sync_is_caught(void **state)
{
	(void)state;
	expect_caught(SIM_NO_SYNC_DIR, "without sync of directories");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power__a_whole_life),
		cmocka_unit_test(test_power__around_a_roll),
		cmocka_unit_test(test_power__two_processes),
		cmocka_unit_test(test_power__a_mutant_without_sync_is_caught),
		cmocka_unit_test(
		    test_power__a_mutant_without_directory_sync_is_caught),
	};
	int failed;

	world_open(&world);
	failed = cmocka_run_group_tests_name("power", tests, NULL, NULL);
	world_close(&world);
	return failed;
}
