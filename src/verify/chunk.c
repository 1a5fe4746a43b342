/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scanning and folding a chunk.
 *
 * 1. A chunk owns the lines whose first byte lies in [begin, end).  Whether
 *    begin is such a byte is told by the byte before it, which is read too.
 * 2. Leaves stay in the order of the lines until they are folded; locals
 *    point at them, so a chunk is joined by copies (first_prev, last hash)
 *    that fold leaves alone: it works behind the last leaf of a local only
 *    after tally_local.last_hash was moved to the side.
 * 3. The text of a line that the chunk has no room for is judged in the big
 *    buffer; its header lies in the chunk's text all the same.
 */
#include <string.h>

#include "log/sys.h"
#include "verify/chunk.h"
#include "verify/fast.h"

/* Read behind the chunk at first, for the end of its last line. */
#define SLACK_FIRST ((size_t)4 << 10)

int
tally_chunk_init(struct tally_chunk *chunk, const struct tally_chunk_plan *plan)
{
	size_t records = plan->size / TALLY_LINE_SHORTEST + 2;
	uint32_t slots = 64;

	while (slots < 2 * records)
		slots *= 2;
	memset(chunk, 0, sizeof(*chunk));
	chunk->slots_mask = slots - 1;
	chunk->room = tally_sys_alloc(TALLY_FAST_HEAD + 1 + plan->size +
	    plan->slack);
	/* The second half takes each chain's last hash when leaves fold. */
	chunk->leaves = tally_sys_alloc(2 * records * sizeof(*chunk->leaves));
	chunk->locals = tally_sys_alloc(records * sizeof(*chunk->locals));
	chunk->slots = tally_sys_alloc(slots * sizeof(*chunk->slots));
	if (plan->ids)
		chunk->marks = tally_sys_alloc(records * sizeof(*chunk->marks));
	if (chunk->room == NULL || chunk->leaves == NULL ||
	    chunk->locals == NULL || chunk->slots == NULL ||
	    (plan->ids && chunk->marks == NULL))
		return TALLY_E_MEMORY;
	chunk->text = chunk->room + TALLY_FAST_HEAD;
	return 0;
}

void
tally_chunk_wipe(struct tally_chunk *chunk)
{
	tally_sys_free(chunk->room);
	tally_sys_free(chunk->leaves);
	tally_sys_free(chunk->locals);
	tally_sys_free(chunk->slots);
	tally_sys_free(chunk->marks);
	tally_sys_free(chunk->heads.note);
	tally_sys_free(chunk->heads.entry);
	memset(chunk, 0, sizeof(*chunk));
}

uint64_t
tally_chunk_id_key(uint64_t seed, const struct tally_header *header)
{
	uint64_t key = tally_chains_key(seed, header->chain, header->chain_len);

	return tally_chains_key(key, header->id, header->id_len);
}

/* The chain's entry in this chunk; a new one has name NULL. */
static struct tally_local *
local_of(struct tally_chunk *chunk, const struct tally_header *header,
    uint64_t key)
{
	struct tally_local *local;
	uint32_t at;

	for (at = (uint32_t)key & chunk->slots_mask; chunk->slots[at] != 0;
	     at = (at + 1) & chunk->slots_mask) {
		local = &chunk->locals[chunk->slots[at] - 1];
		if (local->key == key && local->name_len == header->chain_len &&
		    memcmp(local->name, header->chain, local->name_len) == 0)
			return local;
	}
	local = &chunk->locals[chunk->locals_len];
	chunk->slots[at] = ++chunk->locals_len;
	local->name = NULL;
	local->key = key;
	return local;
}

static void
mark_id(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    const struct tally_header *header, uint64_t offset)
{
	struct tally_id_mark *mark;

	if (!plan->ids || header->id_len == 0)
		return;
	mark = &chunk->marks[chunk->marks_len++];
	mark->key = tally_chunk_id_key(plan->seed, header);
	mark->at = (uint64_t)chunk->extent << 40 | offset;
}

/* One record more, of this chain. */
static void
add(struct tally_chunk *chunk, struct tally_local *local, uint64_t seq,
    const struct tally_hash *hash, uint64_t offset)
{
	struct tally_hash *leaf = &chunk->leaves[chunk->records];

	*leaf = *hash;
	local->last_seq = seq;
	local->last_hash = leaf;
	local->last = chunk->records++;
	local->offset = (uint32_t)(offset - chunk->begin);
	chunk->judged++;
}

