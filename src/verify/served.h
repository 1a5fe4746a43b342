/* SPDX-License-Identifier: Apache-2.0 */
/*
 * public/checkpoint in a verification: what is served of the log must be the
 * log's.
 *
 * 1. It is read before the segments are looked at: what is signed was durable
 *    by then, so a log that is shorter was cut.
 * 2. It lies where the log's writers can put an older one, or none: nothing is
 *    covered by it.
 * 3. An interrupted verification keeps it; one that goes on from where another
 *    ended judges what is served by then.
 */
#ifndef TALLY_VERIFY_SERVED_H
#define TALLY_VERIFY_SERVED_H

#include "core/checkpoint.h"
#include "verify/bytes.h"

struct tally_chunk;
struct tally_judge;

enum tally_served_state {
	TALLY_SERVED_NONE = 0, /* there is no such file */
	TALLY_SERVED_THERE,
	TALLY_SERVED_OTHER, /* no checkpoint */
	TALLY_SERVED_CLOSED /* it cannot be read */
};

struct tally_served {
	enum tally_served_state state;
	char *note;
	size_t len;
	struct tally_checkpoint says;
	bool is_passed;         /* the log came to that size */
	struct tally_hash root; /* its root there */
	bool is_below;          /* what was known began above its size */
	bool is_unjudged;       /* for want of a key, or of the root there */
};

/* Returns 0, whatever is there, or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_served_read(struct tally_served *served, const char *dir);

void
tally_served_wipe(struct tally_served *served);

/* The judge has a record more, or a chunk. */
void
tally_served_pass(struct tally_judge *judge);

/* Does its size lie inside the chunk, whose turn is now? */
bool
tally_served_is_inside(const struct tally_judge *judge,
    const struct tally_chunk *chunk);

/* The log ends. */
void
tally_served_finish(struct tally_judge *judge);

/* For the file of an interrupted verification; is_kept: for the next one. */
void
tally_served_put(struct tally_bytes *out, const struct tally_judge *judge,
    bool is_kept);

/* In place of what was read; behind another verification what was read counts,
 * and of what stands in the file the root.  Returns 0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_served_get(struct tally_bytes_reader *in, struct tally_judge *judge);

#endif
