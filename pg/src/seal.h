/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing: what is pending gets seq, prev, time and hash, and is written to
 * tally.record in the same transaction (P3, P4).
 */
#ifndef TALLY_PG_SEAL_H
#define TALLY_PG_SEAL_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include <tally/record.h>

/*
 * Takes the chains' locks and seals everything pending.  To be called once,
 * at PRE_COMMIT; on ERROR nothing commits, and what was locked stays so until
 * tally_lock_release.
 */
extern void tally_seal(void);

/*
 * What became of the entry that wanted a receipt; survives the transaction.
 * Not simply what was sealed last: in the same transaction others may have
 * come before it and, from other extensions' commit callbacks, after it.
 */
struct tally_sealed
{
	uint64		seq;
	struct tally_hash hash;
	TimestampTz time;
};

extern const struct tally_sealed *tally_seal_receipt(void);

/* How many rows it left out: those from before that had gone meanwhile. */
extern uint64 tally_seal_gone(void);

#endif
