/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does an id stand twice in its chain?
 *
 * The file is a row of blocks.  A block holds marks of one partition, and the
 * number of the partition's block before it, so that a partition is read
 * backwards and nothing in memory grows.  A partition too large to be sorted
 * at once is read several times, each time for a part of its keys.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/fail.h"
#include "log/sys.h"
#include "verify/ids.h"
#include "verify/judge.h"

#define PARTITIONS 256
#define BLOCK_MARKS 255              /* and one for the block's own words */
#define SORT_MARKS ((size_t)1 << 19) /* 8 MiB */

struct block {
	uint64_t before; /* number of the block before it + 1, or 0 */
	uint64_t count;
	struct tally_id_mark marks[BLOCK_MARKS];
};

struct tally_ids {
	int file;
	uint64_t blocks;
	uint64_t count[PARTITIONS];
	struct block open[PARTITIONS];
	struct block read;
};

/* What is compared of a record. */
struct named {
	char chain[TALLY_CHAIN_TEXT_MAX];
	char id[TALLY_ID_TEXT_MAX];
	size_t chain_len;
	size_t id_len;
	uint64_t seq;
	struct tally_where where;
};

static int
fail_file(struct tally_error *error, int os_result)
{
	return tally_fail_os(error, os_result,
	    "cannot use a temporary file for ids");
}

int
tally_ids_new(struct tally_ids **out_ids, struct tally_error *error)
{
	struct tally_ids *ids = tally_sys_alloc(sizeof(*ids));

	if (ids == NULL)
		return TALLY_E_MEMORY;
	ids->file = tally_sys_temporary();
	if (ids->file < 0) {
		int os_result = ids->file;

		tally_sys_free(ids);
		return fail_file(error, os_result);
	}
	*out_ids = ids;
	return 0;
}

void
tally_ids_free(struct tally_ids *ids)
{
	if (ids == NULL)
		return;
	tally_sys_close(ids->file);
	tally_sys_free(ids);
}

static int
read_block(struct tally_ids *ids, uint64_t number, struct tally_error *error)
{
	int64_t n = tally_sys_read(ids->file, &ids->read, sizeof(ids->read),
	    number * sizeof(ids->read));

	if (n == (int64_t)sizeof(ids->read))
		return 0;
	return fail_file(error, n < 0 ? (int)n : -EIO);
}

int
tally_ids_add(struct tally_ids *ids, uint64_t key, uint64_t at,
    struct tally_error *error)
{
	struct block *block = &ids->open[key >> 56];
	int r;

	ids->count[key >> 56]++;
	block->marks[block->count].key = key;
	block->marks[block->count++].at = at;
	if (block->count < BLOCK_MARKS)
		return 0;
	r = tally_sys_write(ids->file, block, sizeof(*block),
	    ids->blocks * sizeof(*block), NULL);
	if (r != 0)
		r = fail_file(error, r);
	block->before = ++ids->blocks;
	block->count = 0;
	return r;
}

