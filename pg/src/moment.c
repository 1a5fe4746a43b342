/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The moment at which an epoch begins or ends.
 *
 * First the next xid is read, then a snapshot taken.  A transaction with an
 * older xid had ended before the snapshot, or is in it, or is not older than
 * its xmax: those had not ended either, and are listed one by one.
 *
 * Of a transaction with more than 64 subtransactions a snapshot does not know
 * these; whatever is as old as the oldest that runs may then be one of them.
 */
#include "postgres.h"

#include "moment.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

struct list
{
	struct tally_moment *moment;
	uint64		next;
	uint64		oldest;			/* of all that were added */
	bool		is_full;
};

uint64
tally_moment_widen(TransactionId xid, uint64 next)
{
	uint64		wide = (next & ~(uint64) PG_UINT32_MAX) | xid;

	return wide >= next ? wide - ((uint64) 1 << 32) : wide;
}

static void
add(struct list *list, uint64 xid)
{
	struct tally_moment *moment = list->moment;

	list->oldest = Min(list->oldest, xid);
	if (moment->nrunning == TALLY_RUNNING_MAX)
		list->is_full = true;
	else
		moment->running[moment->nrunning++] = xid;
}

static void
add_snapshot(struct list *list, Snapshot snapshot)
{
	uint32		i;
	int32		j;

	for (i = 0; i < snapshot->xcnt; i++)
		add(list, tally_moment_widen(snapshot->xip[i], list->next));
	for (j = 0; j < snapshot->subxcnt; j++)
		add(list, tally_moment_widen(snapshot->subxip[j], list->next));
}

/* Xids [begin, end): those that are not ours, or only ours. */
static void
add_range(struct list *list, uint64 begin, uint64 end, bool own)
{
	uint64		xid;

	for (xid = begin; xid < end && !list->is_full; xid++)
	{
		TransactionId narrow = (TransactionId) xid;

		CHECK_FOR_INTERRUPTS();
		if (TransactionIdIsNormal(narrow) &&
			TransactionIdIsCurrentTransactionId(narrow) == own)
			add(list, xid);
	}
}

static int
compare_xids(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

void
tally_moment_take(struct tally_moment *out, bool with_own)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());
	Snapshot	snapshot = GetLatestSnapshot();
	TransactionId own = GetTopTransactionIdIfAny();
	struct list list = {out, next, next};
	uint64		begin = next;

	memset(out, 0, sizeof(*out));
	out->xid = FullTransactionIdFromU64(next);
	out->running = palloc(TALLY_RUNNING_MAX * sizeof(*out->running));
	if (TransactionIdPrecedes(snapshot->xmax, (TransactionId) next))
		begin = tally_moment_widen(snapshot->xmax, next);
	add_snapshot(&list, snapshot);
	add_range(&list, begin, next, false);
	if (with_own && TransactionIdIsValid(own))
		add_range(&list, tally_moment_widen(own, next), next, true);
	if (list.is_full)
		out->nrunning = 0;
	if (list.is_full || snapshot->suboverflowed)
		out->unclear = list.oldest;
	qsort(out->running, out->nrunning, sizeof(*out->running), compare_xids);
}

void
tally_moment_take_bare(struct tally_moment *out)
{
	memset(out, 0, sizeof(*out));
	out->xid = ReadNextFullTransactionId();
}

static bool
is_running(const struct tally_moment *moment, uint64 xid)
{
	return moment->nrunning > 0 &&
		bsearch(&xid, moment->running, moment->nrunning,
				sizeof(*moment->running), compare_xids) != NULL;
}

enum tally_order
tally_moment_judge(const struct tally_moment *moment, uint64 xid)
{
	if (xid >= U64FromFullTransactionId(moment->xid) ||
		is_running(moment, xid))
		return TALLY_ORDER_BEHIND;
	if (moment->unclear != 0 && xid >= moment->unclear)
		return TALLY_ORDER_UNCLEAR;
	return TALLY_ORDER_BEFORE;
}

bool
tally_moment_equal(const struct tally_moment *a, const struct tally_moment *b)
{
	return U64FromFullTransactionId(a->xid) ==
		U64FromFullTransactionId(b->xid) && a->unclear == b->unclear &&
		a->nrunning == b->nrunning &&
		(a->nrunning == 0 ||
		 memcmp(a->running, b->running,
				a->nrunning * sizeof(*a->running)) == 0);
}

bool
tally_moment_is_behind(const struct tally_moment *moment, TransactionId xmin)
{
	uint64		next = U64FromFullTransactionId(moment->xid);

	if (!TransactionIdIsNormal(xmin))
		return false;
	return !TransactionIdPrecedes(xmin, (TransactionId) next) ||
		is_running(moment, tally_moment_widen(xmin, next));
}
