/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leaves of the log's tree up to a horizon: most from the index, the last
 * ones, which it does not cover, read from the segments into memory.
 */
#ifndef TALLY_LOG_LEAVES_H
#define TALLY_LOG_LEAVES_H

#include "core/tree.h"
#include "log/handle.h"

struct tally_leaves {
	struct tally_log *log;
	struct tally_hasher *hasher;
	uint64_t covered; /* leaves that the index has */
	uint64_t size;
	bool locked;             /* the index, for reading */
	struct tally_hash *rest; /* leaves covered ... size - 1 */
};

/*
 * size 0: as many as are durable now.  Returns 0; TALLY_END if there are not
 * so many.  Close them in any case; the index is locked in between.
 */
TALLY_MUST_CHECK int
tally_leaves_open(struct tally_log *log, uint64_t size,
    struct tally_hasher *hasher, struct tally_leaves *out,
    struct tally_error *error);

void
tally_leaves_close(struct tally_leaves *leaves);

/* For core/tree.h. */
struct tally_tree_source
tally_leaves_source(struct tally_leaves *leaves);

/*
 * Asks the tree of size leaves, as above, for something: fn is called with its
 * source.  If that gives TALLY_E_IO the index did not hold: it is discarded,
 * and fn is called once more, with another.
 */
typedef int
tally_leaves_fn(void *arg, struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t size);

TALLY_MUST_CHECK int
tally_leaves_ask(struct tally_log *log, uint64_t size, tally_leaves_fn *fn,
    void *arg, struct tally_error *error);

#endif
