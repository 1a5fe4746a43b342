/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every op fails once, with every errno that it can fail with; every
 * allocation fails once.  A call then either did its job or says clearly that
 * it did not, with nothing half done; the next one works; and nothing that was
 * acknowledged is lost, not even when the power goes afterwards.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "world.h"

#define OPS_MAX 65536

static struct world world;
static unsigned long tried, told, reopened;

static const struct check after_fault = {
	.least = PROMISE_BUFFERED,
	.append = true,
	.ids = true,
};
static const struct check after_cut = {
	.least = PROMISE_DURABLE,
	.again = true,
	.append = true,
	.ids = true,
	.verify = true,
};

/* ---- one run ----------------------------------------------------------- */

/* Does the code say what the system said? */
static bool
code_fits(int code, int error)
{
	if (code == TALLY_E_POISONED)
		return error == EIO || error == ENOSPC || error == EDQUOT;
	switch (error) {
	case EIO:
		return code == TALLY_E_IO;
	case ENOSPC:
	case EDQUOT:
		return code == TALLY_E_FULL;
	case ENOMEM:
		return code == TALLY_E_MEMORY;
	case EINTR:
		return code == TALLY_E_BUSY;
	default:
		return false;
	}
}

static void
judge_error(int rc, const struct sim_fault *fault)
{
	const struct tally_error *error = &world.error;

	told++;
	if (rc >= 0 || error->code != rc || error->message[0] == '\0' ||
	    strchr(error->message, '\n') != NULL)
		world_fail(&world, "%d, but the error says %d, \"%s\"", rc,
		    error->code, error->message);
	else if (!code_fits(rc, fault->error))
		world_fail(&world, "errno %d became %d, \"%s\"", fault->error,
		    rc, error->message);
}

/* The outcome of what was buffered is not known any more. */
static void
forget_buffered(void)
{
	for (size_t i = 0; i < world.ledger.len; i++) {
		if (world.ledger.entry[i].promise == PROMISE_BUFFERED)
			world.ledger.entry[i].promise = PROMISE_NONE;
	}
}

/* What was asked for in vain is asked for again; then it must work. */
static void
again(const struct step *step)
{
	struct step open = { .verb = DO_OPEN, .handle = step->handle };
	int rc;

	if (step->verb == DO_CLOSE)
		return;
	rc = step->verb == DO_APPEND ? world_resubmit(&world, step)
				     : world_step(&world, step);
	if (sim_is_dead())
		return;
	/* It was done but for a sync.  Who opens it makes up for that. */
	if (step->verb == DO_INIT && rc == TALLY_E_EXISTS)
		return;
	if (rc == 0)
		return;
	reopened++;
	(void)tally_log_close(world.log[step->handle], NULL);
	world.log[step->handle] = NULL;
	if (step->verb == DO_INIT || step->verb == DO_OPEN ||
	    world_step(&world, &open) != 0 || world_resubmit(&world, step) != 0)
		world_fail(&world, "it does not work again: %s",
		    world.error.message);
}

static void
run_with_fault(const struct step *script, const struct sim_fault *fault)
{
	for (const struct step *step = script;
	     step->verb != DO_END && world.failures == 0; step++) {
		int rc = world_step(&world, step);

		if (sim_is_dead())
			return;
		if (rc == 0)
			continue;
		judge_error(rc, fault);
		if (rc == TALLY_E_POISONED || step->verb == DO_CLOSE)
			forget_buffered();
		again(step);
		if (sim_is_dead())
			return;
	}
}

static void
judge_after(uint64_t seed)
{
	struct sim_image *image;
	static struct ledger ledger;

	for (int i = 1; i <= WORLD_HANDLES; i++)
		world_bury(&world, i);
	if (world.failures == 0)
		(void)world_check(&world, &after_fault);
	if (world.failures > 0)
		return;
	ledger_synced(&world.ledger);
	ledger = world.ledger;
	image = sim_save();
	sim_reboot(SIM_DROP, 0);
	if (world_check(&world, &after_cut) && seed % SIM_MODE_COUNT != 0) {
		world.ledger = ledger;
		sim_restore(image);
		sim_reboot((enum sim_mode)(seed % SIM_MODE_COUNT), seed);
		(void)world_check(&world, &after_cut);
	}
	sim_image_free(image);
}

/* ---- every op ---------------------------------------------------------- */

static uint8_t kinds[OPS_MAX];

static uint64_t
dry_run(const struct step *script)
{
	uint64_t ops;

	tried = 0;
	told = 0;
	reopened = 0;
	world_begin(&world);
	(void)snprintf(world.what, sizeof(world.what), "without a fault");
	world_reset(&world, 1);
	world_run(&world, script);
	ops = sim_ops();
	assert_true(ops < OPS_MAX);
	for (uint64_t n = 0; n < ops; n++)
		kinds[n] = (uint8_t)sim_op_at(n);
	judge_after(0);
	return ops;
}

