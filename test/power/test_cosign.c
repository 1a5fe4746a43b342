/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power goes, a witness is killed, or a call fails, at every op of a
 * witness that could change what its disk holds.  Afterwards it is asked for
 * everything that it must not cosign: every size of three histories, from every
 * older size.  Then, over all lives,
 *
 *   all that it cosigned, or showed, is of one history
 *   no size is below one before
 *   it goes on
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tally/witness.h>

#include "core/tree.h"
#include "core/witness.h"
#include "log/sys.h"
#include "publish/signer.h"

#include "lives.h"

#define ORIGIN "example.org/power"
#define DIR "/w/state"
#define SIZES 6 /* the largest */
#define REQUEST_MAX 1024

/* Histories: one is told to everybody; one differs from its fourth record on,
 * one from its first. */
enum {
	TRUE_ONE,
	LATE_FORK,
	OTHER_ONE,
	HISTORIES
};
static const unsigned differs_from[HISTORIES] = { SIZES, 3, 0 };

static struct tally_signer *log_signer, *signer;
static char vkey[TALLY_VKEY_TEXT_SIZE], origin_hash[TALLY_HASH_TEXT_SIZE];
static struct tally_hasher hasher;
static struct tally_hash roots[HISTORIES][SIZES + 1];
static char requests[HISTORIES][SIZES + 1][SIZES + 1][REQUEST_MAX];

/* What is known of it outside. */
struct outside {
	bool is_known; /* tally_witness_know returned 0 */
	bool any;
	uint64_t last;
	bool possible[HISTORIES];
};

/* ---- what is asked ------------------------------------------------------ */

static int
node(void *arg, unsigned height, uint64_t position, struct tally_hash *out)
{
	const int *history = arg;
	struct tally_frontier frontier;
	struct tally_hash leaf = { { 0 } };

	tally_frontier_init(&frontier);
	for (uint64_t i = position << height; i < (position + 1) << height;
	     i++) {
		leaf.b[0] = (uint8_t)i;
		leaf.b[1] = i < differs_from[*history] ? 0 : (uint8_t)*history;
		tally_frontier_append(&hasher, &frontier, &leaf);
	}
	*out = tally_frontier_root(&hasher, &frontier);
	return 0;
}

static void
make_request(int history, uint64_t old, uint64_t size, char *out)
{
	const struct tally_tree_source source = { node, &history };
	struct tally_hash proof[TALLY_PROOF_MAX];
	struct tally_checkpoint checkpoint = { .origin_len = sizeof(ORIGIN) - 1,
		.size = size,
		.root = roots[history][size] };
	size_t proof_len = 0, at, text_len, line_len;

	memcpy(checkpoint.origin, ORIGIN, sizeof(ORIGIN));
	if (old > 0 && old < size)
		assert_int_equal(tally_consistency_prove(&hasher, &source, old,
				     size, proof, &proof_len),
		    0);
	at = tally_witness_request_head(old, proof, proof_len, out);
	text_len = tally_checkpoint_format(&checkpoint, out + at);
	out[at + text_len] = '\n';
	assert_int_equal(tally_note_sign(&log_signer->vkey, log_signer->seed, 0,
			     out + at, text_len, out + at + text_len + 1,
			     &line_len),
	    0);
	at += text_len + 1 + line_len;
	assert_true(at < REQUEST_MAX);
	out[at] = '\0';
}

static void
make_requests(void)
{
	for (int h = 0; h < HISTORIES; h++) {
		const struct tally_tree_source source = { node, &h };

		for (uint64_t n = 0; n <= SIZES; n++)
			assert_int_equal(tally_tree_root(&hasher, &source, n,
					     &roots[h][n]),
			    0);
		for (uint64_t n = 1; n <= SIZES; n++)
			for (uint64_t old = 0; old <= n; old++)
				make_request(h, old, n, requests[h][old][n]);
	}
}

/* ---- what came out ------------------------------------------------------ */

static void
go_out(struct outside *outside, uint64_t size, const struct tally_hash *root)
{
	bool any = false;

	assert_true(size <= SIZES);
	if (outside->any && size < outside->last)
		lives_wrong("it went back", "");
	for (int h = 0; h < HISTORIES; h++) {
		outside->possible[h] &= tally_hash_equal(&roots[h][size], root);
		any |= outside->possible[h];
	}
	if (!any)
		lives_wrong("it cosigned two histories", "");
	outside->any = true;
	outside->last = size;
}

