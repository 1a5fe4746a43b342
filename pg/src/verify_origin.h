/* SPDX-License-Identifier: Apache-2.0 */
/* In which place each epoch began, and whether that is here (R7). */
#ifndef TALLY_PG_VERIFY_ORIGIN_H
#define TALLY_PG_VERIFY_ORIGIN_H

#include "epoch.h"
#include "verify.h"

/* The events of tally:log were read: what do they say of places? */
extern void tally_origins_load(struct tally_verifier *v);

/*
 * Did the epoch begin here, with its attach event at this seq of tally:log?
 * Else its oids and transaction ids mean nothing.
 */
extern bool tally_origins_is_here(struct tally_verifier *v, int64 seq,
								  const struct tally_epoch *epoch);

/* Tells of tally.origin, and whether this is a copy. */
extern void tally_origins_judge(struct tally_verifier *v, int64 records);

#endif
