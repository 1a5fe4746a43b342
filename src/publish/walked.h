/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heads as the records say that a publisher walks, held against the tree
 * that is about to be signed.
 *
 * The tree takes what changed from the shared state in run/, which whoever
 * writes to the log's directory can forge.  It was that of the heads record
 * that went out last; so it is right now if each leaf that changed since was
 * the head before the chain's first record that was walked, and is its last
 * one; if the chains that began stand behind it in their order; and if nothing
 * else changed.
 */
#ifndef TALLY_PUBLISH_WALKED_H
#define TALLY_PUBLISH_WALKED_H

#include "core/record.h"
#include "log/headtree.h"

struct tally_walked;

TALLY_MUST_CHECK int
tally_walked_new(struct tally_walked **out);

void
tally_walked_free(struct tally_walked *walked);

/* Nothing was walked; records from this index on count. */
TALLY_MUST_CHECK int
tally_walked_begin(struct tally_walked *walked, uint64_t from);

/* The next record.  Returns 0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_walked_take(struct tally_walked *walked, uint64_t index,
    const struct tally_line *line);

/* Is the tree, since its mark, what was walked?  Returns 0; TALLY_END if it is
 * not; TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_walked_check(struct tally_walked *walked,
    const struct tally_headtree *tree, struct tally_hasher *hasher);

#endif
