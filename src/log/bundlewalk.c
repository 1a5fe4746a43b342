/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judging a bundle: no log, no clock, no file.
 *
 *   the checkpoint  is signed by whom the judge trusts
 *   heads record    is the last record under it
 *   chain's head    is in the tree whose root the heads record holds
 *   last record     is in the log under the checkpoint; it is the chain's
 *                   head, if its seq is the head's
 *   records         each hashes to its hash and links to the one before
 */
#include <stdio.h>
#include <string.h>

#include <tally/bundle.h>

#include "core/bundle.h"
#include "core/heads.h"
#include "core/record.h"
#include "log/bundlewalk.h"
#include "log/fail.h"
#include "log/sys.h"
#include "log/trust.h"

#define LINE_LONGEST ((size_t)TALLY_LINE_MAX(TALLY_EVENT_MAX))
#define HEADS_LINE_MAX (TALLY_LINE_MAX(TALLY_HEADS_EVENT_MAX))

struct judging {
	tally_read_fn *read;
	void *arg;
	struct tally_error *error;
	struct tally_hasher hasher;
	struct tally_bundle *out;
	tally_bundle_line_fn *taken; /* or NULL */
	void *taken_arg;

	/* What was read: [at, len) is not taken yet. */
	char *bytes;
	size_t at, len, capacity;
	bool at_end;

	char *front_text; /* what front views */
	struct tally_bundle_front front;
	struct tally_heads_event heads;
	struct tally_hash last; /* of the record that was taken last */
	uint64_t line;          /* its number among the records, from 1 */
	bool is_broken;
};

/* ---- reading ---------------------------------------------------------- */

/* More bytes, if there are any; TALLY_E_LIMIT if there is no room left. */
static int
read_more(struct judging *j, size_t most)
{
	size_t got = 0;
	void *more;
	int result;

	memmove(j->bytes, j->bytes + j->at, j->len - j->at);
	j->len -= j->at;
	j->at = 0;
	if (j->len == j->capacity) {
		if (j->capacity >= most)
			return TALLY_E_LIMIT;
		more = tally_sys_realloc(j->bytes, 2 * j->capacity);
		if (more == NULL)
			return TALLY_E_MEMORY;
		j->bytes = more;
		j->capacity *= 2;
	}
	result = j->read(j->arg, j->bytes + j->len, j->capacity - j->len, &got);
	j->at_end = result == 0 && got == 0;
	j->len += got;
	return result;
}

/* The next line; TALLY_END behind the last.  What is cut off is a line, too. */
static int
read_line(struct judging *j, const char **out_text, size_t *out_len)
{
	const char *feed = NULL;
	size_t seen = 0;
	int result;

	for (;;) {
		feed = memchr(j->bytes + j->at + seen, '\n',
		    j->len - j->at - seen);
		seen = j->len - j->at;
		if (feed != NULL || j->at_end)
			break;
		result = read_more(j, LINE_LONGEST);
		/* No line of ours is so long: it is one that does not hold. */
		if (result == TALLY_E_LIMIT)
			break;
		if (result != 0)
			return result;
	}
	if (seen == 0)
		return TALLY_END;
	*out_text = j->bytes + j->at;
	*out_len = feed == NULL ? seen : (size_t)(feed + 1 - *out_text);
	j->at += *out_len;
	return TALLY_OK;
}

/* ---- findings --------------------------------------------------------- */

static void
broken(struct judging *j, const char *detail)
{
	if (j->is_broken)
		return;
	j->is_broken = true;
	j->out->verdict = TALLY_PROOF_BROKEN;
	(void)snprintf(j->out->detail, sizeof(j->out->detail), "%s", detail);
}

static void
broken_record(struct judging *j, const char *detail)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "record %llu of the bundle %s",
	    (unsigned long long)j->line, detail);
	broken(j, text);
}

/* ---- the front -------------------------------------------------------- */

