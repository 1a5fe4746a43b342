/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every line dropped, repeated, swapped; every record forged: named exactly,
 * or, where only the outside can know, named with an outside root or head and
 * listed as not covered without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tamper/lab.h"

#define NONE SIZE_MAX
#define BASE \
	((unsigned)(TALLY_UNCOVERED_ORDER | TALLY_UNCOVERED_LAST | \
	    TALLY_UNCOVERED_CHAINS | TALLY_UNCOVERED_IDS))

/* A log with a chain that is long enough for every distance. */
static struct lab *
lab_long(void)
{
	struct lab *lab = lab_small();
	char event[32];
	int i;

	for (i = 0; i < 8; i++) {
		snprintf(event, sizeof(event), "{\"i\":%d}", i);
		lab_append(lab, "long", NULL, false, event);
		if (i % 2 == 0)
			lab_append(lab, "a", NULL, false, event);
	}
	return lab;
}

static bool
is_last(const struct lab *lab, size_t number)
{
	size_t i;

	for (i = number + 1; i < lab->len; i++) {
		if (strcmp(lab->records[i].chain, lab->records[number].chain) ==
		    0)
			return false;
	}
	return true;
}

static size_t
all_but(const struct lab *lab, size_t without, size_t *order)
{
	size_t i, len = 0;

	for (i = 0; i < lab->len; i++) {
		if (i != without)
			order[len++] = i;
	}
	return len;
}

static void
insert(size_t *order, size_t *len, size_t at, size_t number)
{
	memmove(order + at + 1, order + at, (*len - at) * sizeof(*order));
	order[at] = number;
	(*len)++;
}

static struct tally_verify_options
with_root(const struct lab *lab, size_t size)
{
	struct tally_verify_options options = {
		.jobs = 1,
		.has_root = true,
		.root_size = size,
		.root = lab_root(lab, size),
	};

	return options;
}

static void
test_order__dropped(void **state)
{
	struct lab *lab = lab_long();
	size_t order[LAB_RECORDS_MAX], number, len, per;
	struct tally_verify_options options = with_root(lab, lab->len);

	(void)state;
	for (number = 0; number < lab->len; number++) {
		len = all_but(lab, number, order);
		lab_lay(lab, order, len, 0);
		assert_int_equal(lab_verify(lab, NULL), 0);
		assert_int_equal(lab->verdict.not_covered, BASE);
		if (!is_last(lab, number) || number == 0)
			lab_assert_one(lab, TALLY_MISSING,
			    lab->records[number].chain,
			    lab->records[number].seq);
		else
			lab_assert_intact(lab);
		assert_int_equal(lab_verify(lab, &options), 0);
		assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
		assert_int_equal(lab_count(lab, TALLY_TRUNCATED, NULL, 0), 1);
		/* It has grown since: other history at that size. */
		options = with_root(lab, lab->len - 1);
		assert_int_equal(lab_verify(lab, &options), 0);
		assert_int_equal(lab_count(lab, TALLY_ROLLED_BACK, NULL, 0),
		    number + 1 < lab->len);
		options = with_root(lab, lab->len);
	}
	/* The segments' names know of more. */
	for (per = 8; per < 16; per++) {
		for (number = 0; number < lab->len; number++) {
			len = 0;
			lab_lay_all(lab, per);
			if (lab->segments_len < 2 ||
			    number / per + 1 == lab->segments_len)
				continue;
			/* Cut it out of the middle of its segment's text. */
			struct lab_segment *s = &lab->segments[number / per];
			size_t i, at = 0;

			for (i = number / per * per; i < number; i++)
				at += lab->records[i].len;
			memmove(s->text + at,
			    s->text + at + lab->records[number].len,
			    s->len - at - lab->records[number].len);
			s->len -= lab->records[number].len;
			assert_int_equal(lab_verify(lab, NULL), 0);
			assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
			if (lab->findings_len != 1)
				lab_show(lab);
			assert_int_equal(lab->findings_len, 1);
			assert_int_equal(lab->findings[0].kind, TALLY_MISSING);
			assert_true(number == 0 ||
			    lab->findings[0].file[0] != 0);
		}
	}
	lab_free(lab);
}

static void
test_order__repeated(void **state)
{
	struct lab *lab = lab_long();
	size_t order[LAB_RECORDS_MAX], number, at, len;

	(void)state;
	for (number = 0; number < lab->len; number++) {
		for (at = 0; at <= lab->len; at++) {
			len = all_but(lab, NONE, order);
			insert(order, &len, at, number);
			lab_lay(lab, order, len, 0);
			assert_int_equal(lab_verify(lab, NULL), 0);
			lab_assert_one(lab, TALLY_DUPLICATE,
			    lab->records[number].chain,
			    lab->records[number].seq);
			assert_int_equal(lab->verdict.size, lab->len + 1);
		}
	}
	lab_free(lab);
}

