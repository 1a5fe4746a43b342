/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same ids from many processes at once: every event is there once, and
 * everybody has the same receipt for it; another event is a conflict.
 */
#include <stdlib.h>
#include <unistd.h>

#include "lab.h"

#define PROCESSES 8
#define IDS (LAB_SLOW ? 500 : 5000)
#define IDS_MAX 5000
#define BATCH 10

enum {
	FLAG_GO = 0,
	FLAG_KILLED
};
enum {
	NUMBER_NEW = 0,
	NUMBER_CONFLICTS
};

struct all_receipts {
	struct tally_receipt of[PROCESSES][IDS_MAX];
};

struct worker {
	int number;
	struct tally_receipt *receipt;
};

static void
make(struct tally_append request[BATCH], char id[BATCH][16],
    char event[BATCH][32], const int number[BATCH])
{
	memset(request, 0, BATCH * sizeof(*request));
	for (int i = 0; i < BATCH; i++) {
		snprintf(id[i], 16, "id %d", number[i]);
		snprintf(event[i], 32, "{\"number\":%d}", number[i]);
		request[i].chain = number[i] % 2 ? "odd" : "even";
		request[i].chain_len = strlen(request[i].chain);
		request[i].id = id[i];
		request[i].id_len = strlen(id[i]);
		request[i].event = event[i];
		request[i].event_len = strlen(event[i]);
	}
}

/* All ids, in batches of neighbours, in an order of its own. */
static int
append_all(struct lab *lab, void *arg)
{
	struct worker *worker = arg;
	struct tally_append request[BATCH];
	struct tally_receipt receipt[BATCH];
	struct tally_log *log = lab_open(lab);
	char id[BATCH][16], event[BATCH][32];
	int batches = IDS / BATCH, first = worker->number * batches / 11;

	if (log == NULL || !lab_await(lab, FLAG_GO))
		return lab_wrong(lab, "open: %s", lab->error.message);
	for (int i = 0; i < batches; i++) {
		int number[BATCH], batch = (first + i * 7) % batches;

		for (int n = 0; n < BATCH; n++)
			number[n] = batch * BATCH + n;
		make(request, id, event, number);
		if (tally_log_append(log, request, BATCH,
			i % 4 ? TALLY_SYNC : TALLY_BUFFERED, receipt,
			&lab->error) != 0)
			return lab_wrong(lab, "append: %s", lab->error.message);
		for (int n = 0; n < BATCH; n++) {
			worker->receipt[number[n]] = receipt[n];
			lab_ack(lab, number[n] % 2 ? "odd" : "even",
			    &receipt[n]);
			if (!receipt[n].repeated)
				atomic_fetch_add(
				    &lab->shared->number[NUMBER_NEW], 1);
		}
	}
	return tally_log_close(log, NULL);
}

static void
test_ids__the_same_from_many_processes(void **state)
{
	struct worker worker[PROCESSES];
	struct lab *lab = *state;
	struct all_receipts *all = (void *)lab->shared->spare;
	pid_t pid[PROCESSES];

	assert_true(sizeof(*all) <= LAB_SPARE);
	lab_init(lab, LAB_SEGMENT);
	for (int i = 0; i < PROCESSES; i++) {
		worker[i].number = i;
		worker[i].receipt = all->of[i];
		pid[i] = lab_spawn(lab, append_all, &worker[i]);
	}
	lab_raise(lab, FLAG_GO);
	for (int i = 0; i < PROCESSES; i++)
		lab_join(lab, pid[i]);
	assert_int_equal(atomic_load(&lab->shared->number[NUMBER_NEW]), IDS);
	assert_int_equal(lab_size(lab), 1 + IDS);
	for (int n = 0; n < IDS; n++) {
		for (int i = 1; i < PROCESSES; i++) {
			const struct tally_receipt *a = &all->of[0][n];
			const struct tally_receipt *b = &all->of[i][n];

			assert_int_equal(a->index, b->index);
			assert_int_equal(a->seq, b->seq);
			assert_int_equal(a->time_us, b->time_us);
			assert_memory_equal(&a->hash, &b->hash,
			    sizeof(a->hash));
		}
	}
	lab_check(lab);
	assert_true(lab_python_agrees(lab));
}

