/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads records (doc/format.md, section 8) in a verification: what each says
 * is made anew from the records before it.
 *
 * 1. A chunk hashes, beside its lines, the heads that changed before each
 *    heads record in it (chunkheads.c): that needs nothing from before.
 * 2. In the order of the log they go into one tree; of what changed outside
 *    such chunks only the chain is remembered, and it is hashed when a heads
 *    record comes.  So the tree costs what changed, and a log without heads
 *    records next to nothing.
 * 3. Heads records that say something else, one after the other, are one
 *    finding, told when one comes that is right.
 * 4. Whether a heads record lies, or a record before it was changed, cannot be
 *    told if anything about the chains was found by then: it is said to differ,
 *    and is not accused.
 */
#ifndef TALLY_VERIFY_HEADS_H
#define TALLY_VERIFY_HEADS_H

#include <tally/verify.h>

#include "core/heads.h"
#include "log/headtree.h"
#include "verify/bytes.h"
#include "verify/chains.h"
#include "verify/line.h"

struct tally_chunk;
struct tally_judge;
struct tally_local;
struct tally_step;

/* ---- in a chunk ------------------------------------------------------- */

/* A head as of a heads record. */
struct tally_heads_entry {
	uint32_t local;
	struct tally_hash leaf;
};

/* A heads record in a chunk. */
struct tally_heads_note {
	struct tally_heads_event says;
	bool is_known; /* it says what a heads record says */
	uint64_t seq;
	uint32_t record; /* number in the chunk */
	uint32_t offset; /* in the chunk */
	uint32_t begin;  /* of its entries: what changed since the last note */
	uint32_t end;
};

struct tally_chunk_heads {
	struct tally_heads_note *note;
	uint32_t len, capacity;
	struct tally_heads_entry *entry;
	uint32_t entries_len, entries_capacity;
};

bool
tally_heads_is(const struct tally_header *header);

/* A heads record, before it is added to the chunk.  Returns 0 or
 * TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_chunk_heads_add(struct tally_chunk *chunk, struct tally_hasher *hasher,
    const struct tally_line *line, uint64_t offset);

/* ---- in the order of the log ------------------------------------------ */

/* Heads records that said something else and were not told yet. */
struct tally_heads_run {
	uint64_t seq; /* of the first; 0: there is none */
	uint64_t seq_end;
	struct tally_where where;
	enum tally_finding_kind kind;
	char detail[120];
};

struct tally_sealed {
	struct tally_headtree tree;
	uint32_t chain; /* tally:heads, or TALLY_CHAIN_NONE */
	uint32_t places;
	uint32_t *changed; /* chains whose leaf is an older one */
	uint32_t len, capacity;
	struct tally_headtree_leaf *leaf;
	size_t leaf_capacity;
	struct tally_heads_run run;
	bool is_disturbed; /* rule 4 */
};

void
tally_sealed_wipe(struct tally_sealed *sealed);

/* The chain's head is another one now; it may be the chain's first. */
void
tally_sealed_touch(struct tally_judge *judge, uint32_t chain);

/* A heads record, whose turn is now. */
TALLY_MUST_CHECK int
tally_sealed_take(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_step *step);

/* A clean chunk: its heads records, before its chains go on.  All of its
 * chains have their numbers. */
TALLY_MUST_CHECK int
tally_sealed_join(struct tally_judge *judge, const struct tally_chunk *chunk);

/* The log ends. */
void
tally_sealed_finish(struct tally_judge *judge);

/* For the file of an interrupted verification; what it holds of the chains is
 * put with them. */
void
tally_sealed_put(struct tally_bytes *out, const struct tally_judge *judge);
void
tally_sealed_get(struct tally_bytes_reader *in, struct tally_judge *judge);

#endif
