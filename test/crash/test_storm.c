/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The big one: processes of several threads append to many chains, some with
 * ids, some buffered, in batches; again and again one of them is killed and
 * replaced.  Then no record that was acknowledged is missing, no chain forked,
 * no id stands twice.  The same storm with flock taken out must be caught.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

#define PROCESSES_MAX 8
#define THREADS_MAX 8
#define BATCH_MAX 50
#define CHAINS 13

enum {
	NUMBER_ACKED = 0,
	NUMBER_KILLS,
	NUMBER_RESENT,
	NUMBER_BATCHES = LAB_NUMBERS - PROCESSES_MAX * THREADS_MAX,
};
enum {
	FLAG_STOP = 0
};

struct storm {
	int processes, threads;
	long records, kills;
	int seconds; /* at most */
	bool no_lock;
	/* Which batch each thread is at; outlives it. */
	_Atomic long *batch;
};

struct thread {
	pthread_t id;
	struct lab *lab;
	struct tally_log *log;
	const struct storm *storm;
	int slot; /* process * THREADS_MAX + thread */
};

/*
 * A batch, made from its number alone, so that the successor of a killed
 * process sends it again: with ids it is the same records, without it is
 * others.
 */
struct batch {
	struct tally_append request[BATCH_MAX];
	struct tally_receipt receipt[BATCH_MAX];
	char chain[BATCH_MAX][16], id[BATCH_MAX][32], event[BATCH_MAX][96];
	size_t count;
	bool has_ids;
	enum tally_durability durability;
};

static void
batch_make(struct batch *batch, int slot, long number)
{
	unsigned seed = (unsigned)(slot * 1000003 + number * 7919);

	batch->count = 1 + (unsigned)rand_r(&seed) % BATCH_MAX;
	batch->has_ids = rand_r(&seed) % 3 == 0;
	batch->durability = rand_r(&seed) % 4 == 0 ? TALLY_BUFFERED
						   : TALLY_SYNC;
	for (size_t i = 0; i < batch->count; i++) {
		struct tally_append *request = &batch->request[i];

		memset(request, 0, sizeof(*request));
		snprintf(batch->chain[i], sizeof(batch->chain[i]), "org/%d",
		    rand_r(&seed) % CHAINS);
		snprintf(batch->id[i], sizeof(batch->id[i]), "%d-%ld-%zu", slot,
		    number, i);
		snprintf(batch->event[i], sizeof(batch->event[i]),
		    "{\"slot\":%d,\"batch\":%ld,\"item\":%zu}", slot, number,
		    i);
		request->chain = batch->chain[i];
		request->chain_len = strlen(batch->chain[i]);
		request->event = batch->event[i];
		request->event_len = strlen(batch->event[i]);
		if (batch->has_ids) {
			request->id = batch->id[i];
			request->id_len = strlen(batch->id[i]);
		}
	}
}

/* An append that a killed leader's recovery may have caught. */
static int
batch_send(struct thread *thread, struct batch *batch)
{
	struct tally_error error;
	int result;

	for (int tries = 0;; tries++) {
		result = tally_log_append(thread->log, batch->request,
		    batch->count, batch->durability, batch->receipt, &error);
		if (result == 0)
			return 0;
		if (result != TALLY_E_POISONED || tries == 20)
			break;
		/* Not known whether it is there: only ids make it safe. */
		atomic_fetch_add(&thread->lab->shared->number[NUMBER_RESENT],
		    1);
		if (!batch->has_ids)
			return 1;
	}
	lab_wrong(thread->lab, "append: %d, %s", result, error.message);
	/* Without the lock this is to be expected; the segments are judged. */
	return thread->storm->no_lock ? 1 : result;
}

static void *
thread_main(void *arg)
{
	struct thread *thread = arg;
	struct lab *lab = thread->lab;
	_Atomic long *number = &thread->storm->batch[thread->slot];
	struct batch *batch = malloc(sizeof(*batch));

	while (batch != NULL &&
	    atomic_load(&lab->shared->flag[FLAG_STOP]) == 0) {
		int result;

		batch_make(batch, thread->slot, atomic_load(number));
		result = batch_send(thread, batch);
		if (result < 0)
			break;
		for (size_t i = 0; i < batch->count && result == 0; i++)
			lab_ack(lab, batch->chain[i], &batch->receipt[i]);
		atomic_fetch_add(number, 1);
		if (result == 0 &&
		    atomic_fetch_add(&lab->shared->number[NUMBER_ACKED],
			(long)batch->count) >= thread->storm->records)
			lab_raise(lab, FLAG_STOP);
	}
	free(batch);
	return NULL;
}

struct process {
	struct storm *storm;
	int number;
};

static int
process_main(struct lab *lab, void *arg)
{
	struct process *process = arg;
	struct thread thread[THREADS_MAX];
	struct tally_log *log;
	int threads = process->storm->threads;

	hooks.no_lock = process->storm->no_lock;
	log = lab_open(lab);
	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	for (int i = 0; i < threads; i++) {
		thread[i].lab = lab;
		thread[i].log = log;
		thread[i].storm = process->storm;
		thread[i].slot = process->number * THREADS_MAX + i;
		if (pthread_create(&thread[i].id, NULL, thread_main,
			&thread[i]) != 0)
			return lab_wrong(lab, "no thread");
	}
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i].id, NULL);
	if (tally_log_close(log, &lab->error) != 0)
		return lab_wrong(lab, "close: %s", lab->error.message);
	return 0;
}

