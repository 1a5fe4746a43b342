/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R1: two containers on one log.  Each process has the id 1, and its threads
 * the same ids as the other's, so a lock that goes by ids would be taken for
 * one's own.  Holder and waiter are killed in turn, in every direction.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

enum {
	FLAG_HOLDS = 0,
	FLAG_GO,
	FLAG_WAITS
};

static struct lab *the_lab;

static void
hold(void)
{
	if (atomic_exchange(&the_lab->shared->flag[FLAG_HOLDS], 1) != 0)
		return;
	while (atomic_load(&the_lab->shared->flag[FLAG_GO]) == 0)
		lab_sleep_ms(1);
}

static int
hold_in_sync(int fd)
{
	hold();
	return hooks_real_sync(fd);
}

static int
append_some(struct lab *lab, void *arg)
{
	struct tally_log *log;

	the_lab = lab;
	log = lab_open(lab);
	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	for (int i = 0; i < 3; i++) {
		if (!lab_can_put(lab, log, arg, NULL, TALLY_SYNC))
			return 1;
	}
	return tally_log_close(log, NULL);
}

struct actor {
	pid_t pid, waiter;
	bool apart;
};

static struct actor
actor_start(struct lab *lab, bool apart, bool holds, char *chain, bool in_sync)
{
	struct actor actor = { .apart = apart };

	hooks_clear();
	if (holds && in_sync)
		hooks.sync = hold_in_sync;
	else if (holds)
		hooks.segment_write = hold;
	if (apart) {
		actor.pid = lab_spawn_apart(lab, append_some, chain,
		    &actor.waiter);
	} else {
		actor.pid = lab_spawn(lab, append_some, chain);
		actor.waiter = actor.pid;
	}
	hooks_clear();
	return actor;
}

static void
actor_kill(const struct actor *actor)
{
	kill(actor->pid, SIGKILL);
	waitpid(actor->waiter, NULL, 0);
}

static void
actor_join(struct lab *lab, const struct actor *actor)
{
	if (!lab_ends(actor->waiter, 10000)) {
		actor_kill(actor);
		fail_msg("%s waits for ever",
		    actor->apart ? "the one apart" : "the other");
	}
	lab_join(lab, actor->waiter);
}

static void
one_turn(struct lab *lab, bool holder_apart, bool waiter_apart,
    bool kill_holder, bool in_sync)
{
	char first[] = "holder", second[] = "waiter";
	struct actor holder, waiter;

	memset(lab->shared->flag, 0, sizeof(lab->shared->flag));
	holder = actor_start(lab, holder_apart, true, first, in_sync);
	assert_true(lab_await(lab, FLAG_HOLDS));
	waiter = actor_start(lab, waiter_apart, false, second, in_sync);
	assert_false(lab_ends(waiter.waiter, 40));
	if (kill_holder) {
		actor_kill(&holder);
		actor_join(lab, &waiter);
	} else {
		actor_kill(&waiter);
		lab_raise(lab, FLAG_GO);
		actor_join(lab, &holder);
	}
	lab_check(lab);
}

static void
all_turns(struct lab *lab, bool in_sync)
{
	lab_init(lab, 0);
	for (int turn = 0; turn < 8; turn++)
		one_turn(lab, (turn & 1) != 0, (turn & 2) != 0, (turn & 4) != 0,
		    in_sync);
	assert_true(lab_python_agrees(lab));
}

static bool
has_namespaces(void)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0)
		_exit(unshare(CLONE_NEWPID) == 0 ? 0 : 1);
	waitpid(pid, &status, 0);
	return status == 0;
}

static void
test_namespaces__order_lock(void **state)
{
	if (!has_namespaces()) {
		print_message("# needs the right to make PID namespaces\n");
		skip();
	}
	all_turns(*state, false);
}

static void
test_namespaces__sync_lock(void **state)
{
	if (!has_namespaces()) {
		print_message("# needs the right to make PID namespaces\n");
		skip();
	}
	all_turns(*state, true);
}

/* Both write at full speed, and are killed and replaced. */
static int
append_on(struct lab *lab, void *arg)
{
	struct tally_log *log = lab_open(lab);

	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	while (atomic_load(&lab->shared->flag[FLAG_GO]) == 0) {
		if (!lab_can_put(lab, log, arg, NULL, TALLY_SYNC))
			return 1;
	}
	return tally_log_close(log, NULL);
}

static void
test_namespaces__killed_at_random(void **state)
{
	char names[3][8] = { "one", "two", "three" };
	struct lab *lab = *state;
	struct actor actor[3];

	if (!has_namespaces()) {
		print_message("# needs the right to make PID namespaces\n");
		skip();
	}
	lab_init(lab, LAB_SEGMENT);
	for (int i = 0; i < 3; i++)
		actor[i].pid = lab_spawn_apart(lab, append_on, names[i],
		    &actor[i].waiter);
	for (int kills = 0; kills < 25; kills++) {
		int i = rand() % 3;

		lab_sleep_ms(5 + rand() % 40);
		actor_kill(&actor[i]);
		actor[i].pid = lab_spawn_apart(lab, append_on, names[i],
		    &actor[i].waiter);
	}
	lab_raise(lab, FLAG_GO);
	for (int i = 0; i < 3; i++)
		actor_join(lab, &actor[i]);
	assert_true(atomic_load(&lab->shared->acks_len) > 100);
	lab_check(lab);
	assert_true(lab_python_agrees(lab));
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_namespaces__order_lock),
		CASE(test_namespaces__sync_lock),
		CASE(test_namespaces__killed_at_random),
	};

	srand((unsigned)lab_now_us());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
