/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second walk over the headers, made only when the first one left doubts:
 * records with a seq that was there already (a copy of it, another successor
 * of the same record, or a foreign one?), and erased lines, whose orders come
 * later than they.  One walk answers all of them.
 */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "log/sys.h"
#include "verify/judge.h"

#define ROOM ((size_t)256 << 10)

/* Of an entry of by_seq and by_prev, which are pointers. */
#define DOUBT_SIZE (sizeof(struct tally_doubt *))

struct second {
	struct tally_judge *judge;
	struct tally_doubt **by_seq;  /* sorted by chain and seq */
	struct tally_doubt **by_prev; /* sorted by prev */
	size_t len;
	uint64_t index;
	char *room; /* ROOM bytes of the segment from room_at on */
	uint64_t room_at;
	size_t room_len;
};

static int
compare_seq(const void *left, const void *right)
{
	const struct tally_doubt *a = *(struct tally_doubt *const *)left;
	const struct tally_doubt *b = *(struct tally_doubt *const *)right;

	if (a->step.chain != b->step.chain)
		return a->step.chain < b->step.chain ? -1 : 1;
	return a->step.seq < b->step.seq ? -1 : a->step.seq > b->step.seq;
}

static int
compare_prev(const void *left, const void *right)
{
	const struct tally_doubt *a = *(struct tally_doubt *const *)left;
	const struct tally_doubt *b = *(struct tally_doubt *const *)right;

	return memcmp(a->step.prev.b, b->step.prev.b, TALLY_HASH_SIZE);
}

