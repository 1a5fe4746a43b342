/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accidents that meet: a directory that goes away inside an append, a leader
 * that died and a recovery that cannot come to its end, two inits at once.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

static struct lab *the_lab;

static void
remove_run_once(void)
{
	hooks.segment_write = NULL;
	lab_shell("rm -rf '%s/run'", the_lab->dir);
}

static int
append_while_run_goes(struct lab *lab, void *arg)
{
	struct tally_log *log = lab_open(lab);
	bool done;

	(void)arg;
	if (log == NULL)
		return 1;
	the_lab = lab;
	hooks.segment_write = remove_run_once;
	done = lab_can_put(lab, log, "a", "one", TALLY_SYNC);
	(void)tally_log_close(log, NULL);
	return !done;
}

/*
 * run/ is removed between the record's write and its sync, and nobody else is
 * there to notice: the append looks again by itself.
 */
static void
test_accidents__run_removed_inside_an_append(void **state)
{
	struct lab *lab = *state;
	pid_t pid;

	lab_init(lab, 0);
	pid = lab_spawn(lab, append_while_run_goes, NULL);
	if (!lab_ends(pid, 5000)) {
		lab_kill(pid);
		fail_msg("the append does not come back");
	}
	lab_join(lab, pid);
	assert_int_equal(lab_size(lab), 2);
	lab_check(lab);
}

static int
die_in_sync(int fd)
{
	(void)fd;
	hooks_die();
}

/* Fills the first segment up to the brim, and dies as a leader. */
static int
fill_and_die(struct lab *lab, void *arg)
{
	struct tally_log *log = lab_open(lab);
	char event[4096];

	(void)arg;
	if (log == NULL)
		return 1;
	memset(event, 'x', sizeof(event));
	memcpy(event, "{\"pad\":\"", 8);
	memcpy(event + 3000, "\"}", 3);
	for (int i = 0; i < 15; i++) {
		if (lab_put(lab, log, "a", NULL, event, TALLY_BUFFERED, NULL) !=
		    0)
			return lab_wrong(lab, "%s", lab->error.message);
	}
	hooks.sync = die_in_sync;
	(void)lab_put(lab, log, "a", NULL, event, TALLY_SYNC, NULL);
	return lab_wrong(lab, "it did not die");
}

static struct tally_log *
with_dead_leader(struct lab *lab, uint64_t segment_bytes)
{
	struct tally_log *log;

	lab_init(lab, segment_bytes);
	log = lab_must_open(lab);
	lab_must_put(lab, log, "a", "first", TALLY_SYNC);
	lab_expect_killed(lab, lab_spawn(lab, fill_and_die, NULL));
	/* What recovery must write first cannot be made. */
	assert_int_equal(lab_shell("mkdir '%s/log/rewrite.new'", lab->dir), 0);
	return log;
}

static void
mend(struct lab *lab, struct tally_log *log)
{
	assert_int_equal(lab_shell("rmdir '%s/log/rewrite.new'", lab->dir), 0);
	lab_must_put(lab, log, "a", "last", TALLY_SYNC);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
}

/* The next append must roll, finds the dead leader, and cannot recover. */
static void
test_accidents__roll_cannot_recover(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log = with_dead_leader(lab, LAB_SEGMENT);
	char event[20000];

	memset(event, 'x', sizeof(event));
	memcpy(event, "{\"pad\":\"", 8);
	memcpy(event + sizeof(event) - 3, "\"}", 3);
	assert_int_equal(lab_put(lab, log, "a", NULL, event, TALLY_SYNC, NULL),
	    TALLY_E_IO);
	assert_int_equal(lab_put(lab, log, "a", NULL, event, TALLY_BUFFERED,
			     NULL),
	    TALLY_E_IO);
	mend(lab, log);
}

/*
 * The record is in the log already when its sync finds the dead leader.  That
 * it cannot be recovered must not be told as if nothing had been appended.
 */
static void
test_accidents__appended_and_not_known(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log = with_dead_leader(lab, 0);

	assert_int_equal(lab_put(lab, log, "a", "in doubt", NULL, TALLY_SYNC,
			     NULL),
	    TALLY_E_POISONED);
	mend(lab, log);
}

/* What was appended buffered is not durable, and close must not say it is. */
static void
test_accidents__close_without_a_state(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log = with_dead_leader(lab, LAB_SEGMENT);
	char event[20000];

	lab_must_put(lab, log, "a", NULL, TALLY_BUFFERED);
	memset(event, 'x', sizeof(event));
	memcpy(event, "{\"pad\":\"", 8);
	memcpy(event + sizeof(event) - 3, "\"}", 3);
	assert_int_not_equal(lab_put(lab, log, "a", NULL, event, TALLY_BUFFERED,
				 NULL),
	    0);
	assert_int_not_equal(tally_log_close(log, &lab->error), 0);
	assert_null(lab_open(lab));
	assert_int_equal(lab_shell("rmdir '%s/log/rewrite.new'", lab->dir), 0);
	lab_check(lab);
}

static int
append_more(struct lab *lab, void *arg)
{
	struct tally_log *log;

	hooks_clear();
	hooks.die_at = *(int *)arg;
	log = lab_open(lab);
	if (log == NULL || !lab_can_put(lab, log, "a", NULL, TALLY_SYNC))
		return lab_wrong(lab, "%s", lab->error.message);
	(void)tally_log_close(log, NULL);
	return 0;
}

