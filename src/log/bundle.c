/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the bundle of a chain: see tally/bundle.h. */
#include <string.h>

#include <tally/bundle.h>

#include "core/bundle.h"
#include "core/heads.h"
#include "core/record.h"
#include "log/fail.h"
#include "log/headtree.h"
#include "log/leaves.h"
#include "log/published.h"

#define HEADS_LINE_MAX (TALLY_LINE_MAX(TALLY_HEADS_EVENT_MAX))

struct bundling {
	struct tally_log *log;
	struct tally_bundle_range range;
	struct tally_hasher hasher;
	struct tally_published_note published;
	struct tally_headtree tree;
	struct tally_head_place place;
	char chain[TALLY_CHAIN_TEXT_MAX];    /* escaped */
	char heads_line[2 * HEADS_LINE_MAX]; /* base64 */
	struct tally_hash heads_hash, last_hash;
	struct tally_hash root; /* of the log at the checkpoint's size */
	struct tally_bundle_front front;
	struct tally_error *error;
};

static int
take_range(struct bundling *b, const struct tally_bundle_range *range)
{
	const char *what;
	int result;

	b->range = *range;
	if (b->range.from_seq == 0)
		b->range.from_seq = 1;
	result = tally_name_escape(range->chain, range->chain_len,
	    TALLY_CHAIN_MAX, b->chain, &b->front.chain.len, &what);
	if (result != 0)
		return tally_fail(b->error, result, "the chain's name %s",
		    what);
	b->front.chain.at = b->chain;
	if (range->to_seq != 0 && range->to_seq < b->range.from_seq)
		return tally_fail(b->error, TALLY_E_USAGE,
		    "a bundle holds at least one record");
	return TALLY_OK;
}

static int
take_checkpoint(struct bundling *b)
{
	int result = tally_published_note_read(b->log, &b->published, b->error);

	if (result == TALLY_END)
		(void)tally_fail(b->error, result,
		    "the log has no checkpoint yet; \"tally checkpoint\" makes"
		    " one");
	b->front.under.text.at = b->published.text;
	b->front.under.text.len = b->published.len;
	return result;
}

/* The heads record, which is the checkpoint's last. */
static int
take_heads_record(struct bundling *b, struct tally_cursor *cursor,
    struct tally_heads_event *out)
{
	const struct tally_find find = { .by = TALLY_KEY_INDEX,
		.index = b->published.checkpoint.size - 1 };
	struct tally_record record;
	int result = tally_cursor_find(cursor, &find, &record, b->error);

	if (result == TALLY_END)
		return tally_fail(b->error, TALLY_E_DAMAGED,
		    "the log is shorter than \"" TALLY_PUBLISHED_PATH
		    "\", which has %llu records",
		    (unsigned long long)b->published.checkpoint.size);
	if (result != 0)
		return result;
	if (strcmp(record.chain, TALLY_HEADS_CHAIN) != 0 ||
	    record.body != TALLY_BODY_EVENT ||
	    record.line_len > HEADS_LINE_MAX ||
	    tally_heads_event_parse(record.event, record.event_len, out) != 0)
		return tally_fail(b->error, TALLY_E_DAMAGED,
		    "the last record under \"" TALLY_PUBLISHED_PATH
		    "\" is no heads record");
	tally_base64_format((const uint8_t *)record.line, record.line_len,
	    b->heads_line);
	b->front.heads_line.at = b->heads_line;
	b->front.heads_line.len = tally_base64_size(record.line_len);
	b->heads_hash = record.hash;
	return TALLY_OK;
}

/* The chain's place among the heads, and the path to their root. */
static int
take_place(struct bundling *b, const struct tally_heads_event *heads)
{
	struct tally_bundle_front *front = &b->front;
	struct tally_tree_source source = tally_headtree_source(&b->tree);
	struct tally_hash root;
	int result;

	b->place.chain = b->chain;
	b->place.chain_len = front->chain.len;
	result = tally_headtree_at(b->log, heads->size, &b->hasher, &b->tree,
	    &b->place, b->error);
	if (result == TALLY_END)
		(void)tally_fail(b->error, result,
		    "the last checkpoint does not cover a chain \"%.*s\"",
		    (int)b->range.chain_len, b->range.chain);
	if (result != 0)
		return result;
	result = tally_tree_root(&b->hasher, &source, b->tree.chains, &root);
	if (result == 0 &&
	    (b->tree.chains != heads->chains ||
		!tally_hash_equal(&root, &heads->root)))
		return tally_fail(b->error, TALLY_E_DAMAGED,
		    "the heads record under \"" TALLY_PUBLISHED_PATH
		    "\" has another root than the heads of the log");
	if (result == 0)
		result = tally_inclusion_prove(&b->hasher, &source,
		    b->place.position, b->tree.chains, front->heads_path.hash,
		    &front->heads_path.len);
	front->head_seq = b->place.seq;
	front->head_hash = b->place.hash;
	front->position = b->place.position;
	return result;
}

