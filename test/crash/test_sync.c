/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R4: what is not durable is not shown.
 * R5: a leader that dies in its sync, and a sync that fails, while others
 * wait for it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

enum {
	FLAG_IN_SYNC = 0,
	FLAG_GO,
	FLAG_WAITING,
	FLAG_READER
};
enum {
	NUMBER_SYNCED_US = 0,
	NUMBER_SEEN_US,
	NUMBER_OK,
	NUMBER_POISONED
};

#define WAITERS 4
#define FAILED_TEXT \
	"a sync of the log failed; whether this append is durable is not" \
	" known, the log recovers with the next one"

static struct lab *the_lab;

static struct tally_log *
open_in_child(struct lab *lab)
{
	struct tally_log *log = lab_open(lab);

	the_lab = lab;
	if (log == NULL)
		lab_wrong(lab, "open: %s", lab->error.message);
	return log;
}

static void
start(struct lab *lab)
{
	struct tally_log *log;

	lab_init(lab, 0);
	log = lab_must_open(lab);
	for (int i = 0; i < 10; i++)
		lab_must_put(lab, log, "before", NULL, TALLY_SYNC);
	assert_int_equal(tally_log_close(log, NULL), 0);
}

/* ---- R4 --------------------------------------------------------------- */

static int
slow_sync(int fd)
{
	int result;

	lab_raise(the_lab, FLAG_IN_SYNC);
	lab_sleep_ms(300);
	result = hooks_real_sync(fd);
	atomic_store(&the_lab->shared->number[NUMBER_SYNCED_US], lab_now_us());
	return result;
}

static int
write_slowly(struct lab *lab, void *arg)
{
	struct tally_log *log = open_in_child(lab);

	(void)arg;
	if (log == NULL || !lab_await(lab, FLAG_READER))
		return 1;
	hooks.sync = slow_sync;
	if (!lab_can_put(lab, log, "new", "new id", TALLY_SYNC))
		return 1;
	hooks.sync = NULL;
	return tally_log_close(log, NULL);
}

enum way {
	WAY_HEAD,
	WAY_HEADS,
	WAY_CURSOR,
	WAY_FIND,
	WAY_REPEAT,
	WAY_COUNT
};

struct reader {
	enum way way;
	bool read_only;
};

static int
is_new(void *arg, const struct tally_head *head)
{
	if (strcmp(head->chain, "new") == 0)
		*(bool *)arg = true;
	return 0;
}

static bool
sees_it(struct lab *lab, struct tally_log *log, struct tally_cursor *cursor,
    enum way way)
{
	struct tally_find find = {
		.by = TALLY_KEY_SEQ, .chain = "new", .chain_len = 3, .seq = 1
	};
	struct tally_receipt receipt;
	struct tally_record record;
	struct tally_head head;
	bool found = false;

	switch (way) {
	case WAY_HEAD:
		return tally_log_head(log, "new", 3, &head, NULL) == 0;
	case WAY_HEADS:
		return tally_log_heads(log, is_new, &found, NULL) == 0 && found;
	case WAY_CURSOR:
		while (tally_cursor_next(cursor, &record, NULL) == 0)
			found |= strcmp(record.chain, "new") == 0;
		return found;
	case WAY_FIND:
		return tally_cursor_find(cursor, &find, &record, NULL) == 0;
	default:
		return lab_put(lab, log, "new", "new id", NULL, TALLY_SYNC,
			   &receipt) == 0 &&
		    receipt.repeated;
	}
}

static int
count_sync(int fd)
{
	return hooks_real_sync(fd);
}

/* Reads until the record is there, and notes when. */
static int
read_until_seen(struct lab *lab, void *arg)
{
	const struct reader *reader = arg;
	struct tally_open_options options = { reader->read_only };
	struct tally_cursor *cursor;
	struct tally_log *log;

	if (tally_log_open(lab->dir, &options, &log, &lab->error) != 0 ||
	    tally_cursor_open(log, NULL, &cursor, &lab->error) != 0)
		return lab_wrong(lab, "open: %s", lab->error.message);
	hooks.sync = count_sync;
	lab_raise(lab, FLAG_READER);
	if (!lab_await(lab, FLAG_IN_SYNC))
		return 1;
	while (!sees_it(lab, log, cursor, reader->way))
		;
	/* A read-only handle may have synced it by itself. */
	if (atomic_load(&hooks.syncs) == 0)
		atomic_store(&lab->shared->number[NUMBER_SEEN_US],
		    lab_now_us());
	tally_cursor_close(cursor);
	return tally_log_close(log, NULL);
}