/* What a reader sees of chain "a": its seq, or 0 if it is refused. */
static uint64_t
seq_read_only(struct lab *lab)
{
	struct tally_open_options options = { .read_only = true };
	struct tally_head head = { .seq = 0 };
	struct tally_log *log;
	int result;

	assert_int_equal(tally_log_open(lab->dir, &options, &log, &lab->error),
	    0);
	result = tally_log_head(log, "a", 1, &head, &lab->error);
	assert_int_equal(tally_log_close(log, NULL), 0);
	if (result == TALLY_E_POISONED)
		return 0;
	assert_int_equal(result, 0);
	return head.seq;
}

/*
 * A recovery is killed at each of its changes.  A reader that comes before the
 * next one sees all that was acknowledged, or is told that it cannot.
 */
static void
test_accidents__reader_after_a_killed_recovery(void **state)
{
	struct lab *lab = *state;
	int refused = 0, status = 1;

	for (int at = 1; status != 0; at++) {
		uint64_t seq;
		pid_t pid;

		assert_true(at < 100);
		lab_shell("rm -rf '%s'", lab->dir);
		atomic_store(&lab->shared->acks_len, 0);
		lab_init(lab, 0);
		lab_expect_killed(lab, lab_spawn(lab, fill_and_die, NULL));
		assert_int_equal(lab_shell("rm -r '%s/run'", lab->dir), 0);
		pid = lab_spawn(lab, append_more, &at);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		lab_check_wrongs(lab);
		seq = seq_read_only(lab);
		refused += seq == 0;
		assert_true(seq == 0 || seq >= 16);
		lab_check(lab);
	}
	assert_int_not_equal(refused, 0);
}

/* A reader of a chain has the index brought up to date. */
static void
find_first(struct lab *lab, struct tally_log *log)
{
	struct tally_find find = { .chain = "a", .chain_len = 1, .seq = 1 };
	struct tally_cursor *cursor;
	struct tally_record record;

	assert_int_equal(tally_cursor_open(log, NULL, &cursor, &lab->error), 0);
	assert_int_equal(tally_cursor_find(cursor, &find, &record, &lab->error),
	    0);
	tally_cursor_close(cursor);
}

static _Atomic int writes, unlocked;

static void
expect_index_locked(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/index", the_lab->dir);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	atomic_fetch_add(&writes, 1);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		atomic_fetch_add(&unlocked, 1);
	if (fd >= 0)
		close(fd);
}

/* Who builds the index has its lock, whatever it found there. */
static void
test_accidents__index_built_under_its_lock(void **state)
{
	static const char *const damage[] = {
		"rm -rf index",
		"echo nothing >index/covered",
		"rm index/covered",
		"rm index/records",
		"rm index/keys-*",
	};
	struct lab *lab = *state;
	struct tally_log *log;

	lab_init(lab, 0);
	log = lab_must_open(lab);
	the_lab = lab;
	lab_must_put(lab, log, "a", "first", TALLY_SYNC);
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		for (int r = 0; r < 3000; r++)
			lab_must_put(lab, log, "a", NULL, TALLY_BUFFERED);
		assert_int_equal(lab_shell("cd '%s' && %s", lab->dir,
				     damage[i]),
		    0);
		atomic_store(&writes, 0);
		hooks.index_write = expect_index_locked;
		/* The other handle sees what is there, not what it knew. */
		if (i % 2 == 1) {
			assert_int_equal(tally_log_close(log, NULL), 0);
			log = lab_must_open(lab);
		}
		find_first(lab, log);
		hooks.index_write = NULL;
		assert_int_not_equal(atomic_load(&writes), 0);
		assert_int_equal(atomic_load(&unlocked), 0);
	}
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
}

#define RACERS 4

static int
init_and_append(struct lab *lab, void *arg)
{
	struct tally_log *log;
	int result;

	(void)arg;
	lab_await(lab, 0);
	result = tally_log_init(lab->dir, NULL, &lab->error);
	if (result == TALLY_E_EXISTS)
		return 0;
	if (result != 0)
		return lab_wrong(lab, "init: %s", lab->error.message);
	atomic_fetch_add(&lab->shared->number[0], 1);
	log = lab_open(lab);
	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	lab_can_put(lab, log, "a", "one", TALLY_SYNC);
	(void)tally_log_close(log, NULL);
	return 0;
}

/* Replicas that start at once, and each makes the log if there is none. */
static void
test_accidents__inits_at_once(void **state)
{
	struct lab *lab = *state;
	pid_t pid[RACERS];

	for (int round = 0; round < 50; round++) {
		lab_shell("rm -rf '%s'", lab->dir);
		atomic_store(&lab->shared->number[0], 0);
		atomic_store(&lab->shared->acks_len, 0);
		atomic_store(&lab->shared->flag[0], 0);
		for (int i = 0; i < RACERS; i++)
			pid[i] = lab_spawn(lab, init_and_append, NULL);
		lab_raise(lab, 0);
		for (int i = 0; i < RACERS; i++)
			lab_join(lab, pid[i]);
		assert_int_equal(atomic_load(&lab->shared->number[0]), 1);
		lab_check(lab);
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_accidents__run_removed_inside_an_append),
		TEST(test_accidents__roll_cannot_recover),
		TEST(test_accidents__appended_and_not_known),
		TEST(test_accidents__close_without_a_state),
		TEST(test_accidents__reader_after_a_killed_recovery),
		TEST(test_accidents__index_built_under_its_lock),
		TEST(test_accidents__inits_at_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("accidents", tests, NULL, NULL);
}
