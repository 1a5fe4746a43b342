/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge's walk over the lines of a chunk.
 *
 * 1. Chunks come in file order, one at a time; whoever brings one has the
 *    turn, and lends its scanner.
 * 2. A bad line is judged together with what follows it up to the next line
 *    that begins as a record does, also behind the chunk's end: what was read
 *    of the next chunk that way is skipped there (done_offset).
 */
#include <stdio.h>
#include <string.h>

#include "core/kinds.h"
#include "log/sys.h"
#include "verify/ids.h"
#include "verify/judge.h"

/* Bytes of the name of a kind that is not known. */
#define KIND_SHOWN 40

static const char log_chain[] = TALLY_OWN_CHAIN;

static int
add_log_chain(struct tally_judge *judge)
{
	size_t len = sizeof(log_chain) - 1;
	int r;

	r = tally_chains_add(&judge->chains, log_chain, len,
	    tally_chains_key(judge->chains.seed, log_chain, len),
	    &judge->log_chain);
	if (r == 0)
		tally_barrier_set(judge, judge->log_chain);
	return r;
}

int
tally_judge_init(struct tally_judge *judge)
{
	uint32_t i;
	int r;

	r = tally_chains_init(&judge->chains, judge->plan->seed);
	if (r != 0)
		return r;
	judge->troubles = tally_sys_alloc(TALLY_TROUBLES_MAX *
	    sizeof(*judge->troubles));
	if (judge->troubles == NULL)
		return TALLY_E_MEMORY;
	for (i = 0; i < TALLY_TROUBLES_MAX; i++)
		judge->troubles[i].chain = TALLY_CHAIN_NONE;
	judge->repair_budget = TALLY_REPAIR_BUDGET;
	judge->visit_budget = TALLY_VISIT_BUDGET;
	tally_frontier_init(&judge->frontier);
	tally_source_open(&judge->source, judge->snapshot);
	r = add_log_chain(judge);
	if (r == 0)
		r = tally_orders_init(judge);
	return r != 0 ? r : tally_outside_init(judge);
}

void
tally_judge_wipe(struct tally_judge *judge)
{
	tally_source_close(&judge->source);
	tally_chains_wipe(&judge->chains);
	tally_sys_free(judge->troubles);
	tally_sys_free(judge->earlies);
	tally_sys_free(judge->gaps);
	tally_sys_free(judge->lost);
	tally_sys_free(judge->doubts);
	tally_orders_wipe(judge);
	tally_sealed_wipe(&judge->sealed);
	tally_served_wipe(&judge->served);
}

void
tally_judge_leaf(struct tally_judge *judge, const struct tally_hash *leaf)
{
	struct tally_hasher *hasher = &judge->scanner->hasher;

	tally_frontier_append(hasher, &judge->frontier, leaf);
	judge->size++;
	if (judge->options->has_root &&
	    judge->size == judge->options->root_size) {
		judge->root = tally_frontier_root(hasher, &judge->frontier);
		judge->root_seen = true;
	}
	tally_served_pass(judge);
}

void
tally_judge_enter(struct tally_judge *judge, uint32_t extent)
{
	const struct tally_extent *extents = judge->snapshot->extents;
	struct tally_bound bound;
	int64_t shift;

	for (; judge->extent <= extent; judge->extent++) {
		shift = (int64_t)(extents[judge->extent].first_index -
		    judge->size);
		if (shift == judge->shift)
			continue;
		bound.extent = judge->extent;
		bound.shift = shift - judge->shift;
		judge->shift = shift;
		if (judge->bounds_len < TALLY_BOUNDS_MAX)
			judge->bounds[judge->bounds_len++] = bound;
	}
}

/* An erased line, and one whose event was left in another store. */
static void
tell_body(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_step *step)
{
	if (line->body == TALLY_BODY_ELSEWHERE)
		tally_tell_step(judge, TALLY_NOT_JUDGED, step,
		    "its event is kept in another store");
	else
		judge->has_erased = true;
}