/* The first entry that is not below key. */
static size_t
lower_bound(struct tally_doubt *const *sorted, size_t len,
    const struct tally_doubt *key, int (*compare)(const void *, const void *))
{
	size_t low = 0, high = len, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (compare(&sorted[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
match(struct second *second, uint32_t extent, uint64_t offset,
    const struct tally_salvage *line, uint32_t chain)
{
	struct tally_doubt key = {
		.step = { .chain = chain, .seq = line->seq, .prev = line->hash }
	};
	const struct tally_doubt *at = &key;
	struct tally_doubt *doubt;
	size_t i;

	for (i = lower_bound(second->by_seq, second->len, &key, compare_seq);
	     i < second->len && compare_seq(&second->by_seq[i], &at) == 0;
	     i++) {
		doubt = second->by_seq[i];
		if (doubt->step.where.extent == extent &&
		    doubt->step.where.offset == offset)
			continue;
		doubt->has_other = true;
		if (tally_hash_equal(&doubt->step.hash, &line->hash))
			doubt->is_copy = true;
	}
	for (i = lower_bound(second->by_prev, second->len, &key, compare_prev);
	     i < second->len && compare_prev(&second->by_prev[i], &at) == 0;
	     i++)
		second->by_prev[i]->has_parent |= second->by_prev[i]
						      ->step.chain == chain;
}

/* The order that an erased line names, or 0 if it is none. */
static uint64_t
order_of(const char *text, size_t len, const struct tally_salvage *line)
{
	static const char erased[] =
	    "\",\"erased\":{\"chain\":\"tally:log\",\"seq\":";
	size_t at = line->header_len + strlen(",\"hash\":\"") +
	    (size_t)2 * TALLY_HASH_SIZE;
	size_t digits = 0;
	uint64_t seq;

	if (at + sizeof(erased) - 1 > len ||
	    memcmp(text + at, erased, sizeof(erased) - 1) != 0)
		return 0;
	at += sizeof(erased) - 1;
	while (at + digits < len && text[at + digits] >= '0' &&
	    text[at + digits] <= '9')
		digits++;
	return tally_decimal_parse(text + at, digits, TALLY_SEQ_MAX, &seq) == 0
	    ? seq
	    : 0;
}

/* One line's beginning. */
static int
take(struct second *second, uint32_t extent, uint64_t offset, const char *text,
    size_t len)
{
	struct tally_chains *chains = &second->judge->chains;
	struct tally_salvage line;
	struct tally_step step = { .where = { second->index, offset, extent } };
	uint64_t order;

	tally_salvage_walk(NULL, text, len, &line);
	if (!line.has_chain || !line.has_hash || !line.has_seq)
		return 0;
	step.chain = tally_chains_find(chains, line.chain, line.chain_len,
	    tally_chains_key(chains->seed, line.chain, line.chain_len));
	if (step.chain == TALLY_CHAIN_NONE)
		return 0;
	step.seq = line.seq;
	step.hash = line.hash;
	if (second->len > 0)
		match(second, extent, offset, &line, step.chain);
	order = second->judge->has_erased ? order_of(text, len, &line) : 0;
	/* In a verification of one chain, others' lines are not judged. */
	if (order == 0 ||
	    (second->judge->plan->only != NULL &&
		(line.chain_len != second->judge->plan->only_len ||
		    memcmp(line.chain, second->judge->plan->only,
			line.chain_len) != 0)))
		return 0;
	return tally_orders_judge_erased(second->judge, order, &step);
}

/* Makes [offset, ...) of the segment stand in the room. */
static int
fill(struct second *second, uint32_t extent, uint64_t offset)
{
	uint64_t bytes = second->judge->snapshot->extents[extent].bytes;

	second->room_at = offset;
	second->room_len = ROOM;
	if (bytes - offset < ROOM)
		second->room_len = (size_t)(bytes - offset);
	return tally_source_read(&second->judge->source, extent, offset,
	    second->room, second->room_len, second->judge->error);
}

static int
walk_extent(struct second *second, uint32_t extent)
{
	uint64_t bytes = second->judge->snapshot->extents[extent].bytes;
	uint64_t offset = 0;
	const char *line, *feed;
	size_t at, len;
	int r = 0;

	second->room_at = second->room_len = 0;
	while (r == 0 && offset < bytes) {
		at = (size_t)(offset - second->room_at);
		if ((at >= second->room_len ||
			second->room_len - at < TALLY_PREFIX_MAX) &&
		    second->room_at + second->room_len < bytes) {
			r = fill(second, extent, offset);
			at = 0;
		}
		if (r != 0)
			break;
		line = second->room + at;
		len = second->room_len - at;
		feed = memchr(line, '\n', len);
		if (feed != NULL)
			len = (size_t)(feed - line) + 1;
		r = take(second, extent, offset, line, len);
		second->index++;
		if (r != 0)
			break;
		if (feed != NULL)
			offset += len;
		else
			r = tally_source_find_end(&second->judge->source,
			    extent, offset, &offset, second->judge->error);
	}
	return r;
}

static void
tell(struct tally_judge *judge)
{
	const struct tally_doubt *doubt;
	uint32_t i;

	for (i = 0; i < judge->doubts_len; i++) {
		doubt = &judge->doubts[i];
		if (doubt->is_copy)
			tally_tell_step(judge, TALLY_DUPLICATE, &doubt->step,
			    "the same record stands there twice");
		else if (doubt->has_parent || !doubt->has_prev)
			tally_tell_step(judge, TALLY_FORKED, &doubt->step,
			    "another record follows the same one");
		else
			tally_tell_step(judge, TALLY_INSERTED, &doubt->step,
			    "it links to no record of its chain");
	}
	judge->doubts_len = 0;
}

/* A head that became a doubt lost its prev; its line has it. */
static int
read_prev(struct tally_judge *judge, struct tally_doubt *doubt)
{
	const struct tally_where *where = &doubt->step.where;
	uint64_t bytes = judge->snapshot->extents[where->extent].bytes;
	char text[TALLY_PREFIX_MAX];
	struct tally_salvage line;
	size_t len = sizeof(text);
	int r;

	if (bytes - where->offset < len)
		len = (size_t)(bytes - where->offset);
	r = tally_source_read(&judge->source, where->extent, where->offset,
	    text, len, judge->error);
	if (r != 0)
		return r;
	tally_salvage_walk(NULL, text, len, &line);
	doubt->has_prev = line.has_prev;
	doubt->step.prev = line.prev;
	return 0;
}

static int
sort_doubts(struct second *second)
{
	struct tally_judge *judge = second->judge;
	struct tally_doubt *doubt;
	uint32_t i;
	int r;

	second->len = judge->doubts_len;
	for (i = 0; i < judge->doubts_len; i++) {
		doubt = &judge->doubts[i];
		if (!doubt->has_prev) {
			r = read_prev(judge, doubt);
			if (r != 0)
				return r;
		}
		/* The first of a chain has no parent but its place. */
		doubt->has_parent = doubt->step.seq == 1 && doubt->has_prev &&
		    tally_hash_is_zero(&doubt->step.prev);
		second->by_seq[i] = doubt;
		second->by_prev[i] = doubt;
	}
	qsort(second->by_seq, second->len, DOUBT_SIZE, compare_seq);
	qsort(second->by_prev, second->len, DOUBT_SIZE, compare_prev);
	return 0;
}

int
tally_judge_second(struct tally_judge *judge)
{
	struct second second = { .judge = judge };
	uint32_t extent;
	int r = 0;

	if (judge->doubts_len == 0 && !judge->has_erased)
		return 0;
	second.room = tally_sys_alloc(ROOM);
	second.by_seq = tally_sys_alloc((judge->doubts_len + 1) * DOUBT_SIZE);
	second.by_prev = tally_sys_alloc((judge->doubts_len + 1) * DOUBT_SIZE);
	if (second.room == NULL || second.by_seq == NULL ||
	    second.by_prev == NULL)
		r = TALLY_E_MEMORY;
	if (r == 0)
		r = sort_doubts(&second);
	for (extent = 0; r == 0 && extent < judge->snapshot->extents_len;
	     extent++)
		r = walk_extent(&second, extent);
	if (r == 0)
		tell(judge);
	tally_sys_free(second.room);
	tally_sys_free(second.by_seq);
	tally_sys_free(second.by_prev);
	return r;
}