/* The log's own words about itself are read one by one. */
static bool
is_own(const struct tally_header *header)
{
	return header->chain_len == sizeof(TALLY_OWN_CHAIN) - 1 &&
	    memcmp(header->chain, TALLY_OWN_CHAIN, header->chain_len) == 0;
}

/*
 * Takes a line that holds.  at is where it stands in the chunk's own text;
 * whole: all of it does.  Returns false if it does not link.
 */
static bool
take(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    const struct tally_line *line, const char *at, bool whole, uint64_t offset)
{
	const struct tally_header *header = &line->header;
	struct tally_local *local;

	local = local_of(chunk, header,
	    tally_chains_key(plan->seed, header->chain, header->chain_len));
	if (local->name == NULL) {
		local->name = at + (header->chain - line->header_text);
		local->name_len = (uint32_t)header->chain_len;
		local->first_seq = header->seq;
		local->first_prev = header->prev;
		local->first = chunk->records;
	} else if (header->seq != local->last_seq + 1 ||
	    !tally_hash_equal(&header->prev, local->last_hash)) {
		return false;
	}
	add(chunk, local, header->seq, &line->hash, offset);
	/* Without it the next record of the chain does not take the quick
	 * way. */
	local->last_text = whole && !is_own(header) && !tally_heads_is(header)
	    ? at + line->header_len + strlen(",\"hash\":\"")
	    : NULL;
	mark_id(chunk, plan, header, offset);
	return true;
}

static bool
is_skipped(const struct tally_chunk_plan *plan,
    const struct tally_header *header)
{
	return plan->only != NULL &&
	    (header->chain_len != plan->only_len ||
		memcmp(header->chain, plan->only, plan->only_len) != 0);
}

/* One line of len bytes at text; at: where it is in the chunk's text. */
static int
scan_line(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    struct tally_scanner *scanner, const char *text, size_t len, const char *at,
    bool big_held, uint64_t offset)
{
	enum tally_line_state state;
	struct tally_line line;
	int r;

	chunk->clean = false;
	if (plan->only != NULL && tally_line_decode(text, len, &line) == 0 &&
	    is_skipped(plan, &line.header)) {
		chunk->leaves[chunk->records++] = line.hash;
		chunk->clean = true;
		return 0;
	}
	r = tally_line_judge(scanner, text, len, big_held, &line, &state);
	if (r != 0 || state != TALLY_LINE_HOLDS ||
	    line.body != TALLY_BODY_EVENT ||
	    (is_own(&line.header) && line.header.seq > 1))
		return r;
	if (plan->only == NULL && tally_heads_is(&line.header))
		r = tally_chunk_heads_add(chunk, &scanner->hasher, &line,
		    offset);
	if (r == 0)
		chunk->clean = take(chunk, plan, &line, at, !big_held, offset);
	return r;
}

/* The same, tried the quick way first; the line is the chunk's own text. */
static int
scan_own_line(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    struct tally_scanner *scanner, char *text, size_t len, uint64_t offset)
{
	struct tally_header header;
	struct tally_fast fast;
	bool held = false;
	int r = 0;

	if (plan->only == NULL)
		r = tally_fast_line(chunk, plan, scanner, text, len, &fast,
		    &held);
	if (r != 0 || !held)
		return r != 0 ? r
			      : scan_line(chunk, plan, scanner, text, len, text,
				    false, offset);
	add(chunk, fast.local, fast.local->last_seq + 1, &fast.hash, offset);
	fast.local->last_text = fast.hash_text;
	if (plan->ids && fast.id_len > 0) {
		header.chain = fast.local->name;
		header.chain_len = fast.local->name_len;
		header.id = fast.id;
		header.id_len = fast.id_len;
		mark_id(chunk, plan, &header, offset);
	}
	return 0;
}

/* Reads the chunk with the byte before it and what follows it. */
static int
read_text(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    struct tally_source *source, struct tally_error *error)
{
	uint64_t bytes = plan->snapshot->extents[chunk->extent].bytes;
	size_t slack = plan->slack < SLACK_FIRST ? plan->slack : SLACK_FIRST;
	const char *feed;
	uint64_t end;
	int r;

	chunk->text_at = chunk->begin == 0 ? 0 : chunk->begin - 1;
	end = bytes - chunk->end < slack ? bytes : chunk->end + slack;
	chunk->text_len = (size_t)(end - chunk->text_at);
	r = tally_source_read(source, chunk->extent, chunk->text_at,
	    chunk->text, chunk->text_len, error);
	if (r != 0)
		return r;
	chunk->first_line = chunk->begin;
	if (chunk->begin == 0 || chunk->text[0] == '\n')
		return 0;
	feed = memchr(chunk->text, '\n', (size_t)(chunk->end - chunk->text_at));
	chunk->first_line = feed == NULL
	    ? chunk->end
	    : chunk->text_at + (size_t)(feed - chunk->text) + 1;
	return 0;
}