/* So much of it that no character is cut. */
static size_t
shown(const struct tally_span *kind)
{
	size_t len = kind->len;

	if (len <= KIND_SHOWN)
		return len;
	len = KIND_SHOWN;
	while (len > 0 && ((unsigned char)kind->at[len] & 0xc0) == 0x80)
		len--;
	return len;
}

/*
 * What recovery set aside, by the event that it left (doc/format.md, section
 * 8): no break, but records that were acknowledged can have stood there if the
 * storage had lost what it confirmed, and only an outside head knows.  And
 * what this version does not know at all.
 */
static void
tell_own(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_step *step)
{
	static const char torn[] = "{\"torn\":{\"bytes\":";
	struct tally_span kind;
	char detail[160];

	if (!tally_log_kind_is_known(line->event, line->event_len, step->seq,
		&kind)) {
		(void)snprintf(detail, sizeof(detail),
		    "its event is of the kind \"%.*s\", which is not known"
		    " here: it may change how the log is to be judged",
		    (int)shown(&kind), kind.at);
		tally_tell_step(judge, TALLY_NOT_JUDGED, step, detail);
	}
	if (line->event_len > sizeof(torn) - 1 &&
	    memcmp(line->event, torn, sizeof(torn) - 1) == 0)
		tally_tell_step(judge, TALLY_TORN_TAIL, step,
		    "a torn end was set aside here; its event says what, and"
		    " how much was durable");
}

int
tally_judge_record(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_where *where)
{
	const struct tally_header *header = &line->header;
	struct tally_step step = {
		.prev = header->prev,
		.hash = line->hash,
		.seq = header->seq,
		.where = *where,
	};
	uint64_t key = tally_chains_key(judge->chains.seed, header->chain,
	    header->chain_len);
	int r = 0;

	step.chain = tally_chains_find(&judge->chains, header->chain,
	    header->chain_len, key);
	if (step.chain == TALLY_CHAIN_NONE)
		r = tally_chains_add(&judge->chains, header->chain,
		    header->chain_len, key, &step.chain);
	if (r == 0 && judge->ids != NULL && header->id_len > 0)
		r = tally_ids_add(judge->ids,
		    tally_chunk_id_key(judge->plan->seed, header),
		    (uint64_t)where->extent << 40 | where->offset,
		    judge->error);
	if (r != 0)
		return r;
	judge->records++;
	if (line->body != TALLY_BODY_EVENT)
		tell_body(judge, line, &step);
	if (step.chain == judge->log_chain && header->seq == 1 &&
	    !judge->log_begun)
		tally_outside_first(judge, line, where);
	if (step.chain == judge->log_chain && line->body == TALLY_BODY_EVENT) {
		tell_own(judge, line, &step);
		r = tally_orders_take(judge, line, &step);
	}
	if (r == 0 && line->body == TALLY_BODY_EVENT && tally_heads_is(header))
		r = tally_sealed_take(judge, line, &step);
	tally_steps_take(judge, &step);
	return r;
}

/* Where the bad bytes from offset on end; end is behind its first line. */
static int
find_run_end(struct tally_judge *judge, uint32_t extent, uint64_t end,
    uint64_t *out_end)
{
	uint64_t bytes = judge->snapshot->extents[extent].bytes;
	char begin[TALLY_BEGIN_LEN];
	size_t len;
	int r;

	while (end < bytes) {
		len = sizeof(begin);
		if (bytes - end < len)
			len = (size_t)(bytes - end);
		r = tally_source_read(&judge->source, extent, end, begin, len,
		    judge->error);
		if (r != 0)
			return r;
		if (tally_line_begins(begin, len))
			break;
		r = tally_source_find_end(&judge->source, extent, end, &end,
		    judge->error);
		if (r != 0)
			return r;
	}
	*out_end = end;
	return 0;
}

/* The line at offset, or NULL if it is longer than any; *out_end is behind
 * it. */
