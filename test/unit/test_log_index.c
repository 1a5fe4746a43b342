/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader may be told when the index, or what is read through it, is not
 * what it should be; and ranges of cursors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <tally/log.h>
#include <tally/proof.h>

#include "place.h"

#define RECORDS 6000
#define EVERY 100 /* of them one is of the sparse chain */

/* A record with an id and an event of one length, made from number. */
static int
put(struct place *place, struct tally_log *log, const char *chain, int number,
    struct tally_receipt *out)
{
	char id[16], event[32];
	struct tally_append request = {
		.chain = chain,
		.chain_len = strlen(chain),
		.id = id,
		.event = event,
	};
	struct tally_receipt receipt;

	request.id_len = (size_t)snprintf(id, sizeof(id), "i%06d", number);
	request.event_len = (size_t)snprintf(event, sizeof(event),
	    "{\"n\":\"%06d\"}", number);
	return tally_log_append(log, &request, 1, TALLY_BUFFERED,
	    out != NULL ? out : &receipt, &place->error);
}

/* Records [from, to): one of EVERY in chain "b", the others in "a". */
static void
fill(struct place *place, struct tally_log *log, int from, int to)
{
	for (int i = from; i < to; i++) {
		if (put(place, log, i % EVERY == 0 ? "b" : "a", i, NULL) != 0)
			fail_msg("append: %s", place->error.message);
	}
}

/* Brings the index up to date: a find does, where it lags. */
static void
cover(struct place *place, struct tally_log *log)
{
	struct tally_find find = { .by = TALLY_KEY_INDEX, .index = 1 };
	struct tally_cursor *cursor;
	struct tally_record record;

	assert_int_equal(tally_cursor_open(log, NULL, &cursor, &place->error),
	    0);
	assert_int_equal(tally_cursor_find(cursor, &find, &record,
			     &place->error),
	    0);
	tally_cursor_close(cursor);
}

/* Walks; returns what ended it, *out_seq the last seq, *out_count of them. */
static int
walk(struct place *place, struct tally_log *log,
    const struct tally_range *range, uint64_t *out_seq, uint64_t *out_count)
{
	struct tally_cursor *cursor;
	struct tally_record record;
	int result;

	*out_seq = *out_count = 0;
	assert_int_equal(tally_cursor_open(log, range, &cursor, &place->error),
	    0);
	while ((result = tally_cursor_next(cursor, &record, &place->error)) ==
	    0) {
		assert_true(record.index >= range->from_index);
		assert_true(range->to_index == 0 ||
		    record.index < range->to_index);
		if (*out_count > 0)
			assert_int_equal(record.seq, *out_seq + 1);
		*out_seq = record.seq;
		++*out_count;
	}
	tally_cursor_close(cursor);
	return result;
}

static void
test_log_index__range_of_a_chain(void **state)
{
	struct place *place = *state;
	struct tally_log *log = must_open(place);
	struct tally_range range = { .chain = "b", .chain_len = 1 };
	uint64_t seq, count;

	fill(place, log, 0, RECORDS);
	assert_int_equal(walk(place, log, &range, &seq, &count), TALLY_END);
	assert_int_equal(count, RECORDS / EVERY);
	/* Record i has index i + 1: seq 1 is 1, seq 2 is 101 ... */
	range.from_index = 102;
	assert_int_equal(walk(place, log, &range, &seq, &count), TALLY_END);
	assert_int_equal(count, RECORDS / EVERY - 2);
	range.to_index = 301;
	assert_int_equal(walk(place, log, &range, &seq, &count), TALLY_END);
	assert_int_equal(count, 1);
	assert_int_equal(seq, 3);
	range.from_index = 0;
	assert_int_equal(walk(place, log, &range, &seq, &count), TALLY_END);
	assert_int_equal(seq, 3);
	range.from_seq = 2;
	range.from_index = 150;
	range.to_index = 5000;
	assert_int_equal(walk(place, log, &range, &seq, &count), TALLY_END);
	assert_int_equal(seq, 50);
	assert_int_equal(count, 48);
	must_close(log);
}

/* The event of record number becomes another, in place. */
static void
tamper(struct place *place, int number)
{
	char path[256], text[32];
	char *bytes = malloc(1 << 24), *at;
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "%s/log/00000000000000000000.jsonl",
	    place->dir);
	snprintf(text, sizeof(text), "{\"n\":\"%06d\"}", number);
	file = fopen(path, "r+");
	assert_true(file != NULL && bytes != NULL);
	len = fread(bytes, 1, (1 << 24) - 1, file);
	bytes[len] = '\0';
	at = strstr(bytes, text);
	assert_non_null(at);
	assert_int_equal(fseek(file, at - bytes + 6, SEEK_SET), 0);
	assert_int_equal(fputc('9', file), '9');
	assert_int_equal(fclose(file), 0);
	free(bytes);
}

