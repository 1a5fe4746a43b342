/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a heads record says (doc/format.md, section 8): its event, and the data
 * of a leaf of the tree whose root it holds.
 */
#ifndef TALLY_CORE_HEADS_H
#define TALLY_CORE_HEADS_H

#include "core/hash.h"

#define TALLY_HEADS_CHAIN "tally:heads"

/* Leaf data; chain is escaped.  No NUL; returns the length. */
#define TALLY_HEAD_LEAF_MAX 768
size_t
tally_head_leaf_format(const char *chain, size_t chain_len,
    const struct tally_hash *hash, uint64_t seq, char out[TALLY_HEAD_LEAF_MAX]);

struct tally_heads_event {
	uint64_t chains;
	struct tally_hash root;
	uint64_t size; /* of the log below the record */
};

/* Writes the event and NUL; returns the length. */
#define TALLY_HEADS_EVENT_MAX 192
size_t
tally_heads_event_format(const struct tally_heads_event *event,
    char out[TALLY_HEADS_EVENT_MAX]);

/* Exactly what format writes.  Returns 0 or TALLY_E_FORMAT. */
TALLY_MUST_CHECK int
tally_heads_event_parse(const char *text, size_t len,
    struct tally_heads_event *out);

#endif
