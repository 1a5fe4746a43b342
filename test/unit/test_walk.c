/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two chains of records, gone over as they are and after each deed at each
 * place: what is told is one finding, with its kind and place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/walk.h"

#define LENGTH 5
#define ROOM (2 * LENGTH + 1)
#define TOLD_MAX 32

/* A record in the table, before it is a step. */
struct row {
	struct tally_seen *chain;
	struct tally_step step;
};

struct told {
	enum tally_finding_kind kind;
	const char *chain;
	int64_t seq;
	int64_t end;
};

static struct fixture {
	struct tally_hasher hasher;
	struct tally_judge judge;
	struct tally_seen chains[2];
	struct row rows[ROOM];
	int nrows;
	struct told told[TOLD_MAX];
	int ntold;
	int accused;
} f;

static void
on_tell(void *arg, enum tally_finding_kind kind, const struct tally_seen *chain,
    int64_t seq, int64_t end, const char *format, va_list args)
    TALLY_PRINTF(6, 0);

static void
on_tell(void *arg, enum tally_finding_kind kind, const struct tally_seen *chain,
    int64_t seq, int64_t end, const char *format, va_list args)
{
	char detail[512];

	(void)arg;
	assert_true(vsnprintf(detail, sizeof(detail), format, args) > 0);
	assert_true(f.ntold < TOLD_MAX);
	f.told[f.ntold++] = (struct told){ kind,
		chain == NULL ? NULL : chain->name, seq, end };
}

static void
on_accuse(void *arg, uint64_t at, struct tally_seen *chain, int64_t seq)
{
	(void)arg;
	(void)at;
	(void)chain;
	(void)seq;
	f.accused++;
}

static void
on_found(void *arg, struct tally_seen *chain, int64_t seq,
    const struct tally_step *step)
{
	(void)arg;
	(void)step;
	assert_non_null(chain);
	assert_true(seq > 0);
}

static struct tally_seen *
on_next(void *arg, size_t *position)
{
	(void)arg;
	return *position < 2 ? &f.chains[(*position)++] : NULL;
}

static int
open_hasher(void **state)
{
	(void)state;
	return tally_hasher_open(&f.hasher);
}

static int
close_hasher(void **state)
{
	(void)state;
	tally_hasher_close(&f.hasher);
	return 0;
}

/* Two chains, "a" and "b", as they were sealed. */
static void
seal_chains(void)
{
	static const char *const names[2] = { "a", "b" };

	f.nrows = f.ntold = f.accused = 0;
	f.judge = (struct tally_judge){ .hasher = &f.hasher,
		.from = 1,
		.to = INT64_MAX,
		.tell = on_tell,
		.accuse = on_accuse,
		.found = on_found,
		.next = on_next };
	for (int c = 0; c < 2; c++) {
		struct tally_hash prev = { { 0 } };

		f.chains[c] = (struct tally_seen){ .id = c + 1,
			.name = names[c],
			.escaped = names[c],
			.escaped_len = 1 };
		for (int i = 1; i <= LENGTH; i++) {
			struct row *row = &f.rows[f.nrows++];
			struct tally_step *step = &row->step;

			memset(row, 0, sizeof(*row));
			row->chain = &f.chains[c];
			step->at = (uint64_t)f.nrows;
			step->seq = i;
			step->has_prev = step->has_hash = true;
			step->parts.has_digest = step->parts.has_time = true;
			step->parts.digest.b[0] = (uint8_t)i;
			step->parts.digest.b[1] = (uint8_t)c;
			step->parts.time_us = i;
			step->prev = prev;
			assert_true(tally_step_hash(step, &f.hasher, row->chain,
			    i, &prev, &step->hash));
			prev = step->hash;
		}
	}
}

static int
compare(const void *a, const void *b)
{
	const struct row *x = a;
	const struct row *y = b;

	int64_t of_x = x->chain == NULL ? 0 : x->chain->id;
	int64_t of_y = y->chain == NULL ? 0 : y->chain->id;

	if (of_x != of_y)
		return of_x < of_y ? -1 : 1;
	if (x->step.seq != y->step.seq)
		return x->step.seq < y->step.seq ? -1 : 1;
	return x->step.at < y->step.at ? -1 : 1;
}

