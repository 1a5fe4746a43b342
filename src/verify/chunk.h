/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chunk: the lines that start in one stretch of a segment.  It is scanned
 * by whichever thread takes it, without knowing what came before:
 *
 *	scan   every line by itself, and each chain's links inside the chunk;
 *	fold   once the chunk's first index is known: its leaves to perfect
 *	       subtrees of the log's tree;
 *	join   in file order, by one thread at a time (join.c): the first of
 *	       each chain against the chain's head, the subtrees to the tree.
 *
 * A chunk in which anything at all is unusual is not clean, its scan stops
 * there, and the judge goes over it line by line instead.
 */
#ifndef TALLY_VERIFY_CHUNK_H
#define TALLY_VERIFY_CHUNK_H

#include "verify/chains.h"
#include "verify/heads.h"
#include "verify/line.h"
#include "verify/source.h"

/* No line is shorter: names, seq and event of one byte make 299. */
#define TALLY_LINE_SHORTEST ((size_t)299)

/* "2026-11-21T01:26:" */
#define TALLY_MINUTE_LEN 17

/* What was done to the log; its records are always judged one by one. */
#define TALLY_OWN_CHAIN "tally:log"

/* Subtrees that a range of leaves can consist of. */
#define TALLY_PARTS_MAX 64

/* One chain inside a chunk. */
struct tally_local {
	const char *name; /* in the chunk's text; escaped */
	uint64_t key;
	uint64_t first_seq;
	uint64_t last_seq;
	const struct tally_hash *last_hash; /* among the leaves */
	const char *last_text; /* the same in the chunk's text, or NULL */
	struct tally_hash first_prev;
	uint32_t name_len;
	uint32_t first; /* number of the record in the chunk */
	uint32_t last;
	uint32_t offset; /* of the last one in the chunk */
	uint32_t number; /* of the chain, when it is joined */
};

struct tally_part {
	unsigned height;
	struct tally_hash root;
};

/* A record's id, for finding ids that stand twice. */
struct tally_id_mark {
	uint64_t key;
	uint64_t at; /* extent << 40 | offset */
};

/* What all chunks have in common. */
struct tally_chunk_plan {
	const struct tally_snapshot *snapshot;
	uint64_t seed;
	const char *only; /* escaped: the one chain to judge, or NULL */
	size_t only_len;
	bool ids;
	size_t size;  /* of a chunk in bytes */
	size_t slack; /* room for its last line */
	/* So many segments are walked now; what is the last one of the log is
	 * for the snapshot to say. */
	size_t extents_end;
};

struct tally_chunk {
	uint32_t extent;
	uint64_t begin; /* offset in the segment */
	uint64_t end;
	char *room;      /* of text, and something before it */
	char *text;      /* from text_at on */
	size_t text_len; /* bytes there */
	uint64_t text_at;
	uint64_t first_line; /* offset of the first line that it owns */
	char minute[TALLY_MINUTE_LEN]; /* of the last time that was parsed */
	bool clean;
	uint32_t records;
	uint32_t judged; /* of these, not skipped */
	uint64_t first_index;
	struct tally_hash *leaves;
	struct tally_local *locals;
	uint32_t locals_len;
	uint32_t *slots; /* number of the local + 1 */
	uint32_t slots_mask;
	struct tally_id_mark *marks;
	uint32_t marks_len;
	struct tally_part parts[TALLY_PARTS_MAX];
	unsigned parts_len;
	struct tally_chunk_heads heads;
};

/* Memory of one chunk, allocated once.  Returns 0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_chunk_init(struct tally_chunk *chunk,
    const struct tally_chunk_plan *plan);

void
tally_chunk_wipe(struct tally_chunk *chunk);

/* extent, begin and end are set; fills the rest. */
TALLY_MUST_CHECK int
tally_chunk_scan(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    struct tally_source *source, struct tally_scanner *scanner,
    struct tally_error *error);

/* first_index is set; fills parts, and uses the leaves up. */
void
tally_chunk_fold(struct tally_chunk *chunk, struct tally_hasher *hasher);

/* What tells ids of all chains apart; both names escaped. */
uint64_t
tally_chunk_id_key(uint64_t seed, const struct tally_header *header);

#endif