/* Reads as far as the slack goes.  *out_grew: there is more now. */
static int
read_more(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    struct tally_source *source, bool *out_grew, struct tally_error *error)
{
	uint64_t bytes = plan->snapshot->extents[chunk->extent].bytes;
	uint64_t have = chunk->text_at + chunk->text_len, end;
	int r;

	end = bytes - chunk->end < plan->slack ? bytes
					       : chunk->end + plan->slack;
	*out_grew = end > have;
	if (end <= have)
		return 0;
	r = tally_source_read(source, chunk->extent, have,
	    chunk->text + chunk->text_len, (size_t)(end - have), error);
	if (r == 0)
		chunk->text_len += (size_t)(end - have);
	return r;
}

/* The last line, which the chunk has no room for. */
static int
scan_big(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    struct tally_source *source, struct tally_scanner *scanner, uint64_t offset,
    struct tally_error *error)
{
	struct tally_big *big = scanner->big;
	uint64_t end;
	int r;

	chunk->clean = false;
	r = tally_source_find_end(source, chunk->extent, offset, &end, error);
	if (r != 0 || end - offset > TALLY_LINE_LONGEST)
		return r;
	pthread_mutex_lock(&big->lock);
	r = tally_big_text(big, (size_t)(end - offset));
	if (r == 0)
		r = tally_source_read(source, chunk->extent, offset, big->text,
		    (size_t)(end - offset), error);
	if (r == 0)
		r = scan_line(chunk, plan, scanner, big->text,
		    (size_t)(end - offset),
		    chunk->text + (offset - chunk->text_at), true, offset);
	pthread_mutex_unlock(&big->lock);
	return r;
}

int
tally_chunk_scan(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    struct tally_source *source, struct tally_scanner *scanner,
    struct tally_error *error)
{
	uint64_t offset;
	char *line, *feed;
	size_t at, len;
	bool grew = true;
	int r;

	chunk->clean = true;
	chunk->records = chunk->judged = 0;
	chunk->locals_len = chunk->marks_len = 0;
	chunk->heads.len = chunk->heads.entries_len = 0;
	memset(chunk->minute, 0, sizeof(chunk->minute));
	memset(chunk->slots, 0,
	    ((size_t)chunk->slots_mask + 1) * sizeof(*chunk->slots));
	r = read_text(chunk, plan, source, error);
	offset = chunk->first_line;
	while (r == 0 && chunk->clean && offset < chunk->end) {
		at = (size_t)(offset - chunk->text_at);
		line = chunk->text + at;
		feed = memchr(line, '\n', chunk->text_len - at);
		if (feed == NULL) {
			r = read_more(chunk, plan, source, &grew, error);
			if (r != 0 || grew)
				continue;
			r = scan_big(chunk, plan, source, scanner, offset,
			    error);
			break;
		}
		len = (size_t)(feed - line) + 1;
		r = scan_own_line(chunk, plan, scanner, line, len, offset);
		offset += len;
	}
	return r;
}

void
tally_chunk_fold(struct tally_chunk *chunk, struct tally_hasher *hasher)
{
	struct tally_hash *leaf = chunk->leaves, *side;
	uint64_t index = chunk->first_index;
	uint64_t end = index + chunk->records;
	uint32_t i, count;
	unsigned height;

	side = chunk->leaves + chunk->records;
	for (i = 0; i < chunk->locals_len; i++) {
		side[i] = *chunk->locals[i].last_hash;
		chunk->locals[i].last_hash = &side[i];
	}
	chunk->parts_len = 0;
	while (index < end) {
		for (height = 0; (index >> height & 1) == 0 &&
		     (UINT64_C(2) << height) <= end - index;
		     height++)
			;
		for (count = 1u << height; count > 1; count /= 2) {
			for (i = 0; i < count / 2; i++)
				leaf[i] = tally_hash_node(hasher, &leaf[2 * i],
				    &leaf[2 * i + 1]);
		}
		chunk->parts[chunk->parts_len].height = height;
		chunk->parts[chunk->parts_len++].root = leaf[0];
		leaf += (size_t)1 << height;
		index += UINT64_C(1) << height;
	}
}