static int
compare_marks(const void *left, const void *right)
{
	const struct tally_id_mark *a = left, *b = right;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

/* Returns 0, or TALLY_END if no good line stands there. */
static int
read_named(struct tally_judge *judge, uint64_t at, struct named *out)
{
	struct tally_line line;
	uint64_t end;
	size_t len;
	int r;

	out->where.extent = (uint32_t)(at >> 40);
	out->where.offset = at & ((UINT64_C(1) << 40) - 1);
	r = tally_source_find_end(&judge->source, out->where.extent,
	    out->where.offset, &end, judge->error);
	len = (size_t)(end - out->where.offset);
	if (r != 0 || len > TALLY_LINE_LONGEST)
		return r != 0 ? r : TALLY_END;
	r = tally_big_text(judge->big, len);
	if (r == 0)
		r = tally_source_read(&judge->source, out->where.extent,
		    out->where.offset, judge->big->text, len, judge->error);
	if (r != 0)
		return r;
	if (tally_line_decode(judge->big->text, len, &line) != 0 ||
	    line.header.id_len == 0)
		return TALLY_END;
	out->chain_len = line.header.chain_len;
	memcpy(out->chain, line.header.chain, out->chain_len);
	out->id_len = line.header.id_len;
	memcpy(out->id, line.header.id, out->id_len);
	out->seq = line.header.seq;
	return 0;
}

/* Two marks with one key: are they one id, under two seqs? */
static int
confirm(struct tally_judge *judge, uint64_t first, uint64_t second)
{
	struct named a, b;
	struct tally_notice notice = { .kind = TALLY_DUPLICATE,
		.no_index = true };
	char detail[80];
	int r;

	r = read_named(judge, first, &a);
	if (r == 0)
		r = read_named(judge, second, &b);
	if (r != 0)
		return r == TALLY_END ? 0 : r;
	if (a.seq == b.seq || a.chain_len != b.chain_len ||
	    a.id_len != b.id_len ||
	    memcmp(a.chain, b.chain, a.chain_len) != 0 ||
	    memcmp(a.id, b.id, a.id_len) != 0)
		return 0;
	snprintf(detail, sizeof(detail),
	    "its id stands at seq %llu of its chain, too",
	    (unsigned long long)a.seq);
	notice.chain = b.chain;
	notice.chain_len = b.chain_len;
	notice.seq = b.seq;
	notice.where = &b.where;
	notice.detail = detail;
	tally_report_tell(judge->report, &notice);
	return 0;
}

/* Sorts, confirms what is equal, and keeps the first of each key. */
static int
settle(struct tally_judge *judge, struct tally_id_mark *marks, size_t *len)
{
	size_t i, kept = 0;
	int r = 0;

	qsort(marks, *len, sizeof(*marks), compare_marks);
	for (i = 0; r == 0 && i < *len; i++) {
		if (kept > 0 && marks[kept - 1].key == marks[i].key)
			r = confirm(judge, marks[kept - 1].at, marks[i].at);
		else
			marks[kept++] = marks[i];
	}
	*len = kept;
	return r;
}

struct part {
	struct tally_id_mark *marks;
	size_t room; /* SORT_MARKS, or all that any partition has */
	size_t len;
	uint64_t number;
	uint64_t parts;
};

static int
collect(struct tally_judge *judge, struct part *part, const struct block *block)
{
	uint64_t i, key;
	int r = 0;

	for (i = 0; r == 0 && i < block->count; i++) {
		key = block->marks[i].key;
		if ((key >> 24 & 0xffffffff) % part->parts != part->number)
			continue;
		if (part->len == part->room)
			r = settle(judge, part->marks, &part->len);
		if (r == 0 && part->len == part->room)
			return tally_fail(judge->error, TALLY_E_LIMIT,
			    "too many ids to be compared");
		part->marks[part->len++] = block->marks[i];
	}
	return r;
}

/* One part of one partition. */
static int
finish_part(struct tally_judge *judge, unsigned partition, struct part *part)
{
	struct tally_ids *ids = judge->ids;
	const struct block *block = &ids->open[partition];
	uint64_t before;
	int r;

	part->len = 0;
	r = collect(judge, part, block);
	for (before = block->before; r == 0 && before != 0;
	     before = ids->read.before) {
		r = read_block(ids, before - 1, judge->error);
		if (r == 0)
			r = collect(judge, part, &ids->read);
	}
	return r != 0 ? r : settle(judge, part->marks, &part->len);
}

int
tally_ids_finish(struct tally_judge *judge)
{
	struct tally_ids *ids = judge->ids;
	struct part part = { 0 };
	unsigned partition;
	int r = 0;

	for (partition = 0; partition < PARTITIONS; partition++) {
		if (part.room < ids->count[partition])
			part.room = (size_t)ids->count[partition];
	}
	if (part.room > SORT_MARKS)
		part.room = SORT_MARKS;
	part.marks = tally_sys_alloc(part.room * sizeof(*part.marks));
	if (part.marks == NULL)
		return TALLY_E_MEMORY;
	for (partition = 0; r == 0 && partition < PARTITIONS; partition++) {
		part.parts = ids->count[partition] / (SORT_MARKS / 2) + 1;
		for (part.number = 0; r == 0 && part.number < part.parts;
		     part.number++)
			r = finish_part(judge, partition, &part);
	}
	tally_sys_free(part.marks);
	return r;
}
