/* SPDX-License-Identifier: Apache-2.0 */
/* R1: the locks are the kernel's, and belong to one handle. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

enum {
	FLAG_HOLDS = 0,
	FLAG_GO,
	FLAG_CHILD,
	FLAG_DONE
};

static struct lab *the_lab; /* for the hooks */

/* ---- somebody who holds a lock and does not let go -------------------- */

static void
hold(void)
{
	lab_raise(the_lab, FLAG_HOLDS);
	while (atomic_load(&the_lab->shared->flag[FLAG_GO]) == 0)
		lab_sleep_ms(1);
}

static int
hold_in_sync(int fd)
{
	hold();
	return hooks_real_sync(fd);
}

struct holder {
	struct lab *lab;
	struct tally_log *log;
	bool finds; /* holds the index's lock, through a find */
};

static void *
holder_thread(void *arg)
{
	struct holder *holder = arg;
	struct tally_find find = { .by = TALLY_KEY_INDEX, .index = 5 };
	struct tally_cursor *cursor;
	struct tally_record record;

	if (!holder->finds) {
		(void)lab_put(holder->lab, holder->log, "held", "held", NULL,
		    TALLY_SYNC, NULL);
		return NULL;
	}
	if (tally_cursor_open(holder->log, NULL, &cursor, NULL) == 0) {
		(void)!tally_cursor_find(cursor, &find, &record, NULL);
		tally_cursor_close(cursor);
	}
	return NULL;
}

/* A thread takes a lock and keeps it; then the process forks.  The child
 * only sleeps, without exec. */
