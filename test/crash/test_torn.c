/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R3: a writer is killed between its write and its publication, with nothing,
 * a part of a line, whole lines or all of a batch in the file.  Whoever comes
 * next, a process that was there or a new one, with the shared state or
 * without, adopts the whole lines and sets the rest aside; the ids of the
 * batch, sent again, meet what was adopted.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab.h"

#define BATCH 5

/* A batch over three chains, all with ids. */
static int
batch_put(struct lab *lab, struct tally_log *log, int number,
    struct tally_receipt receipt[BATCH])
{
	static const char *const chain[BATCH] = { "a", "b", "a", "c", "b" };
	struct tally_append request[BATCH];
	char id[BATCH][24];

	memset(request, 0, sizeof(request));
	for (int i = 0; i < BATCH; i++) {
		snprintf(id[i], sizeof(id[i]), "batch %d.%d", number, i);
		request[i].chain = chain[i];
		request[i].chain_len = 1;
		request[i].id = id[i];
		request[i].id_len = strlen(id[i]);
		request[i].event = "{\"some\":\"event\"}";
		request[i].event_len = strlen(request[i].event);
	}
	return tally_log_append(log, request, BATCH, TALLY_SYNC, receipt,
	    &lab->error);
}

struct killed {
	int number;
	size_t bytes;
};

static int
killed_in_write(struct lab *lab, void *arg)
{
	struct killed *killed = arg;
	struct tally_receipt receipt[BATCH];
	struct tally_log *log = lab_open(lab);

	if (log == NULL || !lab_can_put(lab, log, "a", NULL, TALLY_SYNC))
		return lab_wrong(lab, "open: %s", lab->error.message);
	hooks.die_in_write = true;
	hooks.die_bytes = killed->bytes;
	(void)batch_put(lab, log, killed->number, receipt);
	return lab_wrong(lab, "it was not killed");
}

/* Lines of the batch, each with its length; five of them. */
static size_t
batch_bytes(struct lab *lab, size_t line[BATCH])
{
	struct tally_receipt receipt[BATCH];
	struct tally_log *log = lab_must_open(lab);
	struct tally_range range = { 0 };
	struct tally_cursor *cursor;
	struct tally_record record;
	size_t bytes = 0;

	/* Where seqs have as many digits as later. */
	for (int i = 0; i < 100; i++) {
		lab_must_put(lab, log, "a", NULL, TALLY_BUFFERED);
		lab_must_put(lab, log, "b", NULL, TALLY_BUFFERED);
		lab_must_put(lab, log, "c", NULL, TALLY_BUFFERED);
	}
	assert_int_equal(batch_put(lab, log, 1000, receipt), 0);
	range.from_index = receipt[0].index;
	assert_int_equal(tally_cursor_open(log, &range, &cursor, NULL), 0);
	for (int i = 0; i < BATCH; i++) {
		assert_int_equal(tally_cursor_next(cursor, &record, NULL), 0);
		line[i] = record.line_len;
		bytes += record.line_len;
	}
	tally_cursor_close(cursor);
	assert_int_equal(tally_log_close(log, NULL), 0);
	return bytes;
}

enum next {
	NEXT_LIVE,
	NEXT_NEW,
	NEXT_RECOVERY,
	NEXT_COUNT
};

/*
 * The batch again: as many of it are repeated as there are whole lines in
 * the bytes that were written.
 */
static void
expect_whole_lines(struct lab *lab, struct tally_log *log,
    const struct killed *killed, const size_t line[BATCH])
{
	struct tally_receipt receipt[BATCH];
	size_t left = killed->bytes;
	int whole = 0;

	while (whole < BATCH && left >= line[whole])
		left -= line[whole++];
	assert_int_equal(batch_put(lab, log, killed->number, receipt), 0);
	for (int i = 0; i < BATCH; i++) {
		if (receipt[i].repeated != (i < whole))
			fail_msg("after %zu bytes, record %d of the batch is"
				 " %s",
			    killed->bytes, i,
			    receipt[i].repeated ? "repeated" : "new");
		lab_ack(lab,
		    i == 0 || i == 2 ? "a"
			: i == 3     ? "c"
				     : "b",
		    &receipt[i]);
	}
}

static void
one_kill(struct lab *lab, size_t bytes, const size_t line[BATCH],
    enum next next, int number)
{
	struct killed killed = { number, bytes };
	struct tally_log *log = NULL;
	long torn = lab_torn(lab);
	size_t left = bytes;
	pid_t pid;

