/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How old is a row that no record seals?
 *
 * Its xmin has 32 bits, the xids of epochs 64.  A row that is not frozen is
 * younger than 2^31 transactions, so the higher bits are known.  A frozen one
 * keeps its xmin but may be older by any number of wraps: younger than what
 * its xmin says it is not.  So a row that looks older than an epoch is; one
 * that does not, is not, unless the cluster has wrapped round.  The xids of
 * epochs of another place say nothing (R7).
 */
#include "postgres.h"

#include "verify_sources.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xlog.h"

/* The youngest transaction that the xmin can mean. */
static uint64
widen(TransactionId xmin)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());
	uint64		xid = (next & ~(uint64) PG_UINT32_MAX) | xmin;

	return xid >= next ? xid - ((uint64) 1 << 32) : xid;
}

/* The last epoch of here that began before the transaction; NULL: none. */
static struct tally_use *
find_epoch(const struct tally_source *source, uint64 xid)
{
	struct tally_use *found = NULL;
	ListCell   *cell;

	foreach(cell, source->uses)
	{
		struct tally_use *use = lfirst(cell);

		if (use->is_here && U64FromFullTransactionId(use->epoch->xid) <= xid)
			found = use;
	}
	return found;
}

enum tally_age
tally_age_judge(const struct tally_source *source, HeapTuple tuple,
				struct tally_use **out_use)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	struct tally_use *use;
	uint64		xid;

	*out_use = NULL;
	if (!TransactionIdIsNormal(xmin))
		return TALLY_AGE_UNKNOWN;
	xid = widen(xmin);
	use = find_epoch(source, xid);
	/* It may have been restored from where it was written at any time. */
	if (use == NULL)
		return source->is_moved ? TALLY_AGE_UNKNOWN : TALLY_AGE_LEGACY;
	if (HeapTupleHeaderXminFrozen(tuple->t_data) && xid > PG_UINT32_MAX)
		return TALLY_AGE_UNKNOWN;
	*out_use = use;
	if (use->detach_seq == 0 ||
		xid < U64FromFullTransactionId(use->detach_xid))
		return TALLY_AGE_SEALED;
	return use == llast(source->uses) ? TALLY_AGE_AFTER : TALLY_AGE_BETWEEN;
}