static int
take_front(struct judging *j)
{
	size_t len;
	int result = 0;

	/* All of the front stands in the first bytes, or it is none. */
	while (result == 0 && !j->at_end && j->len < TALLY_BUNDLE_FRONT_MAX)
		result = read_more(j, TALLY_BUNDLE_FRONT_MAX);
	if (result != 0 && result != TALLY_E_LIMIT)
		return result;
	len = j->len < TALLY_BUNDLE_FRONT_MAX ? j->len : TALLY_BUNDLE_FRONT_MAX;
	j->front_text = tally_sys_alloc(len + 1);
	if (j->front_text == NULL)
		return tally_fail_memory(j->error);
	memcpy(j->front_text, j->bytes, len);
	return tally_bundle_front_parse(j->front_text, len, &j->front, &j->at,
	    j->error);
}

static void
fill(struct judging *j)
{
	const struct tally_checkpoint *checkpoint = &j->front.under.checkpoint;
	struct tally_bundle *out = j->out;

	memcpy(out->origin, checkpoint->origin, sizeof(out->origin));
	out->size = checkpoint->size;
	out->root = checkpoint->root;
	out->has_signatures = j->front.under.is_signed;
	if (tally_name_unescape(j->front.chain.at, j->front.chain.len,
		TALLY_CHAIN_MAX, out->chain, &out->chain_len) != 0)
		out->chain_len = 0;
	out->head_seq = j->front.head_seq;
	out->head_hash = j->front.head_hash;
}

/* The heads record: itself, its place, and what it says. */
static void
judge_heads(struct judging *j)
{
	const struct tally_bundle_front *front = &j->front;
	static const char name[] = TALLY_HEADS_CHAIN;
	char text[HEADS_LINE_MAX], detail[160];
	struct tally_line line;
	size_t len;

	if (tally_base64_parse(front->heads_line.at, front->heads_line.len,
		(uint8_t *)text, sizeof(text), &len) != 0 ||
	    tally_line_decode(text, len, &line) != 0 ||
	    !tally_line_holds(&j->hasher, &line) ||
	    line.header.chain_len != sizeof(name) - 1 ||
	    memcmp(line.header.chain, name, sizeof(name) - 1) != 0 ||
	    line.body != TALLY_BODY_EVENT || line.has_salt ||
	    tally_heads_event_parse(line.event, line.event_len, &j->heads) !=
		0) {
		broken(j, "the heads record is none");
		return;
	}
	j->out->chains = j->heads.chains;
	if (j->out->size == 0 || j->heads.size != j->out->size - 1) {
		(void)snprintf(detail, sizeof(detail),
		    "the heads record is that of size %llu, and the checkpoint"
		    " has size %llu",
		    (unsigned long long)j->heads.size + 1,
		    (unsigned long long)j->out->size);
		broken(j, detail);
	} else if (!tally_inclusion_check(&j->hasher, &line.hash,
		       j->out->size - 1, j->out->size, front->sealed_path.hash,
		       front->sealed_path.len, &j->out->root)) {
		broken(j,
		    "the heads record is not the last under the checkpoint");
	}
}

static void
judge_place(struct judging *j)
{
	const struct tally_bundle_front *front = &j->front;
	char text[TALLY_HEAD_LEAF_MAX];
	size_t len = tally_head_leaf_format(front->chain.at, front->chain.len,
	    &front->head_hash, front->head_seq, text);
	struct tally_hash leaf = tally_hash_leaf(&j->hasher, text, len);

	if (front->position >= j->heads.chains ||
	    !tally_inclusion_check(&j->hasher, &leaf, front->position,
		j->heads.chains, front->heads_path.hash, front->heads_path.len,
		&j->heads.root))
		broken(j,
		    "the heads record does not hold such a head of the chain");
}

/* ---- the records ------------------------------------------------------ */