static void
begin_outside(struct outside *outside)
{
	*outside = (struct outside){ .last = 0 };
	for (int h = 0; h < HISTORIES; h++)
		outside->possible[h] = true;
}

/* The status, or an error. */
static int
ask(struct outside *outside, struct tally_witness *witness, int history,
    uint64_t old, uint64_t size)
{
	const char *body = requests[history][old][size];
	struct tally_witness_answer answer;
	int result = tally_witness_add(witness, body, strlen(body), &answer,
	    NULL);

	if (result != 0)
		return result;
	if (answer.status == 200)
		go_out(outside, size, &roots[history][size]);
	return (int)answer.status;
}

/* What it shows, it cosigned. */
static int
look(struct outside *outside, struct tally_witness *witness)
{
	struct tally_checkpoint checkpoint;
	struct tally_note note;
	char *text;
	size_t len;
	int result = tally_witness_latest(witness, origin_hash, &text, &len,
	    NULL);

	if (result != 0)
		return result;
	if (tally_note_parse(text, len, &note) != 0 ||
	    tally_checkpoint_parse(note.text.at, note.text.len, &checkpoint) !=
		0 ||
	    tally_note_check(&note, &signer->vkey, NULL) != TALLY_SIGNED)
		lives_wrong("it shows what is not cosigned", "");
	go_out(outside, checkpoint.size, &checkpoint.root);
	free(text);
	return 0;
}

/* ---- a life ------------------------------------------------------------- */

static void
live(struct outside *outside)
{
	static const struct {
		int history;
		uint64_t old, size;
		int status;
	} asked[] = { { TRUE_ONE, 0, 3, 200 }, { OTHER_ONE, 0, 3, 409 },
		{ OTHER_ONE, 3, 3, 422 }, { TRUE_ONE, 3, 5, 200 },
		{ LATE_FORK, 3, 6, 409 }, { LATE_FORK, 5, 6, 422 },
		{ TRUE_ONE, 5, 5, 200 } };
	struct tally_witness *witness = NULL;

	outside->is_known = tally_witness_know(DIR, vkey, NULL) == 0;
	if (!outside->is_known ||
	    tally_witness_open(DIR, &signer, 1, &witness, NULL) != 0)
		return;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		int status = ask(outside, witness, asked[i].history,
		    asked[i].old, asked[i].size);

		if (status != asked[i].status && !sim_is_dead() &&
		    !sim_fault_fired())
			lives_wrong("it does not answer as it should", "");
		/* Whoever looks between two lives of a server. */
		if (i == 3)
			(void)look(outside, witness);
	}
	tally_witness_close(witness);
}

/* ---- afterwards --------------------------------------------------------- */

static void
tempt(struct outside *outside, struct tally_witness *witness, uint64_t turn)
{
	for (int i = 0; i < HISTORIES; i++) {
		int h = (int)((turn + (uint64_t)i) % HISTORIES);

		for (uint64_t size = 1; size <= SIZES; size++) {
			for (uint64_t old = 0; old <= size; old++) {
				int status = ask(outside, witness, h, old,
				    size);

				if (status < 0)
					lives_wrong("it does not answer", "");
			}
		}
	}
	if (outside->last != SIZES)
		lives_wrong("it does not go on", "");
}

static void
check_after(struct outside *outside, uint64_t turn)
{
	struct tally_witness *witness;
	struct tally_error error = { 0 };
	int result;

	sim_as(3);
	result = tally_witness_know(DIR, vkey, &error);
	if (result != 0 && result != TALLY_E_EXISTS)
		lives_wrong("its log cannot be added", error.message);
	if (outside->is_known && result != TALLY_E_EXISTS)
		lives_wrong("it forgot its log", "");
	result = tally_witness_open(DIR, &signer, 1, &witness, &error);
	if (result != 0)
		lives_wrong("it cannot be opened", error.message);
	result = look(outside, witness);
	if (result < 0 || (result != 0 && outside->any))
		lives_wrong("it forgot what it cosigned", "");
	tempt(outside, witness, turn);
	if (look(outside, witness) != 0)
		lives_wrong("it does not show what it cosigned", "");
	tally_witness_close(witness);
}