static void
try_fault(const struct step *script, uint64_t n, const struct sim_fault *fault,
    unsigned bits)
{
	enum sim_op op = (enum sim_op)kinds[n];

	(void)snprintf(world.what, sizeof(world.what),
	    "op %llu (%s) fails with errno %d, part %d", (unsigned long long)n,
	    sim_op_name(op), fault->error, (int)fault->part);
	world_reset(&world, 1);
	sim_set(bits);
	sim_fault_at(n, fault);
	tried++;
	run_with_fault(script, fault);
	if (!sim_fault_fired())
		world_fail(&world, "the fault never came");
	judge_after(n);
}

static void
report(const char *name)
{
	(void)world_goes_on(&world);
	print_message(
	    "# %s: %lu faults, %lu were told, %lu needed a new handle\n", name,
	    tried, told, reopened);
	assert_int_equal(world.broken, 0);
}

static void
try_every_op(const struct step *script, const struct sim_fault *fault)
{
	uint64_t ops = dry_run(script);

	for (uint64_t n = 0; n < ops && world_goes_on(&world); n++) {
		enum sim_op op = (enum sim_op)kinds[n];

		if (!sim_op_fails(op, fault->error))
			continue;
		if (fault->part != SIM_NOTHING && op != SIM_WRITE)
			continue;
		try_fault(script, n, fault, 0);
	}
}

static void
test_faults__eio(void **state)
{
	struct sim_fault fault = { .error = EIO };

	(void)state;
	try_every_op(script_short, &fault);
	report("EIO");
}

static void
test_faults__enospc(void **state)
{
	struct sim_fault fault = { .error = ENOSPC };

	(void)state;
	try_every_op(script_short, &fault);
	report("ENOSPC");
}

static void
test_faults__edquot(void **state)
{
	struct sim_fault fault = { .error = EDQUOT };

	(void)state;
	try_every_op(script_short, &fault);
	report("EDQUOT");
}

static void
test_faults__short_write(void **state)
{
	struct sim_fault fault = { .error = ENOSPC, .part = SIM_HALF };

	(void)state;
	try_every_op(script_short, &fault);
	report("ENOSPC after half a write");
}

static void
test_faults__whole_write_and_eio(void **state)
{
	struct sim_fault fault = { .error = EIO, .part = SIM_ALL };

	(void)state;
	try_every_op(script_short, &fault);
	report("EIO after a whole write");
}

static void
test_faults__eintr(void **state)
{
	struct sim_fault fault = { .error = EINTR };

	(void)state;
	try_every_op(script_short, &fault);
	report("EINTR");
}

static void
test_faults__allocation(void **state)
{
	struct sim_fault fault = { .error = ENOMEM };

	(void)state;
	try_every_op(script_short, &fault);
	report("no memory");
}

/* The pages of a failed sync leave the page cache at once. */
static void
test_faults__sync_with_eviction(void **state)
{
	struct sim_fault fault = { .error = EIO };
	uint64_t ops = dry_run(script_short);

	(void)state;
	for (uint64_t n = 0; n < ops && world_goes_on(&world); n++) {
		if (kinds[n] == SIM_SYNC || kinds[n] == SIM_SYNC_ALL)
			try_fault(script_short, n, &fault, SIM_EVICT);
	}
	report("EIO of a sync, pages gone");
}

/*
 * The power goes soon after a failed sync: what was acknowledged before it is
 * there, and so is what was acknowledged after it.
 */
static void
test_faults__sync_then_power_cut(void **state)
{
	struct sim_fault fault = { .error = EIO };
	uint64_t ops = dry_run(script_short);

	(void)state;
	for (uint64_t n = 0; n < ops; n++) {
		if (kinds[n] != SIM_SYNC && kinds[n] != SIM_SYNC_ALL)
			continue;
		for (uint64_t i = 1; i < 120 && world_goes_on(&world); i += 3) {
			(void)snprintf(world.what, sizeof(world.what),
			    "op %llu fails, power cut %llu later",
			    (unsigned long long)n, (unsigned long long)i);
			world_reset(&world, 1);
			sim_set(i % 2 == 0 ? SIM_EVICT : 0);
			sim_fault_at(n, &fault);
			sim_cut_at(n + i);
			run_with_fault(script_short, &fault);
			tried++;
			for (int p = 1; p <= WORLD_HANDLES; p++)
				world_bury(&world, p);
			sim_reboot((enum sim_mode)(i % SIM_MODE_COUNT), i);
			(void)world_check(&world, &after_cut);
		}
	}
	report("EIO of a sync, then a power cut");
}

/* ---- in recovery ------------------------------------------------------- */