static void
judge_record(struct judging *j, const char *text, size_t len)
{
	struct tally_line line;
	const struct tally_header *header = &line.header;

	if (tally_line_decode(text, len, &line) != 0) {
		broken_record(j, "is no record");
	} else if (!tally_line_holds(&j->hasher, &line)) {
		broken_record(j, "does not hash to what its line says");
	} else if (header->chain_len != j->front.chain.len ||
	    memcmp(header->chain, j->front.chain.at, header->chain_len) != 0) {
		broken_record(j, "is another chain's");
	} else if (j->line == 1 && header->seq == 1 &&
	    !tally_hash_is_zero(&header->prev)) {
		broken_record(j, "begins its chain, and links to something");
	} else if (j->line > 1 && header->seq != j->out->to_seq + 1) {
		broken_record(j, "does not follow the one before it");
	} else if (j->line > 1 && !tally_hash_equal(&header->prev, &j->last)) {
		broken_record(j, "does not link to the one before it");
	} else {
		if (j->line == 1)
			j->out->from_seq = header->seq;
		j->out->to_seq = header->seq;
		j->last = line.hash;
		j->out->elsewhere += line.body == TALLY_BODY_ELSEWHERE;
		j->out->erased += line.body == TALLY_BODY_ERASED;
		if (j->taken != NULL)
			j->taken(j->taken_arg, &line);
	}
}

/* The last record against the tree, and against the head. */
static void
judge_last(struct judging *j)
{
	const struct tally_bundle_front *front = &j->front;
	const struct tally_bundle *out = j->out;

	if (j->line == 0)
		broken(j, "it holds no record");
	else if (front->last_index >= out->size ||
	    !tally_inclusion_check(&j->hasher, &j->last, front->last_index,
		out->size, front->last_path.hash, front->last_path.len,
		&out->root))
		broken(j, "the last record is not in the log");
	else if (out->to_seq > front->head_seq ||
	    (out->to_seq == front->head_seq &&
		!tally_hash_equal(&j->last, &front->head_hash)))
		broken(j, "the last record is not the chain's head");
}

static int
judge_records(struct judging *j)
{
	const char *text;
	size_t len;
	int result;

	while (!j->is_broken &&
	    (result = read_line(j, &text, &len)) != TALLY_END) {
		if (result != 0)
			return result;
		j->line++;
		judge_record(j, text, len);
	}
	judge_last(j);
	return TALLY_OK;
}

static int
judge(struct judging *j, const struct tally_trusted *trusted)
{
	struct tally_bundle *out = j->out;
	int result = take_front(j);

	if (result != 0)
		return result;
	fill(j);
	judge_heads(j);
	if (!j->is_broken)
		judge_place(j);
	result = judge_records(j);
	if (result != 0)
		return result;
	if (j->is_broken)
		return tally_trusted_could(&j->hasher, out->verdict, j->error);
	out->verdict = tally_trusted_judge(trusted, &j->front.under);
	(void)snprintf(out->detail, sizeof(out->detail),
	    "records %llu to %llu of the %llu that the chain had",
	    (unsigned long long)out->from_seq, (unsigned long long)out->to_seq,
	    (unsigned long long)out->head_seq);
	return tally_trusted_could(&j->hasher, out->verdict, j->error);
}

int
tally_bundle_walk(tally_read_fn *read, void *arg,
    const struct tally_trusted *trusted, tally_bundle_line_fn *taken,
    void *taken_arg, struct tally_bundle *out_bundle,
    struct tally_signed_checkpoint *out_under, char **out_text,
    struct tally_error *error)
{
	struct judging *j = tally_sys_alloc(sizeof(*j));
	int result;

	memset(out_bundle, 0, sizeof(*out_bundle));
	if (j == NULL)
		return tally_fail_memory(error);
	j->read = read;
	j->arg = arg;
	j->error = error;
	j->out = out_bundle;
	j->taken = taken;
	j->taken_arg = taken_arg;
	j->capacity = TALLY_BUNDLE_FRONT_MAX;
	j->bytes = tally_sys_alloc(j->capacity);
	result = tally_hasher_open(&j->hasher);
	if (result != 0 || j->bytes == NULL)
		result = tally_fail_memory(error);
	if (result == 0)
		result = judge(j, trusted);
	tally_hasher_close(&j->hasher);
	if (out_text != NULL && result == 0) {
		*out_under = j->front.under;
		*out_text = j->front_text;
		j->front_text = NULL;
	}
	tally_sys_free(j->front_text);
	tally_sys_free(j->bytes);
	tally_sys_free(j);
	return result;
}