	if (next == NEXT_LIVE)
		log = lab_must_open(lab);
	pid = lab_spawn(lab, killed_in_write, &killed);
	lab_expect_killed(lab, pid);
	if (next == NEXT_RECOVERY)
		assert_int_equal(lab_shell("rm -r '%s/run'", lab->dir), 0);
	if (next != NEXT_LIVE)
		log = lab_must_open(lab);
	expect_whole_lines(lab, log, &killed, line);
	assert_int_equal(tally_log_close(log, NULL), 0);
	for (int i = 0; i < BATCH && left >= line[i]; i++)
		left -= line[i];
	assert_int_equal(lab_torn(lab), torn + (left != 0));
	lab_check(lab);
}

static void
test_torn__at_several_bytes(void **state)
{
	struct lab *lab = *state;
	size_t line[BATCH], at[32], bytes, begin = 0;
	int points = 0, number = 1001;

	lab_init(lab, 0);
	bytes = batch_bytes(lab, line);
	for (int i = 0; i < BATCH; i++) {
		if (i == 0 || i == 3)
			at[points++] = begin;
		at[points++] = begin + 1;
		if (i % 2 == 0)
			at[points++] = begin + line[i] / 2;
		begin += line[i];
		at[points++] = begin - 1;
		if (i == 1)
			at[points++] = begin;
	}
	at[points++] = bytes;
	for (int i = 0; i < points; i++) {
		for (int next = 0; next < NEXT_COUNT; next++)
			one_kill(lab, at[i], line, (enum next)next, number++);
	}
	assert_true(lab_python_agrees(lab));
	print_message("# killed %d times\n", number - 1001);
}

/* What was torn is set aside as it was, and the record says where. */
static void
test_torn__is_set_aside(void **state)
{
	struct lab *lab = *state;
	struct killed killed = { 1001, 0 };
	size_t line[BATCH];
	struct tally_stat stat;
	struct tally_log *log;

	lab_init(lab, 0);
	(void)batch_bytes(lab, line);
	killed.bytes = line[0] + 100;
	lab_expect_killed(lab, lab_spawn(lab, killed_in_write, &killed));
	assert_int_equal(lab_shell("tail -c 100 '%s/log/'*.jsonl > '%s/kept'",
			     lab->dir, lab->top),
	    0);
	log = lab_must_open(lab);
	assert_int_equal(tally_log_stat(log, &stat, NULL), 0);
	assert_int_equal(stat.set_aside, 1);
	assert_int_equal(tally_log_close(log, NULL), 0);
	assert_int_equal(lab_shell("cmp '%s/kept' '%s/log/torn-'*", lab->top,
			     lab->dir),
	    0);
	assert_int_equal(lab_shell("tail -n 1 '%s/log/'*.jsonl | jq -e"
				   " '.chain == \"tally:log\" and"
				   " .event.torn.bytes == 100' > '%s/jq'",
			     lab->dir, lab->top),
	    0);
	lab_check(lab);
}

/* Killed again and again while it repairs, then while it recovers. */
static int
killed_at(struct lab *lab, void *arg)
{
	struct tally_log *log;

	hooks.changes = 0;
	hooks.die_at = *(long *)arg;
	log = lab_open(lab);
	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	hooks.die_at = 0;
	return tally_log_close(log, NULL);
}

/* Step after step, until it comes to its end before the kill. */
static void
kill_the_repairs(struct lab *lab, bool recovers)
{
	struct killed killed = { 1001, 0 };
	size_t line[BATCH];
	long step = 0;
	int status;

	lab_init(lab, 0);
	(void)batch_bytes(lab, line);
	killed.bytes = line[0] + line[1] + 17;
	do {
		struct tally_log *log;

		step++;
		killed.number++;
		lab_expect_killed(lab,
		    lab_spawn(lab, killed_in_write, &killed));
		if (recovers)
			assert_int_equal(lab_shell("rm -r '%s/run'", lab->dir),
			    0);
		waitpid(lab_spawn(lab, killed_at, &step), &status, 0);
		lab_check_wrongs(lab);
		log = lab_must_open(lab);
		expect_whole_lines(lab, log, &killed, line);
		assert_int_equal(tally_log_close(log, NULL), 0);
		lab_check(lab);
	} while (WIFSIGNALED(status) && step < 100);
	assert_true(step > 5 && step < 100);
	print_message("# killed at %ld steps\n", step - 1);
}

static void
test_torn__killed_at_each_step_of_a_repair(void **state)
{
	kill_the_repairs(*state, false);
}

static void
test_torn__killed_at_each_step_of_a_recovery(void **state)
{
	kill_the_repairs(*state, true);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_torn__at_several_bytes),
		CASE(test_torn__is_set_aside),
		CASE(test_torn__killed_at_each_step_of_a_repair),
		CASE(test_torn__killed_at_each_step_of_a_recovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