static void
judge_rows(void)
{
	struct tally_places *places = malloc(sizeof(*places));
	struct tally_walk *walk = malloc(sizeof(*walk));

	assert_non_null(places);
	assert_non_null(walk);
	tally_places_init(places, &f.judge);
	tally_walk_init(walk, places, 1);
	qsort(f.rows, (size_t)f.nrows, sizeof(f.rows[0]), compare);
	for (int i = 0; i < f.nrows; i++) {
		tally_step_judge(&f.rows[i].step, &f.hasher, f.rows[i].chain);
		if (f.rows[i].chain != NULL)
			f.rows[i].chain->records++;
	}
	for (int i = 0; i < f.nrows; i++) {
		if (f.rows[i].chain == NULL)
			tally_places_add_stray(places, NULL, &f.rows[i].step);
		else
			tally_walk_take(walk, f.rows[i].chain, &f.rows[i].step);
	}
	tally_walk_end(walk);
	tally_places_resolve(places);
	free(walk);
	free(places);
}

/* One finding, and no other. */
static void
expect(enum tally_finding_kind kind, const char *chain, int64_t seq)
{
	judge_rows();
	assert_int_equal(f.ntold, 1);
	assert_int_equal(f.told[0].kind, kind);
	assert_string_equal(f.told[0].chain, chain);
	assert_int_equal(f.told[0].seq, seq);
	assert_int_equal(f.told[0].end, seq + 1);
}

static void
remove_row(int at)
{
	memmove(&f.rows[at], &f.rows[at + 1],
	    (size_t)(f.nrows - at - 1) * sizeof(f.rows[0]));
	f.nrows--;
}

static void
test_walk__nothing_is_wrong(void **state)
{
	(void)state;
	seal_chains();
	judge_rows();
	assert_int_equal(f.ntold, 0);
	assert_int_equal(f.accused, 0);
	assert_int_equal(f.chains[0].last_seq, LENGTH);
	assert_true(tally_hash_equal(&f.chains[1].last_hash,
	    &f.rows[f.nrows - 1].step.hash));
}

static void
test_walk__a_changed_record_is_named(void **state)
{
	(void)state;
	for (int i = 0; i < LENGTH; i++) {
		seal_chains();
		f.rows[i].step.parts.digest.b[31] ^= 1;
		expect(TALLY_LINK_ALTERED, "a", i + 1);
		assert_int_equal(f.accused, 1);
		seal_chains();
		f.rows[i].step.parts.time_us++;
		expect(TALLY_LINK_ALTERED, "a", i + 1);
		seal_chains();
		f.rows[i].step.prev.b[0] ^= 1;
		expect(TALLY_LINK_ALTERED, "a", i + 1);
		seal_chains();
		f.rows[i].step.hash.b[31] ^= 1;
		expect(TALLY_LINK_ALTERED, "a", i + 1);
		seal_chains();
		f.rows[i].step.damage = "its digest is not 32 bytes long";
		f.rows[i].step.parts.has_digest = false;
		expect(TALLY_DAMAGED, "a", i + 1);
	}
}

static void
test_walk__a_missing_record_is_named(void **state)
{
	(void)state;
	/* Behind the last one nothing tells that there was another. */
	for (int i = 0; i < LENGTH - 1; i++) {
		seal_chains();
		remove_row(i);
		expect(TALLY_MISSING, "a", i + 1);
	}
	seal_chains();
	remove_row(1);
	remove_row(1);
	judge_rows();
	assert_int_equal(f.ntold, 1);
	assert_int_equal(f.told[0].seq, 2);
	assert_int_equal(f.told[0].end, 4);
}

static void
test_walk__a_moved_record_is_one_finding(void **state)
{
	(void)state;
	for (int i = 0; i < LENGTH; i++) {
		seal_chains();
		f.rows[i].step.seq = 100 + i;
		expect(TALLY_LINK_ALTERED, "a", i + 1);
		seal_chains();
		f.rows[i].step.seq = i == 0 ? 2 : 1;
		expect(TALLY_LINK_ALTERED, "a", i + 1);
		seal_chains();
		f.rows[i].chain = &f.chains[1];
		expect(TALLY_LINK_ALTERED, "a", i + 1);
	}
}

