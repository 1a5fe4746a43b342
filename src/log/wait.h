/* SPDX-License-Identifier: Apache-2.0 */
/* Until what was appended is durable, for everybody at once (R4, R9). */
#ifndef TALLY_LOG_WAIT_H
#define TALLY_LOG_WAIT_H

#include "log/handle.h"

/* A record that waits to become durable. */
struct tally_target {
	struct tally_place end; /* size, segment and offset behind it */
	uint64_t line_offset;   /* where its line begins */
	struct tally_hash hash;
	uint32_t epoch;            /* of the sync that will cover it */
	struct tally_state *state; /* under which it was given its place */
	uint32_t calls;            /* that wait for it */
};

/* Notes the present tail as the target of so many calls; order lock held. */
void
tally_target_set(struct tally_log *log, uint32_t calls,
    struct tally_target *out);

/*
 * Returns when the target is durable, syncing for everybody if nobody does;
 * uses up the target.  Errors: TALLY_E_POISONED, _IO.  No lock may be held.
 */
TALLY_MUST_CHECK int
tally_sync_wait(struct tally_log *log, struct tally_target *target,
    struct tally_error *error);

/* A target that nobody waits for. */
void
tally_target_drop(struct tally_target *target);

#endif
