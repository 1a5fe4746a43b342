/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A million records are opened, and their heads and records found, with no
 * more reads than a thousand.  Reads are counted, not time.
 */
#include <stdlib.h>
#include <unistd.h>

#include "lab.h"

#define LARGE (LAB_SLOW ? 100000 : 1000000)
#define BATCH 1000
#define CHAINS 100

static void
fill(struct lab *lab, int records)
{
	static struct tally_append request[BATCH];
	static char chain[BATCH][12];
	struct tally_log *log;

	lab_init(lab, 0);
	log = lab_must_open(lab);
	for (int i = 0; i < BATCH; i++) {
		snprintf(chain[i], sizeof(chain[i]), "org/%d", i % CHAINS);
		request[i].chain = chain[i];
		request[i].chain_len = strlen(chain[i]);
		request[i].event = "{\"action\":\"login\",\"by\":\"somebody\"}";
		request[i].event_len = strlen(request[i].event);
	}
	for (int i = 0; i < records; i += BATCH)
		assert_int_equal(tally_log_append(log, request, BATCH,
				     TALLY_BUFFERED, NULL, &lab->error),
		    0);
	assert_int_equal(tally_log_close(log, NULL), 0);
}

struct cost {
	unsigned long open, head, find, append, reopen;
	unsigned long long reopen_bytes;
};

static unsigned long
reads_since(unsigned long *before)
{
	unsigned long now = atomic_load(&hooks.reads), since = now - *before;

	*before = now;
	return since;
}

static void
find_some(struct lab *lab, struct tally_log *log, int records)
{
	struct tally_cursor *cursor;
	struct tally_record record;

	assert_int_equal(tally_cursor_open(log, NULL, &cursor, NULL), 0);
	for (int i = 0; i < 10; i++) {
		struct tally_find find = {
			.by = i % 2 ? TALLY_KEY_SEQ : TALLY_KEY_INDEX,
			.chain = "org/7",
			.chain_len = 5,
			.seq = (uint64_t)(1 + i * (records / CHAINS / 10)),
			.index = (uint64_t)(1 + i * (records / 10)),
		};

		if (tally_cursor_find(cursor, &find, &record, &lab->error) != 0)
			fail_msg("find: %s", lab->error.message);
	}
	tally_cursor_close(cursor);
}

static struct cost
measure(struct lab *lab, int records)
{
	unsigned long reads = atomic_load(&hooks.reads);
	unsigned long long bytes;
	struct tally_head head;
	struct tally_log *log;
	struct cost cost;

	log = lab_must_open(lab);
	cost.open = reads_since(&reads);
	for (int i = 0; i < 10; i++)
		assert_int_equal(tally_log_head(log, "org/42", 6, &head, NULL),
		    0);
	assert_int_equal(head.seq, records / CHAINS);
	cost.head = reads_since(&reads);
	/* What is not in the index yet is put there first. */
	find_some(lab, log, records);
	(void)reads_since(&reads);
	find_some(lab, log, records);
	cost.find = reads_since(&reads);
	lab_must_put(lab, log, "org/1", NULL, TALLY_SYNC);
	cost.append = reads_since(&reads);
	assert_int_equal(tally_log_close(log, NULL), 0);
	/* Also without the shared state, as after a reboot. */
	assert_int_equal(lab_shell("rm -r '%s/run'", lab->dir), 0);
	(void)reads_since(&reads);
	bytes = atomic_load(&hooks.read_bytes);
	log = lab_must_open(lab);
	cost.reopen = reads_since(&reads);
	cost.reopen_bytes = atomic_load(&hooks.read_bytes) - bytes;
	assert_int_equal(tally_log_close(log, NULL), 0);
	print_message("# %d records: open %lu, ten heads %lu, ten finds %lu,"
		      " append %lu, recovery %lu reads of %llu KiB\n",
	    records, cost.open, cost.head, cost.find, cost.append, cost.reopen,
	    cost.reopen_bytes / 1024);
	return cost;
}

static void
test_scale__reads_do_not_grow_with_the_log(void **state)
{
	struct lab *lab = *state;
	struct cost small, large;

	fill(lab, 1000);
	small = measure(lab, 1000);
	assert_int_equal(lab_shell("rm -r '%s'", lab->dir), 0);
	atomic_store(&lab->shared->acks_len, 0);
	fill(lab, LARGE);
	large = measure(lab, LARGE);
	assert_true(large.open <= small.open + 2);
	assert_int_equal(large.head, 0);
	/* Two reads more for each of some runs of the index. */
	assert_true(large.find <= small.find + 10 * 2 * 40);
	assert_true(large.append <= small.append + 2);
	/* At most what was appended since the heads were saved last. */
	assert_true(large.reopen_bytes < (unsigned long long)40 << 20);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_scale__reads_do_not_grow_with_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