/* Its links say where it belongs, whether its host calls it damaged or not. */
static void
test_walk__a_record_of_no_chain_is_named(void **state)
{
	(void)state;
	for (int i = 0; i < LENGTH; i++) {
		seal_chains();
		f.rows[i].chain = NULL;
		expect(TALLY_LINK_ALTERED, "a", i + 1);
		seal_chains();
		f.rows[i].chain = NULL;
		f.rows[i].step.damage = "its chain_id is null, or none";
		expect(TALLY_DAMAGED, "a", i + 1);
	}
	/* Two of them, in each other's place as far as their seq says. */
	seal_chains();
	for (int i = 1; i <= 2; i++) {
		f.rows[i].chain = NULL;
		f.rows[i].step.seq = 4 - i;
	}
	judge_rows();
	assert_int_equal(f.ntold, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(f.told[i].kind, TALLY_LINK_ALTERED);
		assert_string_equal(f.told[i].chain, "a");
	}
}

static void
test_walk__two_that_changed_places(void **state)
{
	(void)state;
	for (int i = 0; i < LENGTH; i++) {
		for (int j = i + 1; j < LENGTH; j++) {
			seal_chains();
			f.rows[i].step.seq = j + 1;
			f.rows[j].step.seq = i + 1;
			judge_rows();
			assert_int_equal(f.ntold, 2);
			for (int k = 0; k < 2; k++) {
				assert_int_equal(f.told[k].kind,
				    TALLY_REORDERED);
				assert_true(f.told[k].seq == i + 1 ||
				    f.told[k].seq == j + 1);
			}
		}
	}
}

static void
test_walk__another_at_the_same_place(void **state)
{
	(void)state;
	for (int i = 0; i < LENGTH; i++) {
		struct tally_step *extra = &f.rows[2 * LENGTH].step;

		seal_chains();
		f.rows[f.nrows] = f.rows[i];
		extra->at = ROOM;
		f.nrows++;
		expect(TALLY_DUPLICATE, "a", i + 1);

		seal_chains();
		f.rows[f.nrows] = f.rows[i];
		extra->at = ROOM;
		extra->parts.digest.b[9] = 9;
		assert_true(tally_step_hash(extra, &f.hasher, &f.chains[0],
		    i + 1, &extra->prev, &extra->hash));
		f.nrows++;
		expect(TALLY_FORKED, "a", i + 1);

		seal_chains();
		f.rows[f.nrows] = f.rows[i];
		extra->at = ROOM;
		extra->parts.digest.b[9] = 9;
		memset(extra->prev.b, 7, TALLY_HASH_SIZE);
		assert_true(tally_step_hash(extra, &f.hasher, &f.chains[0],
		    i + 1, &extra->prev, &extra->hash));
		f.nrows++;
		expect(TALLY_INSERTED, "a", i + 1);
	}
}

static void
test_walk__a_chain_that_is_gone(void **state)
{
	(void)state;
	seal_chains();
	f.nrows = LENGTH;
	judge_rows();
	assert_int_equal(f.ntold, 1);
	assert_int_equal(f.told[0].kind, TALLY_MISSING);
	assert_string_equal(f.told[0].chain, "b");
	assert_int_equal(f.told[0].seq, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk__nothing_is_wrong),
		cmocka_unit_test(test_walk__a_changed_record_is_named),
		cmocka_unit_test(test_walk__a_missing_record_is_named),
		cmocka_unit_test(test_walk__a_moved_record_is_one_finding),
		cmocka_unit_test(test_walk__a_record_of_no_chain_is_named),
		cmocka_unit_test(test_walk__two_that_changed_places),
		cmocka_unit_test(test_walk__another_at_the_same_place),
		cmocka_unit_test(test_walk__a_chain_that_is_gone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, open_hasher, close_hasher);
}
