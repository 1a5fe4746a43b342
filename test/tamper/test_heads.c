/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads records: what they say is made anew, by a way that has nothing of the
 * verifier's; every lie is found, wherever it stands in a chunk, and also by a
 * verification that is interrupted again and again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/checkpoint.h"
#include "core/heads.h"
#include "core/tree.h"
#include "tamper/lab.h"

#define CHAINS_MAX 512

/* The heads of all chains before record len, as a heads record says them. */
static void
say_heads(const struct lab *lab, char event[TALLY_HEADS_EVENT_MAX])
{
	static size_t last[CHAINS_MAX];
	struct tally_heads_event says = { .size = lab->len };
	struct tally_frontier frontier;
	struct tally_hasher hasher;
	char text[TALLY_HEAD_LEAF_MAX];
	struct tally_hash leaf;
	size_t i, c, len;

	for (i = 0; i < lab->len; i++) {
		if (strcmp(lab->records[i].chain, TALLY_HEADS_CHAIN) == 0)
			continue;
		for (c = 0; c < says.chains; c++)
			if (strcmp(lab->records[last[c]].chain,
				lab->records[i].chain) == 0)
				break;
		assert_true(c < CHAINS_MAX);
		if (c == says.chains)
			says.chains++;
		last[c] = i;
	}
	assert_int_equal(tally_hasher_open(&hasher), 0);
	tally_frontier_init(&frontier);
	for (c = 0; c < says.chains; c++) {
		const struct lab_record *r = &lab->records[last[c]];

		len = tally_head_leaf_format(r->chain, strlen(r->chain),
		    &r->hash, r->seq, text);
		leaf = tally_hash_leaf(&hasher, text, len);
		tally_frontier_append(&hasher, &frontier, &leaf);
	}
	says.root = tally_frontier_root(&hasher, &frontier);
	tally_hasher_close(&hasher);
	tally_heads_event_format(&says, event);
}

static struct lab_record *
append_heads(struct lab *lab, bool lies)
{
	char event[TALLY_HEADS_EVENT_MAX], *root;

	say_heads(lab, event);
	if (lies) {
		root = strstr(event, "\"root\":\"") + 8;
		*root = *root == '0' ? '1' : '0';
	}
	return lab_append(lab, TALLY_HEADS_CHAIN, NULL, false, event);
}

/* A log with so many heads records, one every few records, of which one lies;
 * 0: none. */
static struct lab *
lab_heads(unsigned heads, unsigned lie)
{
	struct lab *lab = lab_new();
	char chain[32], event[320];
	unsigned i, h;

	memset(event, 'x', sizeof(event));
	event[0] = event[sizeof(event) - 2] = '"';
	event[sizeof(event) - 1] = 0;
	for (h = 1; h <= heads; h++) {
		for (i = 0; i < 1 + h * 7 % 23; i++) {
			snprintf(chain, sizeof(chain), "c/%u",
			    (h * 31 + i * 17) % (3 + h));
			lab_append(lab, chain, NULL, false, event);
		}
		append_heads(lab, h == lie);
	}
	lab_lay_all(lab, 0);
	return lab;
}

static void
test_heads__every_lie_is_found(void **state)
{
	struct tally_verify_options options = { .jobs = 3 };
	unsigned lie;

	(void)state;
	for (lie = 0; lie <= 60; lie++) {
		struct lab *lab = lab_heads(60, lie);

		assert_int_equal(lab_verify(lab, &options), 0);
		if (lie == 0)
			lab_assert_intact(lab);
		else
			lab_assert_one(lab, TALLY_CONTENT_ALTERED,
			    TALLY_HEADS_CHAIN, lie);
		lab_free(lab);
	}
}

/* Where a record is gone, or stands elsewhere, no heads record is accused. */
static void
test_heads__nobody_is_accused_of_what_another_did(void **state)
{
	size_t order[LAB_RECORDS_MAX], gone, i, len;

	(void)state;
	for (gone = 2; gone < 60; gone++) {
		struct lab *lab = lab_heads(12, 0);
		bool is_heads = strcmp(lab->records[gone].chain,
				    TALLY_HEADS_CHAIN) == 0;

		for (i = len = 0; i < lab->len; i++) {
			if (i != gone)
				order[len++] = i;
		}
		lab_lay(lab, order, len, 0);
		assert_int_equal(lab_verify(lab, NULL), 0);
		assert_int_equal(lab->verdict.verdict, TALLY_TAMPERED);
		if (lab_count(lab, TALLY_MISSING, lab->records[gone].chain,
			lab->records[gone].seq) == 1)
			assert_int_equal(lab_count(lab, TALLY_CONTENT_ALTERED,
					     NULL, 0),
			    0);
		else /* the last of its chain: only they tell of it */
			assert_false(is_heads);
		lab_free(lab);
	}
}

/* ---- interrupted ------------------------------------------------------ */

struct slices {
	size_t findings, accused;
	uint64_t seq, seq_end; /* of the heads record that was accused */
	bool interrupt;
};

static void
on_finding(void *arg, const struct tally_finding *finding)
{
	struct slices *slices = arg;

	slices->findings++;
	if (finding->chain != NULL &&
	    strcmp(finding->chain, TALLY_HEADS_CHAIN) == 0) {
		slices->accused++;
		slices->seq = finding->seq;
		slices->seq_end = finding->seq_end;
	}
	/* So that progress is asked for. */
	usleep(120000);
}