static void
check_one(void *arg, uint64_t turn)
{
	struct outside outside = *(const struct outside *)arg;

	check_after(&outside, turn);
}

static uint64_t
count_ops(void)
{
	struct outside outside;
	uint64_t ops;

	begin_outside(&outside);
	lives_try("undisturbed");
	lives_begin();
	live(&outside);
	ops = lives_remember();
	assert_int_equal(outside.last, 5);
	return ops;
}

/* ---- tests -------------------------------------------------------------- */

static void
test_cosign__power_goes(void **state)
{
	uint64_t ops = count_ops();
	unsigned long cuts = 0;

	(void)state;
	for (uint64_t n = 0; n <= ops; n++) {
		struct outside outside;

		if (!lives_op_changes(n))
			continue;
		begin_outside(&outside);
		lives_begin();
		sim_cut_at(n);
		live(&outside);
		lives_try("cut at op %llu", (unsigned long long)n);
		cuts += lives_cut(n, SIM_MODE_COUNT, check_one, &outside);
	}
	print_message("# %lu cuts\n", cuts);
	assert_null(sim_violation());
	sim_wipe();
}

/* Another server on the same directory goes on, and then the power goes. */
static void
test_cosign__killed(void **state)
{
	uint64_t ops = count_ops();

	(void)state;
	for (uint64_t n = 0; n <= ops; n++) {
		struct tally_witness *other;
		struct outside outside;

		if (!lives_op_changes(n))
			continue;
		begin_outside(&outside);
		lives_begin();
		sim_set(n % 2 == 0 ? SIM_HALF_AT_KILL : SIM_LOSE_AT_KILL);
		sim_kill_at(n);
		live(&outside);
		sim_reap();
		lives_try("killed at op %llu", (unsigned long long)n);
		sim_as(2);
		if (tally_witness_open(DIR, &signer, 1, &other, NULL) == 0) {
			(void)look(&outside, other);
			tally_witness_close(other);
		} else if (outside.is_known) {
			lives_wrong("another server cannot open it", "");
		}
		(void)lives_cut(n, SIM_MODE_COUNT, check_one, &outside);
	}
	assert_null(sim_violation());
	sim_wipe();
}

/* A call fails; the server goes on, and then the power goes. */
static void
test_cosign__a_call_fails(void **state)
{
	static const struct sim_fault faults[] = { { EIO, SIM_HALF },
		{ ENOSPC, SIM_NOTHING }, { EIO, SIM_ALL } };
	uint64_t ops = count_ops();

	(void)state;
	for (uint64_t n = 0; n < ops; n++) {
		for (size_t f = 0; f < sizeof(faults) / sizeof(faults[0]);
		     f++) {
			struct outside outside;

			if (!sim_op_fails(lives_op(n), faults[f].error))
				continue;
			begin_outside(&outside);
			lives_begin();
			sim_fault_at(n, &faults[f]);
			live(&outside);
			lives_try("op %llu fails with %d",
			    (unsigned long long)n, faults[f].error);
			(void)lives_cut(n, SIM_KEEP + 1, check_one, &outside);
		}
	}
	assert_null(sim_violation());
	sim_wipe();
}

/* ---- keys --------------------------------------------------------------- */

static int
make_keys(void **state)
{
	char text[TALLY_VKEY_TEXT_SIZE];
	struct tally_hash hash;
	int result;

	(void)state;
	if (tally_hasher_open(&hasher) != 0)
		return -1;
	result = lives_make_key(tally_key_generate, ORIGIN, vkey, &log_signer);
	if (result == 0)
		result = lives_make_key(tally_key_generate_witness,
		    "witness.example/w", text, &signer);
	hash = tally_hash_bytes(&hasher, ORIGIN, sizeof(ORIGIN) - 1);
	tally_hash_format(&hash, origin_hash);
	make_requests();
	return result;
}

static int
free_keys(void **state)
{
	(void)state;
	tally_signer_free(log_signer);
	tally_signer_free(signer);
	tally_hasher_close(&hasher);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cosign__power_goes),
		cmocka_unit_test(test_cosign__killed),
		cmocka_unit_test(test_cosign__a_call_fails),
	};

	return cmocka_run_group_tests_name("cosign", tests, make_keys,
	    free_keys);
}
