/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads inside one process, on two handles of one log: appending with
 * and without ids, buffered and synced, while others read heads, walk, find
 * and prove.  ThreadSanitizer watches; the records are counted afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include <tally/log.h>
#include <tally/proof.h>

#define WRITERS 8
#define READERS 3
#define EACH 600

struct work {
	struct tally_log *log[2];
	_Atomic unsigned long appended;
	_Atomic unsigned long read;
	_Atomic unsigned failures;
	_Atomic bool done;
	_Atomic unsigned next;
};

static void
fails(struct work *work, const char *what, int result,
    const struct tally_error *error)
{
	if (atomic_fetch_add(&work->failures, 1) == 0)
		print_message("# %s: %d, %s\n", what, result, error->message);
}

static void *
writer(void *arg)
{
	struct work *work = arg;
	unsigned me = atomic_fetch_add(&work->next, 1);
	struct tally_error error = { 0 };

	for (unsigned i = 0; i < EACH; i++) {
		char chain[32], id[32], event[64];
		struct tally_append append = { .chain = chain, .event = event };
		struct tally_receipt receipt;
		int result;

		append.chain_len = (size_t)snprintf(chain, sizeof(chain),
		    "org/%u", (me + i) % 5);
		append.event_len = (size_t)snprintf(event, sizeof(event),
		    "{\"writer\":%u,\"n\":%u}", me, i);
		if (i % 3 == 0) {
			append.id = id;
			append.id_len = (size_t)snprintf(id, sizeof(id),
			    "%u-%u", me, i);
		}
		append.salted = i % 7 == 0;
		result = tally_log_append(work->log[me % 2], &append, 1,
		    i % 4 == 0 ? TALLY_BUFFERED : TALLY_SYNC, &receipt, &error);
		if (result != 0 || receipt.repeated)
			fails(work, "append", result, &error);
		else
			atomic_fetch_add(&work->appended, 1);
	}
	return NULL;
}

/* A record through the cursor, by its seq, and a proof of it. */
static void
look(struct work *work, struct tally_log *log, const struct tally_head *head)
{
	struct tally_find find = {
		.chain = head->chain,
		.chain_len = head->chain_len,
		.seq = head->seq,
	};
	struct tally_error error = { 0 };
	struct tally_record record;
	struct tally_cursor *cursor;
	char *text;
	size_t len;
	int result;

	result = tally_cursor_open(log, NULL, &cursor, &error);
	if (result == 0)
		result = tally_cursor_find(cursor, &find, &record, &error);
	if (result == 0 &&
	    memcmp(record.hash.b, head->hash.b, TALLY_HASH_SIZE) != 0)
		result = 1;
	if (result == 0)
		tally_cursor_close(cursor);
	if (result == 0)
		result = tally_log_prove(log, head->chain, head->chain_len,
		    head->seq, &text, &len, &error);
	if (result == 0)
		free(text);
	else
		fails(work, "look", result, &error);
	atomic_fetch_add(&work->read, 1);
}

static void *
reader(void *arg)
{
	struct work *work = arg;
	struct tally_error error = { 0 };
	struct tally_head head;

	while (!atomic_load(&work->done)) {
		struct tally_log *log = work->log[atomic_load(&work->read) % 2];
		int result = tally_log_head(log, "org/3", 5, &head, &error);

		if (result == 0)
			look(work, log, &head);
		else if (result != TALLY_END)
			fails(work, "head", result, &error);
	}
	return NULL;
}

static unsigned long
count_records(struct tally_log *log)
{
	struct tally_error error = { 0 };
	struct tally_record record;
	struct tally_cursor *cursor;
	unsigned long count = 0;

	assert_int_equal(tally_cursor_open(log, NULL, &cursor, &error), 0);
	while (tally_cursor_next(cursor, &record, &error) == 0)
		count++;
	tally_cursor_close(cursor);
	return count;
}

static void
test_log_threads__two_handles(void **state)
{
	char dir[64] = "/tmp/tally-threads-XXXXXX", command[96];
	static struct work work;
	pthread_t threads[WRITERS + READERS];
	struct tally_error error = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(tally_log_init(dir, NULL, &error), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(tally_log_open(dir, NULL, &work.log[i],
				     &error),
		    0);
	for (int i = 0; i < WRITERS + READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
				     i < WRITERS ? writer : reader, &work),
		    0);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&work.done, true);
	for (int i = WRITERS; i < WRITERS + READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&work.failures), 0);
	assert_int_equal(atomic_load(&work.appended), WRITERS * EACH);
	assert_int_equal(count_records(work.log[0]), WRITERS * EACH + 1);
	for (int i = 0; i < 2; i++)
		assert_int_equal(tally_log_close(work.log[i], &error), 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_threads__two_handles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