static int
on_progress(void *arg, const struct tally_progress *progress)
{
	const struct slices *slices = arg;

	(void)progress;
	return slices->interrupt ? 1 : 0;
}

/* A checkpoint of the first size records, with the root of so many. */
static void
serve(const struct lab *lab, size_t size, size_t root_size)
{
	static const uint8_t seed[TALLY_SIGN_SEED_SIZE];
	char path[160], text[TALLY_CHECKPOINT_TEXT_MAX];
	char line[TALLY_SIGNATURE_LINE_MAX];
	struct tally_checkpoint says = { .size = size,
		.root = lab_root(lab, root_size) };
	uint8_t public_key[TALLY_SIGN_PUBLIC_SIZE];
	struct tally_hasher hasher;
	struct tally_vkey vkey;
	size_t len, line_len;
	FILE *file;

	strcpy(says.origin, lab->origin);
	says.origin_len = strlen(says.origin);
	len = tally_checkpoint_format(&says, text);
	assert_int_equal(tally_hasher_open(&hasher), 0);
	assert_int_equal(tally_sign_public(seed, public_key), 0);
	tally_vkey_init(&hasher, says.origin, says.origin_len,
	    TALLY_VKEY_ED25519, public_key, &vkey);
	tally_hasher_close(&hasher);
	assert_int_equal(tally_note_sign(&vkey, seed, 0, text, len, line,
			     &line_len),
	    0);
	snprintf(path, sizeof(path), "%s/public", lab->dir);
	(void)mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/public/checkpoint", lab->dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "%s\n%.*s", text, (int)line_len, line);
	assert_int_equal(fclose(file), 0);
}

static void
serve_nothing(const struct lab *lab)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/public/checkpoint", lab->dir);
	(void)unlink(path);
	snprintf(path, sizeof(path), "%s/public", lab->dir);
	(void)rmdir(path);
}

static void
test_heads__in_slices(void **state)
{
	struct slices slices = { 0 };
	struct tally_verify_options options = { .jobs = 2,
		.finding = on_finding,
		.progress = on_progress,
		.arg = &slices };
	struct lab *lab = lab_heads(200, 150);
	unsigned runs = 0;
	char path[128];
	size_t i, at = 0;
	int r;

	(void)state;
	/* Events that were changed: no chain is another for it. */
	for (i = 0; i < lab->len; i++) {
		if (i % 250 == 200 && lab->records[i].chain[0] == 'c')
			lab->segments[0]
			    .text[at + lab->records[i].len - 9] ^= 1;
		at += lab->records[i].len;
	}
	snprintf(path, sizeof(path), "%s/state", lab->dir);
	options.resume = path;
	serve(lab, 300, 299);
	do {
		slices = (struct slices){ .interrupt = runs++ < 6 };
		r = lab_verify(lab, &options);
		/* It counts as it was when the first one began. */
		serve_nothing(lab);
	} while (r == TALLY_PARTIAL);
	assert_int_equal(r, 0);
	assert_true(runs > 3);
	assert_true(lab->verdict.resumed);
	assert_int_equal(slices.accused, 1);
	assert_int_equal(slices.seq, 150);
	assert_int_equal(slices.seq_end, 151);
	assert_int_equal(slices.findings,
	    lab->verdict.by_kind[TALLY_CONTENT_ALTERED] + 1);
	assert_int_equal(lab->verdict.by_kind[TALLY_ROLLED_BACK], 1);
	assert_true(slices.findings > 4);
	lab_free(lab);
}

/* A verification that goes on from where another ended judges the checkpoint
 * that is served by then. */
static void
test_heads__what_is_served_by_then(void **state)
{
	struct lab *lab = lab_heads(12, 0);
	size_t half = lab->len / 2 + 1, later = lab->len - 3;
	struct tally_verify_options options = { .jobs = 1 };
	char path[160];

	(void)state;
	lab_lay_all(lab, half);
	snprintf(path, sizeof(path), "%s/kept", lab->dir);
	options.keep = path;
	serve(lab, half + 2, half + 2);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	options.resume = path;
	serve(lab, later, later - 1);
	assert_int_equal(lab_verify(lab, &options), 0);
	assert_true(lab->verdict.resumed);
	lab_assert_one(lab, TALLY_ROLLED_BACK, NULL, 0);
	serve(lab, lab->len + 1, lab->len);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_one(lab, TALLY_TRUNCATED, NULL, 0);
	serve(lab, later, later);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	assert_true(lab->verdict.resumed);
	/* Of one below there is no root; nobody is accused. */
	serve(lab, 5, 5);
	assert_int_equal(lab_verify(lab, &options), 0);
	lab_assert_intact(lab);
	assert_true((lab->verdict.not_covered & TALLY_UNCOVERED_CHECKPOINT) !=
	    0);
	serve_nothing(lab);
	unlink(path);
	lab_free(lab);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads__every_lie_is_found),
		cmocka_unit_test(
		    test_heads__nobody_is_accused_of_what_another_did),
		cmocka_unit_test(test_heads__in_slices),
		cmocka_unit_test(test_heads__what_is_served_by_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