static int
fork_with_the_lock(struct lab *lab, void *arg)
{
	struct holder holder = { .lab = lab,
		.finds = hooks.index_write != NULL };
	pthread_t thread;
	pid_t pid;

	(void)arg;
	the_lab = lab;
	holder.log = lab_open(lab);
	if (holder.log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	if (pthread_create(&thread, NULL, holder_thread, &holder) != 0 ||
	    !lab_await(lab, FLAG_HOLDS))
		return lab_wrong(lab, "the lock was not taken");
	pid = fork();
	if (pid == 0) {
		lab_raise(lab, FLAG_CHILD);
		for (;;)
			pause();
	}
	atomic_store(&lab->shared->number[0], pid);
	for (;;)
		pause();
}

static int
append_one(struct lab *lab, void *arg)
{
	struct tally_log *log;

	hooks_clear();
	log = lab_open(lab);
	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	for (int i = 0; i < 3; i++) {
		if (!lab_can_put(lab, log, "other", i == 1 ? arg : NULL,
			TALLY_SYNC))
			return 1;
	}
	return tally_log_close(log, NULL);
}

/* The parent is killed; its child must not keep anybody waiting. */
static void
expect_free_after_fork(struct lab *lab)
{
	char id[] = "some id";
	pid_t parent, child, other;

	parent = lab_spawn(lab, fork_with_the_lock, NULL);
	assert_true(lab_await(lab, FLAG_CHILD));
	while (atomic_load(&lab->shared->number[0]) == 0)
		lab_sleep_ms(1);
	child = (pid_t)atomic_load(&lab->shared->number[0]);
	other = lab_spawn(lab, append_one, id);
	/* Alive, its parent keeps its lock. */
	assert_false(lab_ends(other, 100));
	lab_kill(parent);
	if (!lab_ends(other, 5000)) {
		kill(child, SIGKILL);
		lab_kill(other);
		fail_msg("the child of a fork keeps the lock");
	}
	assert_int_equal(kill(child, 0), 0);
	kill(child, SIGKILL);
	lab_join(lab, other);
	lab_check(lab);
}

static void
lab_fill(struct lab *lab, int records)
{
	struct tally_log *log;

	lab_init(lab, 0);
	log = lab_must_open(lab);
	for (int i = 0; i < records; i++) {
		char id[16];

		snprintf(id, sizeof(id), "id %d", i);
		lab_must_put(lab, log, i % 2 == 0 ? "a" : "b", id,
		    TALLY_BUFFERED);
	}
	assert_int_equal(tally_log_close(log, NULL), 0);
}

static void
test_locks__fork_while_the_order_lock_is_held(void **state)
{
	lab_fill(*state, 10);
	hooks.segment_write = hold;
	expect_free_after_fork(*state);
}

static void
test_locks__fork_while_the_sync_lock_is_held(void **state)
{
	lab_fill(*state, 10);
	hooks.sync = hold_in_sync;
	expect_free_after_fork(*state);
}

/* Whoever appends with an id that may be in the index waits for its writer. */
static void
test_locks__fork_while_the_index_lock_is_held(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log;

	lab_fill(lab, 3000);
	log = lab_must_open(lab);
	tally_log_close(log, NULL);
	/* Ids from before a recovery are only in the index. */
	assert_int_equal(lab_shell("rm -rf '%s/run' '%s/index'", lab->dir,
			     lab->dir),
	    0);
	hooks.index_write = hold;
	expect_free_after_fork(lab);
}

/* ---- a handle after fork ---------------------------------------------- */

#define FORKED_TEXT \
	"this handle was opened before a fork; open the log anew in the child"

struct inherited {
	struct tally_log *log;
	struct tally_cursor *cursor;
};

static int
ignore_head(void *arg, const struct tally_head *head)
{
	(void)arg;
	(void)head;
	return 0;
}

static int
use_forked(struct lab *lab, struct inherited *old, int what)
{
	struct tally_find find = { .by = TALLY_KEY_INDEX, .index = 0 };
	struct tally_cursor *cursor;
	struct tally_record record;
	struct tally_head head;
	struct tally_stat stat;

	memset(&lab->error, 0, sizeof(lab->error));
	switch (what) {
	case 0:
		return lab_put(lab, old->log, "a", NULL, NULL, TALLY_SYNC,
		    NULL);
	case 1:
		return lab_put(lab, old->log, "a", "id 1", NULL, TALLY_SYNC,
		    NULL);
	case 2:
		return tally_log_sync(old->log, &lab->error);
	case 3:
		return tally_log_head(old->log, "a", 1, &head, &lab->error);
	case 4:
		return tally_log_heads(old->log, ignore_head, NULL,
		    &lab->error);
	case 5:
		return tally_cursor_open(old->log, NULL, &cursor, &lab->error);
	case 6:
		return tally_cursor_find(old->cursor, &find, &record,
		    &lab->error);
	case 7:
		return tally_cursor_wait(old->cursor, 0, &lab->error);
	case 8:
		return tally_cursor_next(old->cursor, &record, &lab->error);
	case 9:
		return tally_log_stat(old->log, &stat, &lab->error);
	default:
		return TALLY_END;
	}
}

static int
child_of_fork(struct lab *lab, void *arg)
{
	struct inherited *old = arg;
	struct tally_log *log;
	int result;

	for (int what = 0; (result = use_forked(lab, old, what)) != TALLY_END;
	     what++) {
		if (result != TALLY_E_FORKED ||
		    strcmp(lab->error.message, FORKED_TEXT) != 0)
			return lab_wrong(lab, "use %d: %d, \"%s\"", what,
			    result, lab->error.message);
	}
	tally_cursor_close(old->cursor);
	if (tally_log_close(old->log, &lab->error) != 0)
		return lab_wrong(lab, "close: %s", lab->error.message);
	log = lab_open(lab);
	if (log == NULL || !lab_can_put(lab, log, "child", "c", TALLY_SYNC))
		return lab_wrong(lab, "anew: %s", lab->error.message);
	return tally_log_close(log, NULL);
}

static void
test_locks__a_handle_ends_at_a_fork(void **state)
{
	struct inherited old;
	struct lab *lab = *state;
	pid_t pid;

	lab_fill(lab, 10);
	old.log = lab_must_open(lab);
	lab_must_put(lab, old.log, "a", NULL, TALLY_BUFFERED);
	assert_int_equal(tally_cursor_open(old.log, NULL, &old.cursor, NULL),
	    0);
	pid = lab_spawn(lab, child_of_fork, &old);
	lab_join(lab, pid);
	/* The parent's is as it was. */
	lab_must_put(lab, old.log, "a", NULL, TALLY_SYNC);
	tally_cursor_close(old.cursor);
	assert_int_equal(tally_log_close(old.log, NULL), 0);
	lab_check(lab);
}

static void *
append_until_done(void *arg)
{
	struct holder *holder = arg;
	char id[24];

	for (int i = 0; atomic_load(&holder->lab->shared->flag[FLAG_DONE]) == 0;
	     i++) {
		snprintf(id, sizeof(id), "%p %d", (void *)&id, i % 50);
		(void)lab_put(holder->lab, holder->log, "a", id, NULL,
		    i % 3 == 0 ? TALLY_SYNC : TALLY_BUFFERED, NULL);
	}
	return NULL;
}

/* Threads are inside calls, and hold mutexes, whenever the fork comes. */
static int
fork_amid_threads(struct lab *lab, void *arg)
{
	struct holder holder = { .lab = lab };
	struct inherited old;
	pthread_t thread[3];

	(void)arg;
	old.log = holder.log = lab_open(lab);
	if (old.log == NULL ||
	    tally_cursor_open(old.log, NULL, &old.cursor, NULL) != 0)
		return lab_wrong(lab, "open: %s", lab->error.message);
	for (int i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, append_until_done, &holder);
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(child_of_fork(lab, &old));
		if (!lab_ends(pid, 5000)) {
			lab_wrong(lab, "a child hangs");
			lab_kill(pid);
			break;
		}
		waitpid(pid, NULL, 0);
	}
	lab_raise(lab, FLAG_DONE);
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	tally_cursor_close(old.cursor);
	return tally_log_close(old.log, NULL);
}