static void
test_order__repeated_many_times(void **state)
{
	struct lab *lab = lab_long();
	size_t order[LAB_RECORDS_MAX], i, len = 0, times;

	(void)state;
	for (i = 0; i < lab->len; i++) {
		for (times = 0; times < 5; times++)
			order[len++] = i;
	}
	lab_lay(lab, order, len, 0);
	assert_int_equal(lab_verify(lab, NULL), 0);
	assert_int_equal(lab->findings_len, 4 * lab->len);
	assert_int_equal(lab_count(lab, TALLY_DUPLICATE, NULL, 0),
	    4 * lab->len);
	/* The whole log, once more. */
	for (i = 0; i < 2 * lab->len; i++)
		order[i] = i % lab->len;
	lab_lay(lab, order, 2 * lab->len, 0);
	assert_int_equal(lab_verify(lab, NULL), 0);
	assert_int_equal(lab->findings_len, lab->len);
	assert_int_equal(lab_count(lab, TALLY_DUPLICATE, NULL, 0), lab->len);
	lab_free(lab);
}

/* Which findings two records of one chain that changed places must give. */
static void
assert_swapped(const struct lab *lab, size_t a, size_t b)
{
	const struct lab_record *x = &lab->records[a], *y = &lab->records[b];
	size_t first = lab_count(lab, TALLY_REORDERED, x->chain, x->seq);
	size_t second = lab_count(lab, TALLY_REORDERED, y->chain, y->seq);
	bool adjacent = y->seq == x->seq + 1;

	if (lab->findings_len != (adjacent ? 1 : 2) || second != 1 ||
	    first != (adjacent ? 0 : 1)) {
		lab_show(lab);
		fail_msg("%s/%llu and /%llu were swapped", x->chain,
		    (unsigned long long)x->seq, (unsigned long long)y->seq);
	}
}

static void
test_order__swapped(void **state)
{
	struct lab *lab = lab_long();
	struct tally_verify_options options = with_root(lab, lab->len);
	size_t order[LAB_RECORDS_MAX], a, b, len, i;
	bool disturbs;

	(void)state;
	for (a = 0; a < lab->len; a++) {
		for (b = a + 1; b < lab->len; b++) {
			len = all_but(lab, NONE, order);
			order[a] = b;
			order[b] = a;
			lab_lay(lab, order, len, 0);
			assert_int_equal(lab_verify(lab, NULL), 0);
			if (strcmp(lab->records[a].chain,
				lab->records[b].chain) == 0) {
				assert_swapped(lab, a, b);
				continue;
			}
			disturbs = a == 0;
			for (i = a + 1; i < b; i++)
				disturbs |= strcmp(lab->records[i].chain,
						lab->records[a].chain) == 0 ||
				    strcmp(lab->records[i].chain,
					lab->records[b].chain) == 0;
			if (!disturbs) {
				lab_assert_intact(lab);
				assert_true(lab->verdict.not_covered &
				    TALLY_UNCOVERED_ORDER);
			} else {
				assert_int_equal(lab->findings_len,
				    lab_count(lab, TALLY_REORDERED, NULL, 0));
				assert_true(lab->findings_len > 0);
			}
			assert_int_equal(lab_verify(lab, &options), 0);
			assert_int_equal(lab_count(lab, TALLY_ROLLED_BACK, NULL,
					     0),
			    1);
		}
	}
	lab_free(lab);
}

/* A record rewritten by somebody who makes all its hashes fit. */
static void
test_order__forged(void **state)
{
	struct lab *lab = lab_long();
	struct lab_record *record, old;
	struct tally_verify_options options = with_root(lab, lab->len);
	struct tally_outside_head head;
	size_t number;

	(void)state;
	for (number = 1; number < lab->len; number++) {
		record = &lab->records[number];
		old = *record;
		record->line = NULL;
		lab_forge(record, record->chain, record->seq, &old.prev,
		    "{\"forged\":true}");
		lab_lay_all(lab, 0);
		assert_int_equal(lab_verify(lab, NULL), 0);
		if (is_last(lab, number))
			lab_assert_intact(lab);
		else
			lab_assert_one(lab, TALLY_LINK_ALTERED, record->chain,
			    record->seq);
		assert_int_equal(lab_verify(lab, &options), 0);
		assert_int_equal(lab_count(lab, TALLY_ROLLED_BACK, NULL, 0), 1);
		head.chain = record->chain;
		head.chain_len = strlen(record->chain);
		head.seq = record->seq;
		head.hash = old.hash;
		struct tally_verify_options heads = {
			.jobs = 1, .heads = &head, .heads_len = 1
		};
		assert_int_equal(lab_verify(lab, &heads), 0);
		assert_int_equal(lab_count(lab, TALLY_ROLLED_BACK,
				     record->chain, record->seq),
		    1);
		free(record->line);
		*record = old;
	}
	lab_free(lab);
}