/* Waits for all of them to their end, or the storm's; kills who stays. */
static void
storm_end(struct lab *lab, struct storm *storm, const pid_t *pid, int64_t until)
{
	for (int i = 0; i < storm->processes; i++) {
		int left = (int)((until - lab_now_us()) / 1000);
		int status = 0;

		if (!lab_ends(pid[i], left > 0 ? left : 1)) {
			lab_wrong(lab, "a process did not come to its end");
			lab_kill(pid[i]);
			continue;
		}
		waitpid(pid[i], &status, 0);
		if (WIFSIGNALED(status))
			lab_wrong(lab, "signal %d", WTERMSIG(status));
		else if (WEXITSTATUS(status) != 0)
			lab_wrong(lab, "status %d", WEXITSTATUS(status));
	}
}

static void
storm_run(struct lab *lab, struct storm *storm)
{
	_Atomic long *number = lab->shared->number;
	struct process process[PROCESSES_MAX];
	int64_t until = lab_now_us() + (int64_t)storm->seconds * 1000000;
	pid_t pid[PROCESSES_MAX];
	long kills = 0;

	for (int i = 0; i < storm->processes; i++) {
		process[i].storm = storm;
		process[i].number = i;
		pid[i] = lab_spawn(lab, process_main, &process[i]);
	}
	while (atomic_load(&lab->shared->flag[FLAG_STOP]) == 0 &&
	    (storm->no_lock || atomic_load(&lab->shared->wrongs) == 0) &&
	    lab_now_us() < until) {
		lab_sleep_ms(1 + rand() % 10);
		if (atomic_load(&number[NUMBER_ACKED]) >=
		    (kills + 1) * storm->records / (storm->kills + 1)) {
			int i = rand() % storm->processes;

			lab_kill(pid[i]);
			kills++;
			pid[i] = lab_spawn(lab, process_main, &process[i]);
		}
	}
	lab_raise(lab, FLAG_STOP);
	atomic_store(&number[NUMBER_KILLS], kills);
	storm_end(lab, storm, pid, until);
}

static void
storm_new(struct lab *lab, struct storm *storm)
{
	storm->batch = &lab->shared->number[NUMBER_BATCHES];
	lab_init(lab, 8 << 20);
	/* With the shared state there from the start. */
	tally_log_close(lab_must_open(lab), NULL);
}

static void
test_storm__keeps_every_acknowledged_record(void **state)
{
	struct storm storm = {
		.processes = 8,
		.threads = 8,
		.records = LAB_SLOW ? 20000 : 200000,
		.kills = LAB_SLOW ? 8 : 30,
		.seconds = 90,
	};
	struct lab *lab = *state;
	_Atomic long *number = lab->shared->number;
	int64_t began = lab_now_us(), ended;

	storm_new(lab, &storm);
	storm_run(lab, &storm);
	lab_check_wrongs(lab);
	assert_true(atomic_load(&number[NUMBER_ACKED]) >= storm.records);
	assert_true(atomic_load(&number[NUMBER_KILLS]) >= storm.kills / 2);
	ended = lab_now_us();
	lab_check(lab);
	assert_true(lab_python_agrees(lab));
	print_message("# %ld acknowledged, %ld kills, %ld resent, %ld torn,"
		      " %lld ms and %lld ms to check\n",
	    atomic_load(&number[NUMBER_ACKED]),
	    atomic_load(&number[NUMBER_KILLS]),
	    atomic_load(&number[NUMBER_RESENT]), lab_torn(lab),
	    (long long)(ended - began) / 1000,
	    (long long)(lab_now_us() - ended) / 1000);
}

/* Judges by the segments alone: what is derived may be in any state. */
static int
judge(struct lab *lab, void *arg)
{
	(void)arg;
	lab_shell("rm -rf '%s/run' '%s/index'", lab->dir, lab->dir);
	return lab_is_sound(lab) ? 0 : 1;
}

/* One storm without the lock; true if its log is found wrong afterwards. */
static bool
is_caught_without_the_lock(struct lab *lab)
{
	struct storm storm = {
		.processes = 6,
		.threads = 4,
		.records = LAB_SLOW ? 5000 : 20000,
		.seconds = 2,
		.no_lock = true,
	};
	bool ended;
	pid_t pid;

	memset(lab->shared->flag, 0, sizeof(lab->shared->flag));
	memset(lab->shared->number, 0, sizeof(lab->shared->number));
	atomic_store(&lab->shared->acks_len, 0);
	storm_new(lab, &storm);
	storm_run(lab, &storm);
	print_message("# while it ran: %s\n",
	    atomic_load(&lab->shared->wrongs) != 0 ? lab->shared->wrong
						   : "nothing");
	atomic_store(&lab->shared->wrongs, 0);
	pid = lab_spawn(lab, judge, NULL);
	ended = lab_ends(pid, 20000);
	lab_kill(pid);
	assert_true(ended);
	assert_int_equal(lab_shell("rm -r '%s'", lab->dir), 0);
	return atomic_load(&lab->shared->wrongs) > 0;
}

/*
 * Now and then nearly every process stops at its first error, and what the
 * others wrote happens to be whole; so it may take some storms.
 */
static void
test_storm__without_the_lock_is_caught(void **state)
{
	struct lab *lab = *state;

	for (int tries = 0; tries < 10; tries++) {
		if (is_caught_without_the_lock(lab)) {
			print_message("# afterwards: %s\n", lab->shared->wrong);
			return;
		}
	}
	fail_msg("ten storms without the lock went well");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_storm__keeps_every_acknowledged_record, lab_setup,
		    lab_teardown),
		cmocka_unit_test_setup_teardown(
		    test_storm__without_the_lock_is_caught, lab_setup,
		    lab_teardown),
	};

	srand((unsigned)lab_now_us());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