/* Everybody has another event for the same id: one of them wins. */
static int
append_own(struct lab *lab, void *arg)
{
	int number = ((struct worker *)arg)->number;
	struct tally_log *log = lab_open(lab);
	char id[24], event[32], text[100];

	if (log == NULL || !lab_await(lab, FLAG_GO))
		return lab_wrong(lab, "open: %s", lab->error.message);
	snprintf(event, sizeof(event), "{\"by\":%d}", number);
	for (int i = 0; i < IDS / 20; i++) {
		int result;

		snprintf(id, sizeof(id), "id %d", i);
		result = lab_put(lab, log, "a", id, event, TALLY_SYNC, NULL);
		if (result == 0) {
			atomic_fetch_add(&lab->shared->number[NUMBER_NEW], 1);
			continue;
		}
		snprintf(text, sizeof(text),
		    "the id \"%s\" is taken by"
		    " another event in chain \"a\"",
		    id);
		if (result != TALLY_E_CONFLICT ||
		    strcmp(lab->error.message, text) != 0)
			return lab_wrong(lab, "append: %d, %s", result,
			    lab->error.message);
		atomic_fetch_add(&lab->shared->number[NUMBER_CONFLICTS], 1);
	}
	return tally_log_close(log, NULL);
}

static void
test_ids__one_of_the_conflicting_wins(void **state)
{
	struct worker worker[PROCESSES];
	struct lab *lab = *state;
	pid_t pid[PROCESSES];

	lab_init(lab, 0);
	for (int i = 0; i < PROCESSES; i++) {
		worker[i].number = i;
		pid[i] = lab_spawn(lab, append_own, &worker[i]);
	}
	lab_raise(lab, FLAG_GO);
	for (int i = 0; i < PROCESSES; i++)
		lab_join(lab, pid[i]);
	assert_int_equal(atomic_load(&lab->shared->number[NUMBER_NEW]),
	    IDS / 20);
	assert_int_equal(atomic_load(&lab->shared->number[NUMBER_CONFLICTS]),
	    IDS / 20 * (PROCESSES - 1));
	assert_int_equal(lab_size(lab), 1 + IDS / 20);
	lab_check(lab);
}

/* A batch with a conflict in it leaves nothing of itself. */
static void
test_ids__a_batch_with_a_conflict_is_refused_whole(void **state)
{
	struct tally_append request[BATCH];
	char id[BATCH][16], event[BATCH][32];
	struct lab *lab = *state;
	struct tally_log *log;
	int number[BATCH];

	lab_init(lab, 0);
	log = lab_must_open(lab);
	assert_int_equal(lab_put(lab, log, "odd", "id 7", "{\"other\":1}",
			     TALLY_SYNC, NULL),
	    0);
	for (int i = 0; i < BATCH; i++)
		number[i] = i;
	make(request, id, event, number);
	lab_expect_error(lab,
	    tally_log_append(log, request, BATCH, TALLY_SYNC, NULL,
		&lab->error),
	    TALLY_E_CONFLICT,
	    "the id \"id 7\" is taken by another event in chain \"odd\"");
	assert_int_equal(lab->error.item, 7);
	assert_int_equal(lab_size(lab), 2);
	number[7] = 3; /* twice in one batch */
	make(request, id, event, number);
	assert_int_equal(tally_log_append(log, request, BATCH, TALLY_SYNC, NULL,
			     NULL),
	    0);
	assert_int_equal(lab_size(lab), 2 + BATCH - 1);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_ids__the_same_from_many_processes),
		CASE(test_ids__one_of_the_conflicting_wins),
		CASE(test_ids__a_batch_with_a_conflict_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