static void
expect_seen_after_sync(struct lab *lab, enum way way, bool read_only)
{
	struct reader reader = { way, read_only };
	_Atomic long *number = lab->shared->number;
	pid_t writer, other;
	char what[40];

	snprintf(what, sizeof(what), "way %d", (int)way);
	lab->what = what;
	memset(lab->shared->flag, 0, sizeof(lab->shared->flag));
	atomic_store(&number[NUMBER_SEEN_US], 0);
	start(lab);
	writer = lab_spawn(lab, write_slowly, NULL);
	other = lab_spawn(lab, read_until_seen, &reader);
	lab_join(lab, other);
	lab_join(lab, writer);
	if (!read_only)
		assert_true(atomic_load(&number[NUMBER_SEEN_US]) != 0);
	if (atomic_load(&number[NUMBER_SEEN_US]) != 0)
		assert_true(atomic_load(&number[NUMBER_SEEN_US]) >=
		    atomic_load(&number[NUMBER_SYNCED_US]));
	lab_check(lab);
	lab->what = NULL;
	atomic_store(&lab->shared->acks_len, 0);
	assert_int_equal(lab_shell("rm -r '%s'", lab->dir), 0);
}

static void
test_sync__readers_see_what_is_durable(void **state)
{
	for (int way = 0; way < WAY_COUNT; way++)
		expect_seen_after_sync(*state, (enum way)way, false);
}

static void
test_sync__read_only_handles_see_what_is_durable(void **state)
{
	for (int way = 0; way < WAY_REPEAT; way++)
		expect_seen_after_sync(*state, (enum way)way, true);
}

/* ---- R5 --------------------------------------------------------------- */

static int
stuck_sync(int fd)
{
	(void)fd;
	lab_raise(the_lab, FLAG_IN_SYNC);
	while (pause() == -1)
		;
	return 0;
}

static int
failing_sync(int fd)
{
	(void)fd;
	hooks.sync = NULL;
	lab_raise(the_lab, FLAG_IN_SYNC);
	(void)lab_await(the_lab, FLAG_WAITING);
	lab_sleep_ms(100);
	return -EIO;
}

static int
lead_and_stick(struct lab *lab, void *arg)
{
	struct tally_log *log = open_in_child(lab);

	(void)arg;
	if (log == NULL)
		return 1;
	hooks.sync = stuck_sync;
	(void)lab_put(lab, log, "leader", "leader", NULL, TALLY_SYNC, NULL);
	return lab_wrong(lab, "the leader came back");
}

static int
lead_and_fail(struct lab *lab, void *arg)
{
	struct tally_log *log = open_in_child(lab);
	int result;

	(void)arg;
	if (log == NULL)
		return 1;
	hooks.sync = failing_sync;
	result = lab_put(lab, log, "leader", "leader", NULL, TALLY_SYNC, NULL);
	if (result != TALLY_E_POISONED || lab->error.code != TALLY_E_POISONED ||
	    lab->error.os_errno != EIO ||
	    strcmp(lab->error.message,
		"cannot sync the log; whether the last"
		" records are durable is not known, the log recovers with the"
		" next append: input/output error") != 0)
		return lab_wrong(lab, "the leader: %d, %s", result,
		    lab->error.message);
	/* The same handle goes on, and meets what is there. */
	for (int i = 0; i < 2; i++) {
		if (!lab_can_put(lab, log, "leader", "leader", TALLY_SYNC))
			return 1;
	}
	return tally_log_close(log, NULL);
}

struct waiter {
	pthread_t id;
	struct lab lab;
	struct tally_log *log;
	int number;
};

/* Appends while the leader is in its sync, and waits for it. */
static void *
wait_for_leader(void *arg)
{
	struct waiter *waiter = arg;
	struct lab *lab = &waiter->lab;
	char id[16];
	struct tally_receipt receipt;
	int result;

	snprintf(id, sizeof(id), "waiter %d", waiter->number);
	lab_raise(lab, FLAG_WAITING);
	result = lab_put(lab, waiter->log, "waiter", id, NULL, TALLY_SYNC,
	    &receipt);
	if (result == 0) {
		atomic_fetch_add(&lab->shared->number[NUMBER_OK], 1);
		lab_ack(lab, "waiter", &receipt);
		return NULL;
	}
	if (result != TALLY_E_POISONED ||
	    strcmp(lab->error.message, FAILED_TEXT) != 0) {
		lab_wrong(lab, "a waiter: %d, %s", result, lab->error.message);
		return NULL;
	}
	atomic_fetch_add(&lab->shared->number[NUMBER_POISONED], 1);
	/* It can simply be appended again. */
	(void)lab_can_put(lab, waiter->log, "waiter", id, TALLY_SYNC);
	return NULL;
}

static int
wait_in_threads(struct lab *lab, void *arg)
{
	struct waiter waiter[WAITERS];
	struct tally_log *log = open_in_child(lab);

	(void)arg;
	if (log == NULL || !lab_await(lab, FLAG_IN_SYNC))
		return 1;
	for (int i = 0; i < WAITERS; i++) {
		waiter[i].lab = *lab;
		waiter[i].log = log;
		waiter[i].number = i;
		pthread_create(&waiter[i].id, NULL, wait_for_leader,
		    &waiter[i]);
	}
	for (int i = 0; i < WAITERS; i++)
		pthread_join(waiter[i].id, NULL);
	return tally_log_close(log, NULL);
}

