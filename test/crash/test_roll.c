/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R7: a writer is killed at each step of a roll.  Whoever comes next, a
 * process that was there or a new one, with the shared state or without, goes
 * on without a gap, and every segment is named by its first index.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

static int
put_large(struct lab *lab, struct tally_log *log, const char *chain)
{
	char event[16000];
	struct tally_receipt receipt;

	memset(event, 'x', sizeof(event));
	memcpy(event, "{\"pad\":\"", 8);
	memcpy(event + sizeof(event) - 3, "\"}", 3);
	if (lab_put(lab, log, chain, NULL, event, TALLY_SYNC, &receipt) != 0)
		return lab_wrong(lab, "append: %s", lab->error.message);
	lab_ack(lab, chain, &receipt);
	return 0;
}

/* Five of these make a segment full; the fifth is the roll. */
static int
roll_killed(struct lab *lab, void *arg)
{
	struct tally_log *log = lab_open(lab);
	char before[256], after[256];

	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	lab_last_segment(lab, before);
	hooks.changes = 0;
	hooks.die_at = *(long *)arg;
	do {
		hooks.changes = 0;
		if (put_large(lab, log, "roll") != 0)
			return 1;
		lab_last_segment(lab, after);
	} while (strcmp(before, after) == 0);
	return tally_log_close(log, NULL);
}

/* A write of a record is two steps, write and sync; the roll has more. */
static void
fill_segment(struct lab *lab)
{
	struct tally_log *log = lab_must_open(lab);

	for (int i = 0; i < 3; i++)
		assert_int_equal(put_large(lab, log, "fill"), 0);
	assert_int_equal(tally_log_close(log, NULL), 0);
}

enum next {
	NEXT_LIVE,
	NEXT_NEW,
	NEXT_RECOVERY,
	NEXT_COUNT
};

static bool
one_kill(struct lab *lab, long step, enum next next)
{
	struct tally_log *log = NULL;
	int status = 0;
	char what[60];

	snprintf(what, sizeof(what), "step %ld, then way %d", step, (int)next);
	lab->what = what;
	fill_segment(lab);
	if (next == NEXT_LIVE)
		log = lab_must_open(lab);
	waitpid(lab_spawn(lab, roll_killed, &step), &status, 0);
	lab_check_wrongs(lab);
	if (next == NEXT_RECOVERY)
		assert_int_equal(lab_shell("rm -r '%s/run'", lab->dir), 0);
	if (next != NEXT_LIVE)
		log = lab_must_open(lab);
	assert_int_equal(put_large(lab, log, "next"), 0);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
	lab->what = NULL;
	return WIFSIGNALED(status);
}

static void
test_roll__killed_at_each_step(void **state)
{
	struct lab *lab = *state;
	bool killed = true;
	long step;

	lab_init(lab, LAB_SEGMENT);
	/* The first two would be those of a record alone. */
	for (step = 3; killed; step++) {
		killed = false;
		for (int next = 0; next < NEXT_COUNT; next++)
			killed |= one_kill(lab, step, (enum next)next);
		assert_true(step < 100);
	}
	assert_true(step > 8);
	assert_true(lab_python_agrees(lab));
	print_message("# %ld steps, each killed three times\n", step - 4);
}

/* Many processes roll small segments all the time, killed at random. */
static int
roll_on(struct lab *lab, void *arg)
{
	struct tally_log *log = lab_open(lab);

	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	while (atomic_load(&lab->shared->flag[0]) == 0) {
		if (put_large(lab, log, arg) != 0)
			return 1;
	}
	return tally_log_close(log, NULL);
}

static void
test_roll__killed_at_random(void **state)
{
	char names[4][8] = { "one", "two", "three", "four" };
	struct lab *lab = *state;
	pid_t pid[4];

	lab_init(lab, LAB_SEGMENT);
	for (int i = 0; i < 4; i++)
		pid[i] = lab_spawn(lab, roll_on, names[i]);
	for (int kills = 0; kills < 40; kills++) {
		int i = rand() % 4;

		lab_sleep_ms(rand() % 20);
		lab_kill(pid[i]);
		lab_check_wrongs(lab);
		pid[i] = lab_spawn(lab, roll_on, names[i]);
	}
	lab_raise(lab, 0);
	for (int i = 0; i < 4; i++)
		lab_join(lab, pid[i]);
	lab_check(lab);
	assert_true(lab_python_agrees(lab));
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_roll__killed_at_each_step),
		CASE(test_roll__killed_at_random),
	};

	srand((unsigned)lab_now_us());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