/* Every op of an opening fails once; the next opening recovers. */
static void
fail_the_opening(uint64_t cut, const struct sim_fault *fault)
{
	static struct ledger ledger;
	struct check check = after_cut;
	struct segments_copy before;
	struct sim_image *image = sim_save();
	uint64_t ops = sim_ops();
	bool fired = true;

	ledger = world.ledger;
	segments_take(&before);
	check.before = &before;
	for (uint64_t i = 0; fired && world_goes_on(&world); i++) {
		struct tally_log *log = NULL;
		int rc;

		sim_restore(image);
		world.ledger = ledger;
		(void)snprintf(world.what, sizeof(world.what),
		    "cut at op %llu, op %llu of the opening: errno %d",
		    (unsigned long long)cut, (unsigned long long)i,
		    fault->error);
		sim_as(30);
		sim_fault_at(ops + i, fault);
		rc = tally_log_open(WORLD_DIR, NULL, &log, &world.error);
		fired = sim_ops() > ops + i;
		if (!sim_fault_fired()) {
			(void)tally_log_close(log, NULL);
			continue;
		}
		tried++;
		if (rc != 0 && (rc != TALLY_E_NO_LOG || ledger.init_done))
			judge_error(rc, fault);
		(void)tally_log_close(log, NULL);
		sim_fault_at(UINT64_MAX, fault);
		if (i % 2 == 0)
			sim_reboot((enum sim_mode)(i % SIM_MODE_COUNT), i);
		(void)world_check(&world, &check);
	}
	segments_wipe(&before);
	sim_image_free(image);
}

static void
try_openings(const struct sim_fault *fault, const char *name)
{
	uint64_t ops = dry_run(script_short);

	for (uint64_t n = 30; n < ops && world_goes_on(&world); n += 7) {
		if (n % 3 != 0 && !sim_op_changes((enum sim_op)kinds[n]))
			continue;
		world_reset(&world, 1);
		sim_cut_at(n);
		world_run(&world, script_short);
		for (int p = 1; p <= WORLD_HANDLES; p++)
			world_bury(&world, p);
		sim_reboot((enum sim_mode)(n % SIM_MODE_COUNT), n);
		fail_the_opening(n, fault);
	}
	report(name);
}

static void
test_faults__recovery_eio(void **state)
{
	struct sim_fault fault = { .error = EIO };

	(void)state;
	try_openings(&fault, "EIO in recoveries");
}

static void
test_faults__recovery_short_write(void **state)
{
	struct sim_fault fault = { .error = ENOSPC, .part = SIM_HALF };

	(void)state;
	try_openings(&fault, "ENOSPC in recoveries");
}

static void
test_faults__recovery_allocation(void **state)
{
	struct sim_fault fault = { .error = ENOMEM };

	(void)state;
	try_openings(&fault, "no memory in recoveries");
}

/* ---- a full disk ------------------------------------------------------- */

/*
 * The disk fills up in the middle of a life and stays full for a while: every
 * append says so, nothing is half done; with room again it goes on.
 */
static void
test_faults__a_full_disk(void **state)
{
	static const struct step start[] = {
		{ .verb = DO_INIT },
		{ .verb = DO_OPEN },
		{ .verb = DO_APPEND,
		    .count = 3,
		    .bytes = 9000,
		    .chains = "ab" },
		{ .verb = DO_END },
	};
	static const struct step more = {
		.verb = DO_APPEND,
		.count = 2,
		.bytes = 3000,
		.chains = "abc",
		.how = IDS,
	};
	unsigned long full = 0;

	(void)state;
	world_begin(&world);
	for (uint64_t room = 0; room < 8000 && world_goes_on(&world);
	     room += 157) {
		(void)snprintf(world.what, sizeof(world.what),
		    "%llu bytes of room", (unsigned long long)room);
		world_reset(&world, 1);
		world_run(&world, start);
		sim_capacity(sim_used() + room);
		for (int i = 0; i < 4; i++) {
			int rc = world_step(&world, &more);

			if (rc != 0 && rc != TALLY_E_FULL)
				world_fail(&world, "%d, %s", rc,
				    world.error.message);
			full += rc == TALLY_E_FULL;
		}
		sim_capacity(UINT64_MAX);
		if (world_step(&world, &more) != 0)
			world_fail(&world, "with room again: %s",
			    world.error.message);
		judge_after(room);
	}
	(void)world_goes_on(&world);
	print_message("# %lu appends met a full disk\n", full);
	assert_true(full > 100);
	assert_int_equal(world.broken, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults__eio),
		cmocka_unit_test(test_faults__enospc),
		cmocka_unit_test(test_faults__edquot),
		cmocka_unit_test(test_faults__short_write),
		cmocka_unit_test(test_faults__whole_write_and_eio),
		cmocka_unit_test(test_faults__eintr),
		cmocka_unit_test(test_faults__allocation),
		cmocka_unit_test(test_faults__sync_with_eviction),
		cmocka_unit_test(test_faults__sync_then_power_cut),
		cmocka_unit_test(test_faults__recovery_eio),
		cmocka_unit_test(test_faults__recovery_short_write),
		cmocka_unit_test(test_faults__recovery_allocation),
		cmocka_unit_test(test_faults__a_full_disk),
	};
	int failed;

	world_open(&world);
	failed = cmocka_run_group_tests_name("faults", tests, NULL, NULL);
	world_close(&world);
	return failed;
}