/* A forged prev: the record itself is named, not the one before it. */
static void
test_order__forged_prev(void **state)
{
	static const struct tally_hash other = { { 1, 2, 3 } };
	struct lab *lab = lab_long();
	struct lab_record *record, old;
	size_t number;

	(void)state;
	for (number = 1; number < lab->len; number++) {
		record = &lab->records[number];
		if (is_last(lab, number))
			continue;
		old = *record;
		record->line = NULL;
		lab_forge(record, record->chain, record->seq, &other,
		    "{\"forged\":true}");
		lab_lay_all(lab, 0);
		assert_int_equal(lab_verify(lab, NULL), 0);
		lab_assert_one(lab, TALLY_LINK_ALTERED, record->chain,
		    record->seq);
		free(record->line);
		*record = old;
	}
	lab_free(lab);
}

/* A foreign record put in beside each true one. */
static void
test_order__inserted(void **state)
{
	static const struct tally_hash other = { { 9 } };
	struct lab *lab = lab_long();
	size_t order[LAB_RECORDS_MAX], number, len, count = lab->len;
	struct lab_record *record, *foreign = &lab->records[lab->len++];
	bool linked, before;
	int way;

	(void)state;
	for (number = 1; number < count; number++) {
		for (way = 0; way < 4; way++) {
			linked = way & 1;
			before = way & 2;
			record = &lab->records[number];
			lab_forge(foreign, record->chain, record->seq,
			    linked ? &record->prev : &other,
			    "{\"foreign\":true}");
			lab->len--;
			len = all_but(lab, NONE, order);
			lab->len++;
			insert(order, &len, number + !before, count);
			lab_lay(lab, order, len, 0);
			assert_int_equal(lab_verify(lab, NULL), 0);
			lab->len--;
			if (!linked && before && record->seq == 1 &&
			    is_last(lab, number)) {
				/* Nothing tells which of the two it is. */
				lab->len++;
				continue;
			}
			lab_assert_one(lab,
			    linked ? TALLY_FORKED : TALLY_INSERTED,
			    record->chain, record->seq);
			/* The true one is not the one that is named. */
			if (!is_last(lab, number) || !linked || !before)
				assert_int_equal(lab->findings[0].index,
				    number + !before);
			lab->len++;
		}
	}
	lab_free(lab);
}

static void
test_order__chain_gone(void **state)
{
	struct lab *lab = lab_long();
	struct tally_verify_options options = with_root(lab, lab->len);
	struct tally_outside_head head = {
		.chain = "org/7", .chain_len = 5, .seq = 2
	};
	size_t order[LAB_RECORDS_MAX], i, len = 0;

	(void)state;
	for (i = 0; i < lab->len; i++) {
		if (strcmp(lab->records[i].chain, "org/7") != 0)
			order[len++] = i;
	}
	lab_lay(lab, order, len, 0);
	assert_int_equal(lab_verify(lab, NULL), 0);
	lab_assert_intact(lab);
	assert_true(lab->verdict.not_covered & TALLY_UNCOVERED_CHAINS);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_one(lab, TALLY_TRUNCATED, NULL, 0);
	struct tally_verify_options heads = {
		.jobs = 1, .heads = &head, .heads_len = 1
	};
	assert_int_equal(lab_verify(lab, &heads), 0);
	lab_assert_one(lab, TALLY_TRUNCATED, "org/7", 1);
	assert_int_equal(lab->findings[0].seq_end, 3);
	lab_free(lab);
}

static void
test_order__garbage_lines(void **state)
{
	static const char *const garbage[] = { "\n", "x\n", "{}\n",
		"{\"chain\":\"a\"}\n", "\0\0\0\n" };
	struct lab *lab = lab_small();
	struct lab_record *line = &lab->records[lab->len];
	size_t order[LAB_RECORDS_MAX], count = lab->len, at, len, kind;

	(void)state;
	for (kind = 0; kind < sizeof(garbage) / sizeof(*garbage); kind++) {
		line->len = kind == 4 ? 4 : strlen(garbage[kind]);
		line->line = malloc(line->len);
		assert_non_null(line->line);
		memcpy(line->line, garbage[kind], line->len);
		for (at = 0; at <= count; at++) {
			len = all_but(lab, NONE, order);
			insert(order, &len, at, count);
			lab_lay(lab, order, len, 0);
			assert_int_equal(lab_verify(lab, NULL), 0);
			assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
			if (lab->findings_len != 1)
				lab_show(lab);
			assert_int_equal(lab->findings_len, 1);
			assert_int_equal(lab->findings[0].kind, TALLY_DAMAGED);
		}
		free(line->line);
		line->line = NULL;
	}
	lab_free(lab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order__dropped),
		cmocka_unit_test(test_order__repeated),
		cmocka_unit_test(test_order__repeated_many_times),
		cmocka_unit_test(test_order__swapped),
		cmocka_unit_test(test_order__forged),
		cmocka_unit_test(test_order__forged_prev),
		cmocka_unit_test(test_order__inserted),
		cmocka_unit_test(test_order__chain_gone),
		cmocka_unit_test(test_order__garbage_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