static int
get_line(struct tally_judge *judge, const struct tally_chunk *chunk,
    uint64_t offset, const char **out_text, uint64_t *out_end)
{
	size_t at = (size_t)(offset - chunk->text_at);
	const char *text = chunk->text + at, *feed = NULL;
	int r;

	if (at < chunk->text_len)
		feed = memchr(text, '\n', chunk->text_len - at);
	if (feed != NULL) {
		*out_text = text;
		*out_end = offset + (size_t)(feed - text) + 1;
		return 0;
	}
	r = tally_source_find_end(&judge->source, chunk->extent, offset,
	    out_end, judge->error);
	*out_text = NULL;
	if (r != 0 || *out_end - offset > TALLY_LINE_LONGEST)
		return r;
	r = tally_big_text(judge->big, (size_t)(*out_end - offset));
	if (r == 0)
		r = tally_source_read(&judge->source, chunk->extent, offset,
		    judge->big->text, (size_t)(*out_end - offset),
		    judge->error);
	*out_text = judge->big->text;
	return r;
}

/* In a verification of one chain: a line of another. */
static bool
skip_line(struct tally_judge *judge, const char *text, size_t len)
{
	const struct tally_chunk_plan *plan = judge->plan;
	struct tally_line line;

	if (plan->only == NULL || text == NULL ||
	    tally_line_decode(text, len, &line) != 0 ||
	    (line.header.chain_len == plan->only_len &&
		memcmp(line.header.chain, plan->only, plan->only_len) == 0))
		return false;
	tally_judge_leaf(judge, &line.hash);
	return true;
}

/* One line, or the run of bad lines that it begins. */
static int
walk_line(struct tally_judge *judge, const struct tally_chunk *chunk,
    uint64_t offset, uint64_t *out_end)
{
	struct tally_where where = { judge->size, offset, chunk->extent };
	enum tally_line_state state = TALLY_LINE_NONE;
	struct tally_line line;
	const char *text;
	size_t len;
	int r;

	r = get_line(judge, chunk, offset, &text, out_end);
	len = (size_t)(*out_end - offset);
	if (r != 0 || judge->cut || skip_line(judge, text, len))
		return r;
	if (text != NULL)
		r = tally_line_judge(judge->scanner, text, len, true, &line,
		    &state);
	if (r == 0 && state == TALLY_LINE_HOLDS) {
		r = tally_judge_record(judge, &line, &where);
		tally_judge_leaf(judge, &line.hash);
		return r;
	}
	if (r == 0)
		r = find_run_end(judge, chunk->extent, *out_end, out_end);
	if (r == 0)
		r = tally_judge_run(judge, chunk->extent, offset, *out_end);
	return r;
}

static int
walk(struct tally_judge *judge, const struct tally_chunk *chunk)
{
	uint64_t offset = chunk->first_line, end = 0;
	int r = 0;

	if (judge->done_extent == chunk->extent && judge->done_offset > offset)
		offset = judge->done_offset;
	for (; r == 0 && offset < chunk->end; offset = end)
		r = walk_line(judge, chunk, offset, &end);
	judge->done_extent = chunk->extent;
	judge->done_offset = offset;
	return r;
}

int
tally_judge_chunk(struct tally_judge *judge, const struct tally_chunk *chunk)
{
	bool joined = false;
	int r = 0;

	tally_judge_enter(judge, chunk->extent);
	if (chunk->clean && judge->size > 0 && !judge->cut)
		r = tally_judge_join(judge, chunk, &joined);
	if (r == 0 && !joined) {
		pthread_mutex_lock(&judge->big->lock);
		r = walk(judge, chunk);
		pthread_mutex_unlock(&judge->big->lock);
	}
	if (r == 0 && tally_hasher_failed(&judge->scanner->hasher))
		r = TALLY_E_BUG;
	return r == 0 && judge->no_memory ? TALLY_E_MEMORY : r;
}
