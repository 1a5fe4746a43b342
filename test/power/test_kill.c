/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of two processes dies at every op, and at stores to the shared memory;
 * the machine lives on.  The other one, or the next one, goes on, and what was
 * acknowledged is there, buffered or not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define TWICE_EVERY 11

static struct world world;
static unsigned long kills;
static bool stores_too;      /* kills fall between two stores as well */
static unsigned bits;        /* of the machine, see simdisk.h */
static uint8_t kinds[65536]; /* the ops of a run in which nobody dies */

static const struct check alive_check = {
	.least = PROMISE_BUFFERED,
	.append = true,
	.ids = true,
	.verify = true,
};
static const struct check after_cut = {
	.least = PROMISE_DURABLE,
	.again = true,
	.append = true,
};

/*
 * Whoever did the last op has died.  The survivors go on; if there are none,
 * a new process does.
 */
static void
go_on(const struct check *check)
{
	int victim = sim_process();
	struct segments_copy before;
	bool was_done = world.ledger.init_done;
	bool survivors = false;

	world_bury(&world, victim);
	sim_reap();
	segments_take(&before);
	for (int i = 0; i < WORLD_HANDLES && world.failures == 0; i++) {
		if (world.log[i] == NULL)
			continue;
		survivors = true;
		sim_as(world.process[i]);
		(void)world_check_handle(&world, world.log[i], check);
		world_bury(&world, world.process[i]);
	}
	if (world.failures == 0 && (!survivors || kills % 2 == 0))
		(void)world_check(&world, check);
	/* An init that was not done may be done over. */
	if (world.failures == 0 && was_done)
		(void)world_check_aside(&world, &before);
	if (world.failures == 0 && world.ledger.init_done) {
		ledger_synced(&world.ledger);
		sim_reboot(SIM_DROP, 0);
		if (world_check(&world, &after_cut) && was_done)
			(void)world_check_aside(&world, &before);
	}
	segments_wipe(&before);
}

static void
arm(void)
{
	if (stores_too)
		(void)sim_trap_stores(true);
}

/* False where that cannot be done. */
static bool
begin_stores(void)
{
	stores_too = sim_trap_stores(true);
	return stores_too;
}

static void
end_stores(void)
{
	stores_too = false;
	(void)sim_trap_stores(false);
}

static uint64_t
dry_run(const struct step *script)
{
	uint64_t ops;

	world_begin(&world);
	kills = 0;
	(void)snprintf(world.what, sizeof(world.what), "nobody killed");
	world_reset(&world, 1);
	arm();
	world_run(&world, script);
	ops = sim_ops();
	assert_true(ops < sizeof(kinds));
	for (uint64_t n = 0; n < ops; n++)
		kinds[n] = (uint8_t)sim_op_at(n);
	return ops;
}

static void
try_kill(const struct step *script, uint64_t n)
{
	(void)snprintf(world.what, sizeof(world.what), "kill at op %llu",
	    (unsigned long long)n);
	world_reset(&world, 1);
	sim_set(bits);
	arm();
	sim_kill_at(n);
	world_run(&world, script);
	if (!sim_is_dead()) {
		world_fail(&world, "nobody died");
		return;
	}
	kills++;
	go_on(&alive_check);
}

static void
report(const char *name)
{
	(void)world_goes_on(&world);
	print_message("# %s: %lu kills\n", name, kills);
	assert_int_equal(world.broken, 0);
}

static void
test_kill__at_every_op(void **state)
{
	uint64_t ops = dry_run(script_pair);

	(void)state;
	for (uint64_t n = 0; n < ops && world_goes_on(&world); n++)
		try_kill(script_pair, n);
	report("at every op");
}

