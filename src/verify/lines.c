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
#include <string.h>

#include "verify/judge.h"

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