static void
test_locks__a_fork_amid_calls_of_other_threads(void **state)
{
	struct lab *lab = *state;

	/* A sanitizer's allocator does not let go of its locks in a child. */
	if (LAB_SLOW)
		skip();
	lab_fill(lab, 10);
	lab_join(lab, lab_spawn(lab, fork_amid_threads, NULL));
	lab_check(lab);
}

/* ---- descriptors, handles, lock files --------------------------------- */

static void
test_locks__no_descriptor_goes_through_exec(void **state)
{
	struct tally_find find = { .by = TALLY_KEY_INDEX, .index = 3 };
	struct lab *lab = *state;
	struct tally_cursor *cursor;
	struct tally_record record;
	struct tally_log *log;

	lab_fill(lab, 3000);
	log = lab_must_open(lab);
	lab_must_put(lab, log, "a", "new", TALLY_SYNC);
	assert_int_equal(tally_cursor_open(log, NULL, &cursor, NULL), 0);
	assert_int_equal(tally_cursor_next(cursor, &record, NULL), 0);
	assert_int_equal(tally_cursor_find(cursor, &find, &record, NULL), 0);
	/* The shell lists its own descriptors, which it has from us. */
	assert_int_equal(lab_shell("ls -l /proc/$$/fd > '%s/fds'", lab->top),
	    0);
	assert_int_equal(lab_shell("ls -l /proc/%d/fd | grep -q '%s'",
			     (int)getpid(), lab->dir),
	    0);
	assert_int_equal(lab_shell("grep '%s' '%s/fds' >&2", lab->dir,
			     lab->top),
	    1);
	tally_cursor_close(cursor);
	assert_int_equal(tally_log_close(log, NULL), 0);
}

static void *
append_many(void *arg)
{
	struct holder *holder = arg;
	struct lab lab = *holder->lab;

	for (int i = 0; i < 300; i++) {
		if (!lab_can_put(&lab, holder->log, i % 2 == 0 ? "a" : "b",
			NULL, i % 4 == 0 ? TALLY_SYNC : TALLY_BUFFERED))
			break;
	}
	return NULL;
}

static void
test_locks__two_handles_in_one_process(void **state)
{
	struct lab *lab = *state;
	struct holder holder[4];
	struct tally_log *third;
	pthread_t thread[4];

	lab_fill(lab, 10);
	for (int i = 0; i < 4; i++) {
		holder[i].lab = lab;
		holder[i].log = i < 2 ? lab_must_open(lab) : holder[i - 2].log;
		assert_int_equal(pthread_create(&thread[i], NULL, append_many,
				     &holder[i]),
		    0);
	}
	/* A close must not drop the locks of the others (fcntl's would). */
	for (int i = 0; i < 20; i++) {
		third = lab_must_open(lab);
		lab_must_put(lab, third, "c", NULL, TALLY_SYNC);
		assert_int_equal(tally_log_close(third, NULL), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	lab_check_wrongs(lab);
	assert_int_equal(tally_log_close(holder[0].log, NULL), 0);
	lab_must_put(lab, holder[1].log, "c", NULL, TALLY_SYNC);
	assert_int_equal(tally_log_close(holder[1].log, NULL), 0);
	assert_int_equal(lab_size(lab), 1 + 10 + 1200 + 20 + 1);
	lab_check(lab);
}

static int
hold_the_order_lock(struct lab *lab, void *arg)
{
	struct holder holder = { .lab = lab };

	(void)arg;
	the_lab = lab;
	hooks.segment_write = hold;
	holder.log = lab_open(lab);
	if (holder.log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	holder_thread(&holder);
	return tally_log_close(holder.log, NULL);
}

/* Whatever can be deleted is deleted: the lock is still held. */
static void
test_locks__there_is_no_lock_file_to_delete(void **state)
{
	struct lab *lab = *state;
	pid_t holder, other;
	char path[200];
	int fd;

	lab_fill(lab, 3000);
	holder = lab_spawn(lab, hold_the_order_lock, NULL);
	assert_true(lab_await(lab, FLAG_HOLDS));
	assert_int_equal(lab_shell("cd '%s' && rm -rf run index && find . -name"
				   " '*lock*' | grep .",
			     lab->dir),
	    1);
	snprintf(path, sizeof(path), "%s/log", lab->dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	close(fd);
	other = lab_spawn(lab, append_one, NULL);
	assert_false(lab_ends(other, 200));
	lab_raise(lab, FLAG_GO);
	lab_join(lab, other);
	lab_join(lab, holder);
	lab_check(lab);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_locks__fork_while_the_order_lock_is_held),
		CASE(test_locks__fork_while_the_sync_lock_is_held),
		CASE(test_locks__fork_while_the_index_lock_is_held),
		CASE(test_locks__a_handle_ends_at_a_fork),
		CASE(test_locks__a_fork_amid_calls_of_other_threads),
		CASE(test_locks__no_descriptor_goes_through_exec),
		CASE(test_locks__two_handles_in_one_process),
		CASE(test_locks__there_is_no_lock_file_to_delete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