static void
join_in_time(struct lab *lab, pid_t pid)
{
	if (!lab_ends(pid, 10000)) {
		lab_kill(pid);
		fail_msg("who waits for the sync waits for ever");
	}
	lab_join(lab, pid);
}

static void
test_sync__leader_killed_in_its_sync(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log;
	pid_t leader, other;

	start(lab);
	other = lab_spawn(lab, wait_in_threads, NULL);
	lab_sleep_ms(50);
	leader = lab_spawn(lab, lead_and_stick, NULL);
	assert_true(lab_await(lab, FLAG_WAITING));
	assert_false(lab_ends(other, 100));
	lab_kill(leader);
	join_in_time(lab, other);
	assert_int_equal(atomic_load(&lab->shared->number[NUMBER_OK]) +
		atomic_load(&lab->shared->number[NUMBER_POISONED]),
	    WAITERS);
	print_message("# %ld waiters finished, %ld were told\n",
	    atomic_load(&lab->shared->number[NUMBER_OK]),
	    atomic_load(&lab->shared->number[NUMBER_POISONED]));
	log = lab_must_open(lab);
	lab_must_put(lab, log, "leader", "leader", TALLY_SYNC);
	assert_int_equal(tally_log_close(log, NULL), 0);
	/* Ten before, the leader's, the waiters', and the first. */
	assert_int_equal(lab_size(lab), 1 + 10 + 1 + WAITERS);
	lab_check(lab);
}

/* The same, and nobody waits: the next opener finds it. */
static void
test_sync__leader_killed_alone(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log;
	pid_t leader;

	start(lab);
	leader = lab_spawn(lab, lead_and_stick, NULL);
	assert_true(lab_await(lab, FLAG_IN_SYNC));
	lab_kill(leader);
	log = lab_must_open(lab);
	lab_must_put(lab, log, "leader", "leader", TALLY_SYNC);
	assert_int_equal(tally_log_close(log, NULL), 0);
	assert_int_equal(lab_size(lab), 1 + 10 + 1);
	lab_check(lab);
}

static void
test_sync__fails_while_others_wait(void **state)
{
	struct lab *lab = *state;
	struct tally_stat stat;
	struct tally_log *log;
	pid_t leader, other;

	start(lab);
	other = lab_spawn(lab, wait_in_threads, NULL);
	lab_sleep_ms(50);
	leader = lab_spawn(lab, lead_and_fail, NULL);
	join_in_time(lab, other);
	join_in_time(lab, leader);
	assert_true(atomic_load(&lab->shared->number[NUMBER_POISONED]) > 0);
	print_message("# %ld waiters finished, %ld were told\n",
	    atomic_load(&lab->shared->number[NUMBER_OK]),
	    atomic_load(&lab->shared->number[NUMBER_POISONED]));
	log = lab_must_open(lab);
	assert_int_equal(tally_log_stat(log, &stat, NULL), 0);
	assert_false(stat.poisoned);
	assert_int_equal(stat.size, 1 + 10 + 1 + WAITERS);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
	assert_true(lab_python_agrees(lab));
}

/* Nobody appends: the next process to come recovers before it answers. */
static int
fail_and_leave(struct lab *lab, void *arg)
{
	struct tally_log *log = open_in_child(lab);

	(void)arg;
	lab_raise(lab, FLAG_WAITING);
	hooks.sync = failing_sync;
	if (lab_put(lab, log, "leader", NULL, NULL, TALLY_SYNC, NULL) !=
	    TALLY_E_POISONED)
		return lab_wrong(lab, "the sync did not fail");
	_exit(0);
}

static void
test_sync__fails_and_everybody_leaves(void **state)
{
	struct tally_open_options read_only = { .read_only = true };
	struct lab *lab = *state;
	struct tally_stat stat;
	struct tally_log *log;

	start(lab);
	lab_join(lab, lab_spawn(lab, fail_and_leave, NULL));
	assert_int_equal(tally_log_open(lab->dir, &read_only, &log, NULL), 0);
	assert_int_equal(tally_log_stat(log, &stat, NULL), 0);
	assert_true(stat.poisoned);
	assert_int_equal(tally_log_close(log, NULL), 0);
	log = lab_must_open(lab);
	assert_int_equal(tally_log_stat(log, &stat, NULL), 0);
	assert_false(stat.poisoned);
	assert_int_equal(stat.size, 1 + 10 + 1);
	assert_int_equal(stat.durable_size, stat.size);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_sync__readers_see_what_is_durable),
		CASE(test_sync__read_only_handles_see_what_is_durable),
		CASE(test_sync__leader_killed_in_its_sync),
		CASE(test_sync__leader_killed_alone),
		CASE(test_sync__fails_while_others_wait),
		CASE(test_sync__fails_and_everybody_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
