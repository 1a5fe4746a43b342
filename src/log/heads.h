/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/heads: the heads of all chains as of one durable size, so that a lost
 * state is rebuilt from there and not from the first record.  Derived.
 */
#ifndef TALLY_LOG_HEADS_H
#define TALLY_LOG_HEADS_H

#include "log/handle.h"

/* The file, read and checked. */
struct tally_heads_file {
	char *bytes;
	size_t len;
	struct tally_place place; /* as of which they are */
	uint64_t chains;
	uint64_t names; /* bytes of the chains' names */
	struct tally_last last;
};

/*
 * Returns 0; TALLY_END if there is none that is whole, this log's, and not
 * above limit; an error.  Wipe it in any case.
 */
TALLY_MUST_CHECK int
tally_heads_read(struct tally_log *log, const struct tally_place *limit,
    struct tally_heads_file *out, struct tally_error *error);

void
tally_heads_wipe(struct tally_heads_file *file);

/* Puts them into an empty state that has the room, and publishes it. */
void
tally_heads_fill(const struct tally_heads_file *file,
    struct tally_state *state);

/* Was enough appended since they were saved last?  Order lock. */
bool
tally_heads_is_due(const struct tally_state *state);

/*
 * The file's bytes, of the heads as of the tail, for tally_sys_free: the last
 * 32 are for its H(), which whoever calls puts there without the lock.  NULL if
 * there is no memory.  Order lock.
 */
char *
tally_heads_encode(const struct tally_state *state, size_t *out_len);

/* Replaces the file.  A code of the system if it cannot. */
TALLY_MUST_CHECK int
tally_heads_write(struct tally_log *log, const char *bytes, size_t len);

#endif