/* The last record that is given. */
static int
take_last(struct bundling *b, struct tally_cursor *cursor)
{
	struct tally_find find = { .by = TALLY_KEY_SEQ,
		.chain = b->range.chain,
		.chain_len = b->range.chain_len };
	struct tally_record record;
	int result;

	if (b->range.to_seq == 0)
		b->range.to_seq = b->place.seq;
	if (b->range.from_seq > b->place.seq || b->range.to_seq > b->place.seq)
		return tally_fail(b->error, TALLY_END,
		    "the last checkpoint covers the chain up to record %llu",
		    (unsigned long long)b->place.seq);
	find.seq = b->range.to_seq;
	result = tally_cursor_find(cursor, &find, &record, b->error);
	if (result == TALLY_END)
		return tally_fail(b->error, TALLY_E_DAMAGED,
		    "record %llu of the chain is not there",
		    (unsigned long long)find.seq);
	if (result == 0) {
		b->front.last_index = record.index;
		b->last_hash = record.hash;
	}
	return result;
}

/* Paths in the log's tree; a wrong index must not make a wrong proof. */
static int
prove_paths(void *arg, struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t size)
{
	struct bundling *b = arg;
	struct tally_path *sealed = &b->front.sealed_path;
	struct tally_path *last = &b->front.last_path;
	int result = tally_tree_root(hasher, source, size, &b->root);

	if (result == 0)
		result = tally_inclusion_prove(hasher, source, size - 1, size,
		    sealed->hash, &sealed->len);
	if (result == 0)
		result = tally_inclusion_prove(hasher, source,
		    b->front.last_index, size, last->hash, &last->len);
	if (result == 0 &&
	    (!tally_inclusion_check(hasher, &b->heads_hash, size - 1, size,
		 sealed->hash, sealed->len, &b->root) ||
		!tally_inclusion_check(hasher, &b->last_hash,
		    b->front.last_index, size, last->hash, last->len,
		    &b->root)))
		result = TALLY_E_IO;
	return result;
}

static int
take_paths(struct bundling *b)
{
	const struct tally_checkpoint *checkpoint = &b->published.checkpoint;
	int result = tally_leaves_ask(b->log, checkpoint->size, prove_paths, b,
	    b->error);

	if (result == 0 && !tally_hash_equal(&b->root, &checkpoint->root))
		result = tally_fail(b->error, TALLY_E_DAMAGED,
		    "the log has another root at size %llu than"
		    " \"" TALLY_PUBLISHED_PATH "\"",
		    (unsigned long long)checkpoint->size);
	return result;
}

static int
take_front(struct bundling *b)
{
	struct tally_heads_event heads;
	struct tally_cursor *cursor;
	int result = tally_cursor_open(b->log, NULL, &cursor, b->error);

	if (result != 0)
		return result;
	result = take_heads_record(b, cursor, &heads);
	if (result == 0)
		result = take_place(b, &heads);
	if (result == 0)
		result = take_last(b, cursor);
	tally_cursor_close(cursor);
	return result != 0 ? result : take_paths(b);
}

static int
write_front(struct bundling *b, tally_write_fn *write, void *arg)
{
	char *text = tally_sys_alloc(TALLY_BUNDLE_FRONT_MAX);
	int result;

	if (text == NULL)
		return tally_fail_memory(b->error);
	result = write(arg, text, tally_bundle_front_format(&b->front, text));
	tally_sys_free(text);
	return result;
}

static int
write_records(struct bundling *b, tally_write_fn *write, void *arg)
{
	const struct tally_range range = { .chain = b->range.chain,
		.chain_len = b->range.chain_len,
		.from_seq = b->range.from_seq,
		.to_seq = b->range.to_seq };
	uint64_t seq = b->range.from_seq;
	struct tally_cursor *cursor;
	struct tally_record record;
	int result = tally_cursor_open(b->log, &range, &cursor, b->error);

	if (result != 0)
		return result;
	for (; seq <= b->range.to_seq && result == 0; seq++) {
		result = tally_cursor_next(cursor, &record, b->error);
		if (result == TALLY_END || (result == 0 && record.seq != seq))
			result = tally_fail(b->error, TALLY_E_DAMAGED,
			    "record %llu of the chain is not there",
			    (unsigned long long)seq);
		if (result == 0)
			result = write(arg, record.line, record.line_len);
	}
	tally_cursor_close(cursor);
	return result;
}

int
tally_log_bundle(struct tally_log *log, const struct tally_bundle_range *range,
    tally_write_fn *write, void *arg, struct tally_error *error)
{
	struct bundling *b = tally_sys_alloc(sizeof(*b));
	int result;

	if (b == NULL)
		return tally_fail_memory(error);
	b->log = log;
	b->error = error;
	result = tally_hasher_open(&b->hasher);
	if (result != 0)
		(void)tally_fail_memory(error);
	if (result == 0)
		result = take_range(b, range);
	if (result == 0)
		result = take_checkpoint(b);
	if (result == 0)
		result = take_front(b);
	if (result == 0 && tally_hasher_failed(&b->hasher))
		result = tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	if (result == 0)
		result = write_front(b, write, arg);
	if (result == 0)
		result = write_records(b, write, arg);
	tally_headtree_wipe(&b->tree);
	tally_published_note_wipe(&b->published);
	tally_hasher_close(&b->hasher);
	tally_sys_free(b);
	return result;
}
