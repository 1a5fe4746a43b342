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

/* The youngest transaction that the xmin can mean. */
static uint64
widen(TransactionId xmin)
{
	FullTransactionId next = ReadNextFullTransactionId();

	return tally_moment_widen(xmin, U64FromFullTransactionId(next));
}

/*
 * The last epoch of the table, of here, that began before what the transaction
 * wrote, and whether it is the last of all; NULL: none.  False if that is not
 * known.
 */
static bool
find_epoch(const struct tally_source *source, Oid root, uint64 xid,
		   struct tally_use **out, bool *out_is_last)
{
	int			i;

	*out_is_last = true;
	for (i = list_length(source->uses) - 1; i >= 0; i--)
	{
		struct tally_use *use = list_nth(source->uses, i);
		enum tally_order order;

		if (use->root != root || !use->is_here)
			continue;
		order = tally_moment_judge(&use->epoch->moment, xid);
		*out = use;
		if (order != TALLY_ORDER_BEFORE)
			return order == TALLY_ORDER_BEHIND;
		*out_is_last = false;
	}
	*out = NULL;
	return true;
}

enum tally_age
tally_age_judge(const struct tally_source *source, Oid root, HeapTuple tuple,
				struct tally_use **out_use)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	enum tally_order order = TALLY_ORDER_BEFORE;
	struct tally_use *use;
	uint64		xid;
	bool		is_last;

	*out_use = NULL;
	if (!TransactionIdIsNormal(xmin))
		return TALLY_AGE_UNKNOWN;
	xid = widen(xmin);
	if (!find_epoch(source, root, xid, &use, &is_last))
		return TALLY_AGE_UNKNOWN;
	/* It may have been restored from where it was written at any time. */
	if (use == NULL)
		return source->is_moved ? TALLY_AGE_UNKNOWN : TALLY_AGE_LEGACY;
	if (HeapTupleHeaderXminFrozen(tuple->t_data) && xid > PG_UINT32_MAX)
		return TALLY_AGE_UNKNOWN;
	if (use->detach_seq != 0)
		order = tally_moment_judge(use->detach_moment, xid);
	if (order == TALLY_ORDER_UNCLEAR)
		return TALLY_AGE_UNKNOWN;
	*out_use = use;
	if (order == TALLY_ORDER_BEFORE)
		return TALLY_AGE_SEALED;
	return is_last ? TALLY_AGE_AFTER : TALLY_AGE_BETWEEN;
}