/* Between two stores to shared memory, where no call shows the moment. */
static void
test_kill__between_stores(void **state)
{
	uint64_t ops;

	(void)state;
	if (!begin_stores())
		skip();
	ops = dry_run(script_pair);
	for (uint64_t n = 0; n < ops && world_goes_on(&world); n++) {
		if (kinds[n] == SIM_STORE)
			try_kill(script_pair, n);
	}
	end_stores();
	report("between stores");
}

/* Kills at ops of one sort only; the bits say what such a kill leaves. */
static void
try_kills_at(enum sim_op op, unsigned with)
{
	uint64_t ops = dry_run(script_pair);

	bits = with;
	for (uint64_t n = 0; n < ops && world_goes_on(&world); n++) {
		if (kinds[n] == op)
			try_kill(script_pair, n);
	}
	bits = 0;
}

/*
 * The leader dies in its sync, and the pages are clean and not on the disk.
 * Nobody may take a second sync's word.
 */
static void
test_kill__the_leader_in_a_failed_sync(void **state)
{
	(void)state;
	try_kills_at(SIM_SYNC, SIM_LOSE_AT_KILL);
	report("leaders of lost syncs");
}

/* The kernel stops a write between two pages when the process is killed. */
static void
test_kill__in_a_write(void **state)
{
	(void)state;
	try_kills_at(SIM_WRITE, SIM_HALF_AT_KILL);
	report("in a write");
}

/*
 * Whoever repairs or recovers dies too, at every op of the opening, and then
 * the third goes on.
 */
static void
kill_the_next(uint64_t n)
{
	struct ledger ledger = world.ledger;
	struct sim_image *image = sim_save();
	struct check check = alive_check;
	struct segments_copy before;
	bool dead = true;

	segments_take(&before);
	check.before = &before;

	for (uint64_t i = 0; dead && world_goes_on(&world); i++) {
		struct tally_log *log = NULL;
		struct tally_error error;
		int rc;

		sim_restore(image);
		world.ledger = ledger;
		(void)snprintf(world.what, sizeof(world.what),
		    "kill at op %llu, then at op %llu of the opening",
		    (unsigned long long)n, (unsigned long long)i);
		sim_as(50);
		arm();
		sim_kill_at(sim_ops() + i);
		rc = tally_log_open(WORLD_DIR, NULL, &log, &error);
		dead = sim_is_dead();
		(void)tally_log_close(log, &error);
		sim_reap();
		if (!dead)
			break;
		(void)rc;
		kills++;
		(void)world_check(&world, &check);
	}
	segments_wipe(&before);
	sim_image_free(image);
}

static void
try_kill_twice(uint64_t every)
{
	uint64_t ops = dry_run(script_short);

	for (uint64_t n = 0; n < ops && world_goes_on(&world); n++) {
		if (n % every != 0 && kinds[n] != SIM_WRITE)
			continue;
		world_reset(&world, 1);
		sim_set(SIM_HALF_AT_KILL);
		arm();
		sim_kill_at(n);
		world_run(&world, script_short);
		world_bury(&world, sim_process());
		sim_reap();
		kill_the_next(n);
	}
}

static void
test_kill__the_next_one_too(void **state)
{
	(void)state;
	try_kill_twice(TWICE_EVERY);
	report("and the next one too");
}

static void
test_kill__the_next_one_too_between_stores(void **state)
{
	(void)state;
	if (!begin_stores())
		skip();
	try_kill_twice(TWICE_EVERY * 8 + 1);
	end_stores();
	report("and the next one too, between stores");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill__at_every_op),
		cmocka_unit_test(test_kill__between_stores),
		cmocka_unit_test(test_kill__the_leader_in_a_failed_sync),
		cmocka_unit_test(test_kill__in_a_write),
		cmocka_unit_test(test_kill__the_next_one_too),
		cmocka_unit_test(test_kill__the_next_one_too_between_stores),
	};
	int failed;

	world_open(&world);
	failed = cmocka_run_group_tests_name("kill", tests, NULL, NULL);
	world_close(&world);
	return failed;
}
