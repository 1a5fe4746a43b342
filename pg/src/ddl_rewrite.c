/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that are rewritten.
 *
 * How old a row is says its xmin, and with it whether a record is asked of it.
 * ALTER TABLE may write all rows anew, in its own name: those that were there
 * before the attach would look like rows that somebody has smuggled in, and
 * those that somebody has smuggled in like all others.  So what may be without
 * a record is counted before; of more, verifying says that they are unsealed.
 * It is sealed also if there is no such row: that a row's xmin is of the time
 * of an epoch does not say any more that it had to be sealed in this one.
 * (VACUUM FULL and CLUSTER leave the xmin as it is.)
 *
 * Only xmins are looked at: the rows still are as they were, but how to read
 * them the catalog does not say any more.
 */
#include "postgres.h"

#include "alter.h"
#include "attach.h"
#include "capture.h"
#include "condition.h"
#include "ddl.h"
#include "log.h"
#include "rewrite_event.h"
#include "settings.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* What decides whether a row may be without a record. */
struct ages
{
	Oid			root;
	Oid			relation;
	const struct tally_epoch *now;	/* in force */
	/* Of the source in force, the first; NULL: not seen yet. */
	struct tally_epoch *first;
	bool		has_other_condition;	/* than now */
	struct tally_rewrite *before;	/* the last time, or NULL */
	int64		again;			/* rows of then */
};

static bool
look_at_event(int64 id, const char *event, void *arg)
{
	struct ages *ages = arg;
	struct tally_epoch *epoch = tally_epoch_parse(id, event);
	struct tally_rewrite *rewrite = tally_rewrite_parse(event);

	if (rewrite != NULL && rewrite->relation == ages->relation)
		ages->before = rewrite;
	/* Of another place oids and xids mean nothing. */
	if (epoch == NULL || epoch->relation != ages->root ||
		epoch->cluster != GetSystemIdentifier())
		return true;
	/* Of a row that was sealed under another label no record is asked here. */
	if (ages->first == NULL || strcmp(ages->first->label, epoch->label) != 0)
		ages->first = epoch;
	if (epoch->only_when != NULL &&
		!tally_condition_is_same(epoch, ages->now))
		ages->has_other_condition = true;
	return true;
}

/* May the row be without a record, and nobody misses it? */
static bool
is_excused(struct ages *ages, HeapTupleHeader header)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(header);

	if (!tally_moment_is_behind(&ages->first->moment, xmin) ||
		(ages->has_other_condition &&
		 !tally_moment_is_behind(&ages->now->moment, xmin)))
		return true;
	if (ages->before != NULL && xmin == (TransactionId) ages->before->xid)
		ages->again++;
	return false;
}

static int64
count_rows(struct ages *ages)
{
	Relation	rel = relation_open(ages->relation, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	int64		count = 0;
	HeapTuple	tuple;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		count += is_excused(ages, tuple->t_data);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	relation_close(rel, NoLock);
	/* Of those that were rewritten before, no more than then. */
	if (ages->before != NULL)
		count += Min(ages->again, ages->before->rows);
	return count;
}

static void
refuse(const struct tally_rewrite *rewrite)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this would write all rows of \"%s\" anew, which is attached to tally",
					rewrite->table),
			 errdetail("Nobody could tell any more that up to %lld of them need no record, since they are older than the attachment or only_when left them out.",
					   (long long) rewrite->rows),
			 errhint("Change the table without that, as by a new column without a default that is computed; or have it sealed, after which those that tally.backfill() has not sealed are unverifiable: SET LOCAL tally.ddl = 'seal'")));
}

void
tally_ddl_settle_rewrite(Oid root, Oid relation)
{
	struct ages ages = {root, relation};
	struct tally_rewrite rewrite = {0};

	/* Before all the work: what is to be refused anyway. */
	tally_ddl_settle(root);
	ages.now = tally_ddl_epoch(root);
	if (ages.now == NULL || ages.now->is_tracked)
		return;
	tally_log_walk(look_at_event, &ages);
	if (ages.first == NULL)
		return;
	rewrite.rows = count_rows(&ages);
	rewrite.label = ages.now->label;
	rewrite.relation = relation;
	rewrite.table = tally_attach_name(relation);
	rewrite.xid = U64FromFullTransactionId(GetCurrentFullTransactionId());
	if (rewrite.rows > 0 && tally_ddl_policy != TALLY_POLICY_SEAL)
		refuse(&rewrite);
	(void) tally_capture_log_event(tally_rewrite_encode(&rewrite));
	if (rewrite.rows == 0)
		return;
	/* So that capture takes these rows for older than the epoch in force. */
	tally_alter_follow(ages.now);
}
