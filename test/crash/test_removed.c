/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R2, R8: run/ and index/ are derived, and are removed again and again while
 * several processes append, with ids and without, read and look up.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "lab.h"

#define PROCESSES 4
#define THREADS 2
#define SECONDS (LAB_SLOW ? 4 : 3)
#define KEPT 512

enum {
	FLAG_STOP = 0
};
enum {
	NUMBER_BUSY = 0,
	NUMBER_REPEATED,
	NUMBER_FOUND,
	NUMBER_REMOVED
};

struct worker {
	pthread_t id;
	struct lab lab; /* with an error of its own */
	struct tally_log *log;
	int slot;
	struct tally_receipt receipt[KEPT]; /* by number of the id */
	int given;
	unsigned seed;
};

static void
count(struct lab *lab, int number)
{
	atomic_fetch_add(&lab->shared->number[number], 1);
}

/* An append with an id, new or given before; busy is tried again. */
static void
put_id(struct worker *worker, int number)
{
	struct lab *lab = &worker->lab;
	struct tally_receipt receipt;
	char id[32];
	int result;

	snprintf(id, sizeof(id), "%d/%d", worker->slot, number);
	for (int tries = 0; tries < 100; tries++) {
		result = lab_put(lab, worker->log, "ids", id, NULL,
		    rand_r(&worker->seed) % 2 ? TALLY_SYNC : TALLY_BUFFERED,
		    &receipt);
		if (result != TALLY_E_BUSY)
			break;
		count(lab, NUMBER_BUSY);
		lab_sleep_ms(rand_r(&worker->seed) % 20);
	}
	if (result != 0) {
		lab_wrong(lab, "id %s: %d, %s", id, result, lab->error.message);
		return;
	}
	lab_ack(lab, "ids", &receipt);
	if (number >= worker->given) {
		if (receipt.repeated)
			lab_wrong(lab, "id %s is new, and repeated", id);
		worker->receipt[number] = receipt;
		worker->given = number + 1;
		return;
	}
	count(lab, NUMBER_REPEATED);
	if (!receipt.repeated ||
	    receipt.index != worker->receipt[number].index ||
	    memcmp(&receipt.hash, &worker->receipt[number].hash,
		sizeof(receipt.hash)) != 0)
		lab_wrong(lab, "id %s is given twice: %llu, then %llu", id,
		    (unsigned long long)worker->receipt[number].index,
		    (unsigned long long)receipt.index);
}

static void
look_up(struct worker *worker, int number)
{
	const struct tally_receipt *receipt = &worker->receipt[number];
	struct tally_find find = { .chain = "ids", .chain_len = 3 };
	struct lab *lab = &worker->lab;
	struct tally_cursor *cursor;
	struct tally_record record;
	char id[32];
	int result;

	snprintf(id, sizeof(id), "%d/%d", worker->slot, number);
	find.by = (enum tally_key)(rand_r(&worker->seed) % 3);
	find.id = id;
	find.id_len = strlen(id);
	find.seq = receipt->seq;
	find.index = receipt->index;
	result = tally_cursor_open(worker->log, NULL, &cursor, &lab->error);
	if (result == 0) {
		result = tally_cursor_find(cursor, &find, &record, &lab->error);
		if (result == 0 && record.index != receipt->index)
			lab_wrong(lab, "found another record");
		tally_cursor_close(cursor);
	}
	if (result != 0)
		lab_wrong(lab, "find %d by %d: %d, %s", number, (int)find.by,
		    result, lab->error.message);
	count(lab, NUMBER_FOUND);
}

static void *
work(void *arg)
{
	struct worker *worker = arg;
	struct lab *lab = &worker->lab;
	_Atomic int *stop = &lab->shared->flag[FLAG_STOP];

	while (atomic_load(stop) == 0 &&
	    atomic_load(&lab->shared->wrongs) == 0) {
		int what = rand_r(&worker->seed) % 10;

		if (what < 3 && worker->given < KEPT)
			put_id(worker, worker->given);
		else if (what < 6 && worker->given > 0)
			put_id(worker, rand_r(&worker->seed) % worker->given);
		else if (what == 6 && worker->given > 0)
			look_up(worker, rand_r(&worker->seed) % worker->given);
		else
			(void)lab_can_put(lab, worker->log, "plain", NULL,
			    what % 2 ? TALLY_SYNC : TALLY_BUFFERED);
	}
	return NULL;
}

static int
process_main(struct lab *lab, void *arg)
{
	struct worker *worker = calloc(THREADS, sizeof(*worker));
	struct tally_log *log = lab_open(lab);
	int number = *(int *)arg;

	if (log == NULL || worker == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	for (int i = 0; i < THREADS; i++) {
		worker[i].lab = *lab;
		worker[i].log = log;
		worker[i].slot = number * THREADS + i;
		worker[i].seed = (unsigned)worker[i].slot + 1;
		if (pthread_create(&worker[i].id, NULL, work, &worker[i]) != 0)
			return lab_wrong(lab, "no thread");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(worker[i].id, NULL);
	if (tally_log_close(log, &lab->error) != 0)
		return lab_wrong(lab, "close: %s", lab->error.message);
	free(worker);
	return 0;
}

/* what: the directories to remove. */
static void
remove_under_load(struct lab *lab, const char *what)
{
	int64_t until = lab_now_us() + (int64_t)SECONDS * 500000;
	pid_t pid[PROCESSES];
	int number[PROCESSES];

	lab_init(lab, 1 << 20);
	for (int i = 0; i < PROCESSES; i++) {
		number[i] = i;
		pid[i] = lab_spawn(lab, process_main, &number[i]);
	}
	while (lab_now_us() < until) {
		lab_shell("cd '%s' && rm -rf %s 2> /dev/null", lab->dir, what);
		count(lab, NUMBER_REMOVED);
		lab_sleep_ms(rand() % 40);
	}
	lab_raise(lab, FLAG_STOP);
	for (int i = 0; i < PROCESSES; i++) {
		if (!lab_ends(pid[i], 20000)) {
			lab_wrong(lab, "a process does not end");
			lab_kill(pid[i]);
			continue;
		}
		lab_join(lab, pid[i]);
	}
	print_message("# removed %ld times: %llu appended, %ld repeated, %ld"
		      " looked up, %ld busy\n",
	    atomic_load(&lab->shared->number[NUMBER_REMOVED]),
	    (unsigned long long)atomic_load(&lab->shared->acks_len),
	    atomic_load(&lab->shared->number[NUMBER_REPEATED]),
	    atomic_load(&lab->shared->number[NUMBER_FOUND]),
	    atomic_load(&lab->shared->number[NUMBER_BUSY]));
	lab_check(lab);
	assert_true(atomic_load(&lab->shared->number[NUMBER_REPEATED]) > 0);
	assert_true(lab_python_agrees(lab));
}

static void
test_removed__run(void **state)
{
	remove_under_load(*state, "run");
}

static void
test_removed__index(void **state)
{
	remove_under_load(*state, "index");
}

static void
test_removed__both(void **state)
{
	remove_under_load(*state, "run index");
}

/* File by file, so that half of a directory is there. */
static void
test_removed__one_file_at_a_time(void **state)
{
	remove_under_load(*state,
	    "$(ls -d run/* index/* 2> /dev/null | shuf -n 1)");
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_removed__run),
		CASE(test_removed__index),
		CASE(test_removed__both),
		CASE(test_removed__one_file_at_a_time),
	};

	srand((unsigned)lab_now_us());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
