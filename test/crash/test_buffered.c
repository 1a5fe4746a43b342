/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R9: buffered records survive SIGKILL in the page cache and are continued;
 * a close, or a sync append of anybody, makes them durable.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lab.h"

#define RECORDS 200

static int
put_buffered(struct lab *lab, void *arg)
{
	struct tally_log *log = lab_open(lab);
	char id[24];

	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	for (int i = 0; i < RECORDS; i++) {
		snprintf(id, sizeof(id), "%s %d", (const char *)arg, i);
		if (!lab_can_put(lab, log, i % 2 ? "a" : "b", i % 3 ? NULL : id,
			TALLY_BUFFERED))
			return 1;
	}
	kill(getpid(), SIGKILL);
	return 1;
}

static struct tally_stat
stat_of(struct lab *lab, struct tally_log *log)
{
	struct tally_stat stat;

	if (tally_log_stat(log, &stat, &lab->error) != 0)
		fail_msg("stat: %s", lab->error.message);
	return stat;
}

/* The size that the watermark file says is durable. */
static unsigned long long
watermark(struct lab *lab)
{
	char command[300];
	unsigned long long size = 0;
	FILE *pipe;

	snprintf(command, sizeof(command),
	    "tr -d '\\0' < '%s/log/watermark' |"
	    " sed -n 's/^tally-watermark-1 [0-9]* \\([0-9]*\\) .*/\\1/p' |"
	    " sort -n | tail -n 1",
	    lab->dir);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%llu", &size), 1);
	pclose(pipe);
	return size;
}

static void
expect_continued(struct lab *lab, bool recovers)
{
	char name[] = "killed";
	struct tally_receipt receipt;
	struct tally_log *log;

	lab_init(lab, 0);
	lab_expect_killed(lab, lab_spawn(lab, put_buffered, name));
	if (recovers)
		assert_int_equal(lab_shell("rm -r '%s/run'", lab->dir), 0);
	log = lab_must_open(lab);
	assert_int_equal(stat_of(lab, log).size, 1 + RECORDS);
	/* A repeat with sync makes the first durable, and all before it. */
	assert_int_equal(lab_put(lab, log, "b", "killed 198", NULL, TALLY_SYNC,
			     &receipt),
	    0);
	assert_true(receipt.repeated);
	assert_true(stat_of(lab, log).durable_size > receipt.index);
	lab_must_put(lab, log, "a", NULL, TALLY_SYNC);
	assert_int_equal(stat_of(lab, log).durable_size, 1 + RECORDS + 1);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
	assert_int_equal(lab_torn(lab), 0);
}

static void
test_buffered__survives_the_kill_of_the_last_process(void **state)
{
	expect_continued(*state, false);
}

static void
test_buffered__survives_the_kill_and_the_loss_of_the_state(void **state)
{
	expect_continued(*state, true);
}

static int
put_and_close(struct lab *lab, void *arg)
{
	struct tally_log *log = lab_open(lab);

	(void)arg;
	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	for (int i = 0; i < 7; i++) {
		if (!lab_can_put(lab, log, "a", NULL, TALLY_BUFFERED))
			return 1;
	}
	if (tally_log_close(log, &lab->error) != 0)
		return lab_wrong(lab, "close: %s", lab->error.message);
	return 0;
}

static void
test_buffered__close_makes_durable(void **state)
{
	struct lab *lab = *state;
	char name[] = "killed";

	lab_init(lab, 0);
	assert_int_equal(watermark(lab), 1);
	lab_join(lab, lab_spawn(lab, put_and_close, NULL));
	assert_int_equal(watermark(lab), 1 + 7);
	/* Also what a process that was killed has left. */
	lab_expect_killed(lab, lab_spawn(lab, put_buffered, name));
	lab_join(lab, lab_spawn(lab, put_and_close, NULL));
	assert_int_equal(watermark(lab), 1 + 7 + RECORDS + 7);
	lab_check(lab);
}

/* Somebody's sync covers everybody's buffered records. */
static void
test_buffered__a_sync_covers_all_before_it(void **state)
{
	struct lab *lab = *state;
	struct tally_log *one, *two;

	lab_init(lab, 0);
	one = lab_must_open(lab);
	two = lab_must_open(lab);
	for (int i = 0; i < 50; i++)
		lab_must_put(lab, one, "a", NULL, TALLY_BUFFERED);
	assert_true(stat_of(lab, two).durable_size < 51);
	lab_must_put(lab, two, "b", NULL, TALLY_SYNC);
	assert_int_equal(stat_of(lab, one).durable_size, 52);
	lab_must_put(lab, one, "a", NULL, TALLY_BUFFERED);
	assert_int_equal(tally_log_sync(two, NULL), 0);
	assert_int_equal(stat_of(lab, one).durable_size, 53);
	assert_int_equal(tally_log_close(two, NULL), 0);
	lab_must_put(lab, one, "a", NULL, TALLY_BUFFERED);
	assert_int_equal(tally_log_close(one, NULL), 0);
	assert_int_equal(watermark(lab), 54);
	lab_check(lab);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_buffered__survives_the_kill_of_the_last_process),
		CASE(
		    test_buffered__survives_the_kill_and_the_loss_of_the_state),
		CASE(test_buffered__close_makes_durable),
		CASE(test_buffered__a_sync_covers_all_before_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
