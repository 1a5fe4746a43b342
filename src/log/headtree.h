/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree over the heads of all chains, and the record in "tally:heads" that
 * holds its root (doc/format.md, section 8).
 *
 * 1. A chain's leaf has its place by the chain's first record, for ever; the
 *    chain "tally:heads" has none.
 * 2. The tree is as of a size of the log that is durable, so that no recovery
 *    takes from under it what it holds.
 * 3. A leaf that changes costs the nodes above it.  What changed is hashed
 *    without the order lock, but for the last few.
 * 4. A tree that was loaded from index/, or made from the shared state, is not
 *    believed: its root must be that of the heads record that went out last
 *    (another one may be anybody's, who writes to the log), and before a leaf
 *    of a loaded one changes, every node above it must be that of its children.
 *    So nothing is taken over that the root does not vouch for, at the cost of
 *    what changes.
 */
#ifndef TALLY_LOG_HEADTREE_H
#define TALLY_LOG_HEADTREE_H

#include "core/heads.h"
#include "core/tree.h"
#include "log/sys.h"

struct tally_log;

#define TALLY_HEADTREE_LEVELS 33

/* A leaf before it changed. */
struct tally_headtree_was {
	uint64_t position;
	size_t turn; /* it may have changed again */
	struct tally_hash hash;
};

/* Zero is the empty tree, as of size 0. */
struct tally_headtree {
	struct tally_hash *level[TALLY_HEADTREE_LEVELS];
	uint64_t chains, capacity;
	uint64_t size;   /* of the log, as of which it is */
	bool is_loaded;  /* rule 4 */
	uint64_t sealed; /* size at which a heads record has its root */
	uint64_t saved;  /* size as of which the file is; 0: none */
	/* Since the mark: how many leaves there were, and what those were that
	 * changed. */
	uint64_t marked;
	struct tally_headtree_was *was;
	size_t was_len, was_capacity;
	bool is_marked;
};

/* The hash of a leaf's data. */
struct tally_headtree_leaf {
	uint64_t position;
	struct tally_hash hash;
};

void
tally_headtree_wipe(struct tally_headtree *tree);

/* Room for so many leaves.  Returns 0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_headtree_grow(struct tally_headtree *tree, uint64_t chains,
    struct tally_error *error);

/*
 * Puts leaves in, ascending by position, each once; the tree has chains leaves
 * then, and those that it did not have are among them.
 * Returns 0; TALLY_END if what was loaded does not hold (rule 4): the tree is
 * to be wiped then; TALLY_E_MEMORY.
 */
TALLY_MUST_CHECK int
tally_headtree_put(struct tally_headtree *tree, struct tally_hasher *hasher,
    const struct tally_headtree_leaf *leaf, size_t len, uint64_t chains,
    struct tally_error *error);

/* From here on it is kept what leaves were before they changed. */
void
tally_headtree_mark(struct tally_headtree *tree);

/* For core/tree.h: the tree as it is. */
struct tally_tree_source
tally_headtree_source(struct tally_headtree *tree);

/* ---- headseal.c ------------------------------------------------------- */

/*
 * Brings the tree up to the log and seals a heads record over it, unless the
 * last record is one that has the tree's root; one with another is
 * TALLY_E_DAMAGED.  again: even then.  went_out: the size of the checkpoint
 * that went out last, or 0; the tree begins as that of its heads record, with a
 * mark there.  What changed since comes from the shared state, and is not
 * believed before it was held against the records (publish/walked.h).  The log
 * is durable up to *out_size, the heads record its last, when it returns.  No
 * lock may be held.
 */
TALLY_MUST_CHECK int
tally_headtree_seal(struct tally_log *log, struct tally_headtree *tree,
    uint64_t went_out, bool again, uint64_t *out_size, bool *out_sealed,
    struct tally_error *error);

/* ---- headfile.c ------------------------------------------------------- */

/*
 * An empty tree becomes that of index/headtree, if there is one and its root
 * is that of the heads record under the checkpoint that went out last; else it
 * stays empty.
 */
void
tally_headtree_load(struct tally_log *log, struct tally_headtree *tree,
    uint64_t went_out, struct tally_hasher *hasher);

/* Saves the tree, if a heads record has its root and the file is older; best
 * effort: a failure only costs time later. */
void
tally_headtree_save(struct tally_log *log, struct tally_headtree *tree);

/* ---- headsat.c -------------------------------------------------------- */

/* A chain's place in the tree. */
struct tally_head_place {
	const char *chain; /* in: escaped */
	size_t chain_len;
	uint64_t position, seq; /* out */
	struct tally_hash hash;
};

/*
 * The tree as it was when the log had size records, into an empty tree, and
 * the place of a chain in it (NULL: of none).
 * Returns 0; TALLY_END if the log had no such chain then; an error.
 */
TALLY_MUST_CHECK int
tally_headtree_at(struct tally_log *log, uint64_t size,
    struct tally_hasher *hasher, struct tally_headtree *tree,
    struct tally_head_place *place, struct tally_error *error);

/* Is there a heads record at index tree->size that has the tree's root? */
bool
tally_headtree_is_sealed(struct tally_log *log, struct tally_headtree *tree,
    struct tally_hasher *hasher);

#endif