/* Damage in a chain that is read through the index is told, not skipped. */
static void
test_log_index__damage_is_not_skipped(void **state)
{
	struct place *place = *state;
	struct tally_log *log = must_open(place);
	struct tally_range range = { .chain = "b", .chain_len = 1 };
	struct tally_find find = {
		.by = TALLY_KEY_SEQ,
		.chain = "b",
		.chain_len = 1,
		.seq = 11,
	};
	struct tally_cursor *cursor;
	struct tally_record record;
	struct tally_receipt receipt;
	uint64_t seq, count;

	fill(place, log, 0, RECORDS);
	cover(place, log);
	must_close(log);
	tamper(place, 10 * EVERY);
	log = must_open(place);
	assert_int_equal(walk(place, log, &range, &seq, &count),
	    TALLY_E_DAMAGED);
	assert_int_equal(seq, 10);
	assert_int_equal(tally_cursor_open(log, NULL, &cursor, &place->error),
	    0);
	assert_int_equal(tally_cursor_find(cursor, &find, &record,
			     &place->error),
	    TALLY_E_DAMAGED);
	find = (struct tally_find){ .by = TALLY_KEY_ID,
		.chain = "b",
		.chain_len = 1,
		.id = "i001000",
		.id_len = 7 };
	assert_int_equal(tally_cursor_find(cursor, &find, &record,
			     &place->error),
	    TALLY_E_DAMAGED);
	tally_cursor_close(cursor);
	/* Whether the id was given cannot be known: it is not given again. */
	assert_int_equal(put(place, log, "b", 10 * EVERY, &receipt),
	    TALLY_E_DAMAGED);
	must_close(log);
}

/*
 * log/ comes back from a backup and goes another way; index/ was left behind
 * and tells of the old one.
 */
static void
test_log_index__of_another_history(void **state)
{
	struct place *place = *state;
	struct tally_log *log = must_open(place);
	struct tally_range range = { .chain = "b", .chain_len = 1 };
	struct tally_receipt receipt;
	uint64_t seq, count;

	fill(place, log, 0, 1000);
	must_close(log);
	assert_int_equal(shell("cp -a '%s' '%s/backup'", place->dir,
			     place->top),
	    0);
	log = must_open(place);
	fill(place, log, 1000, 70000);
	cover(place, log);
	must_close(log);
	assert_int_equal(
	    shell("cd '%s' && test -f audit/index/heads &&"
		  " rm -r audit/log audit/run && cp -a backup/log audit/log",
		place->top),
	    0);
	log = must_open(place);
	/* Other records at the same places, by the byte. */
	for (int i = 1000; i < 71000; i++) {
		if (put(place, log, i % EVERY == 1 ? "b" : "a", 500000 + i,
			NULL) != 0)
			fail_msg("append: %s", place->error.message);
	}
	assert_int_equal(walk(place, log, &range, &seq, &count), TALLY_END);
	assert_int_equal(count, 710);
	for (int i = 1000; i < 71000; i += 500) {
		assert_int_equal(put(place, log, i % EVERY == 1 ? "b" : "a",
				     500000 + i, &receipt),
		    0);
		assert_true(receipt.repeated);
	}
	must_close(log);
	assert_int_equal(shell("rm -r '%s/run'", place->dir), 0);
	log = must_open(place);
	assert_int_equal(put(place, log, "b", 800000, &receipt), 0);
	assert_int_equal(receipt.seq, 711);
	must_close(log);
}

/* index/ lies on another disk. */
static void
test_log_index__behind_a_symbolic_link(void **state)
{
	struct place *place = *state;
	struct tally_log *log;

	assert_int_equal(shell("mkdir '%s/other' && ln -s ../other"
			       " '%s/index'",
			     place->top, place->dir),
	    0);
	log = must_open(place);
	alarm(20);
	fill(place, log, 0, RECORDS);
	cover(place, log);
	alarm(0);
	must_close(log);
	assert_int_equal(shell("test -f '%s/other/covered'", place->top), 0);
}

/* One file of the index goes: what is made anew has no holes. */
static void
test_log_index__one_file_removed(void **state)
{
	static const char *const names[] = {
		"records",
		"tree-08",
		"covered",
		"keys-*",
		"heads",
	};
	struct place *place = *state;
	struct tally_log *log = must_open(place);
	struct tally_hash root[2];
	uint64_t size = 1 + RECORDS;

	fill(place, log, 0, RECORDS);
	assert_int_equal(tally_log_root(log, 0, &size, &root[0], &place->error),
	    0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		shell("cd '%s/index' && rm -f %s", place->dir, names[i]);
		fill(place, log, RECORDS + (int)i * 3000,
		    RECORDS + ((int)i + 1) * 3000);
		cover(place, log);
		must_close(log);
		log = must_open(place);
		assert_int_equal(tally_log_root(log, 1 + RECORDS, &size,
				     &root[1], &place->error),
		    0);
		assert_memory_equal(&root[0], &root[1], sizeof(root[0]));
	}
	must_close(log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_log_index__range_of_a_chain),
		TEST(test_log_index__damage_is_not_skipped),
		TEST(test_log_index__of_another_history),
		TEST(test_log_index__behind_a_symbolic_link),
		TEST(test_log_index__one_file_removed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("log index", tests, NULL, NULL);
}
