/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backfilling: one batch.
 *
 * The lock on the table lets readers and writers pass and keeps out attach,
 * alter and detach, so the attachment is the one in force until the batch is
 * sealed.  Which of two backfills of one table comes next decides a lock of
 * their own; they share the work.
 *
 * No row is locked.  What becomes of a row between here and the commit is
 * looked at then (pending_gone.c).
 */
#include "postgres.h"

#include "attach.h"
#include "attachment.h"
#include "backfill.h"
#include "capture.h"
#include "compat.h"
#include "condition.h"
#include "pending.h"
#include "render.h"
#include "xact.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* The rows at hand: the table or partition in which they lie. */
struct batch
{
	struct tally_backfill *job;
	const struct tally_epoch *era;
	MemoryContext context;		/* in which it lives */
	Relation	rel;			/* NULL: none yet */
	TupleTableSlot *slot;
	const struct tally_attachment *att;
	struct tally_rendered row;
};

/* ---- a row ------------------------------------------------------------ */

static void
close_member(struct batch *batch)
{
	if (batch->rel == NULL)
		return;
	ExecDropSingleTupleTableSlot(batch->slot);
	table_close(batch->rel, NoLock);
	batch->rel = NULL;
}

static void
open_member(struct batch *batch, Oid relation)
{
	MemoryContext saved;

	if (batch->rel != NULL && RelationGetRelid(batch->rel) == relation)
		return;
	close_member(batch);
	/* The query has locked it; its slot is there longer than the query is. */
	saved = MemoryContextSwitchTo(batch->context);
	batch->rel = table_open(relation, NoLock);
	batch->slot = table_slot_create(batch->rel, NULL);
	MemoryContextSwitchTo(saved);
	batch->att = tally_attachment_find(batch->rel);
	if (batch->att == NULL ||
		batch->att->epoch->relation != batch->job->relation)
		elog(ERROR, "partition \"%s\" is not attached with its table",
			 RelationGetRelationName(batch->rel));
}

/* Its version; false if it is not an old one. */
static bool
get_version(const struct batch *batch, struct tally_version *out)
{
	uint64		next = U64FromFullTransactionId(ReadNextFullTransactionId());
	bool		should_free;
	HeapTuple	tuple = ExecFetchSlotHeapTuple(batch->slot, false,
											   &should_free);

	out->relation = RelationGetRelid(batch->rel);
	out->tid = batch->slot->tts_tid;
	out->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	if (should_free)
		heap_freetuple(tuple);
	return TransactionIdIsNormal(out->xmin) &&
		tally_moment_judge(&batch->job->first,
						   tally_moment_widen(out->xmin, next)) ==
		TALLY_ORDER_BEFORE;
}

static void
take_row(Oid relation, ItemPointer tid, void *arg)
{
	struct batch *batch = arg;
	struct tally_pending_request request = {0};
	struct tally_version version;

	open_member(batch, relation);
	if (!table_tuple_fetch_row_version(batch->rel, tid, GetActiveSnapshot(),
									   batch->slot))
		return;
	if (get_version(batch, &version) &&
		(batch->att->condition == NULL ||
		 tally_condition_holds(batch->att->condition, batch->slot)))
	{
		tally_render_row(batch->att->renderer, batch->slot, TALLY_OP_BACKFILL,
						 &batch->row);
		request.before = InvalidCommandId;
		request.version = &version;
		tally_capture_row(batch->era, &batch->row, false, &request);
		batch->job->captured++;
	}
	ExecClearTuple(batch->slot);
}

/* ---- the table -------------------------------------------------------- */

static void
refuse_missing(Oid relation)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("table with oid %u does not exist", relation)));
}

/* Locked, and the caller's. */
static Relation
open_table(const struct tally_backfill *job)
{
	if (!tally_attach_check_owner(job->relation))
		refuse_missing(job->relation);
	LockDatabaseObject(tally_store_tables()->backfill, job->relation, 0,
					   ExclusiveLock);
	LockRelationOid(job->relation, RowExclusiveLock);
	if (!tally_attach_check_owner(job->relation))
		refuse_missing(job->relation);
	return relation_open(job->relation, NoLock);
}

static const struct tally_epoch *
find_epoch(Relation rel)
{
	Oid			attached = tally_attach_find(RelationGetRelid(rel));

	if (OidIsValid(attached))
		tally_attach_refuse_tracked(attached);
	if (attached == RelationGetRelid(rel))
		return tally_attachment_find(rel)->epoch;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" is not attached",
					tally_attach_name(RelationGetRelid(rel))),
			 OidIsValid(attached) ?
			 errhint("It is a partition of \"%s\": backfill that.",
					 tally_attach_name(attached)) :
			 errhint("Use tally.attach(); what is there then can be backfilled.")));
	return NULL;				/* not reached */
}

/* The columns of the era's order. */
static List *
find_order(const struct tally_epoch *era, Relation rel)
{
	return tally_backfill_order(era, rel, tally_backfill_names(era, rel));
}

/* When the call begins: where do the old rows end? */
static void
find_bound(struct tally_backfill *job, Relation rel, List *order)
{
	MemoryContext saved = MemoryContextSwitchTo(job->context);

	job->nbound = 0;
	if (tally_backfill_last(rel, order, &job->bound))
		job->nbound = list_length(order);
	job->is_bound = true;
	MemoryContextSwitchTo(saved);
}

/* ---- the batch -------------------------------------------------------- */

static void
find_first(struct tally_backfill *job, const struct tally_epoch *epoch)
{
	MemoryContext saved;

	if (job->epoch == epoch->id)
		return;
	saved = MemoryContextSwitchTo(job->context);
	tally_backfill_first(epoch, &job->first);
	job->epoch = epoch->id;
	MemoryContextSwitchTo(saved);
}

static void
read_rows(struct tally_backfill *job, const struct tally_epoch *era,
		  Relation rel, struct tally_backfill_place *place)
{
	struct batch batch = {job, era, CurrentMemoryContext};
	List	   *order = find_order(era, rel);
	char	  **position = place->nposition == 0 ? NULL : place->position;
	uint64		count = 0;

	/* Another order than that of before has another end. */
	if (!job->is_bound || (job->nbound > 0 &&
						   job->nbound != list_length(order)))
		find_bound(job, rel, order);
	if (position != NULL && place->nposition != list_length(order))
		position = NULL;
	tally_rendered_init(&batch.row);
	if (job->nbound > 0)
		count = tally_backfill_read(rel, order, position, job->bound,
									job->batch, take_row, &batch,
									&place->position);
	close_member(&batch);
	if (count > 0)
		place->nposition = list_length(order);
	place->is_finished = count < (uint64) job->batch;
	place->taken += job->captured;
}

void
tally_backfill_batch(struct tally_backfill *job)
{
	struct tally_backfill_place place;
	const struct tally_epoch *epoch;
	const struct tally_epoch *era;
	Relation	rel = open_table(job);

	PushActiveSnapshot(GetTransactionSnapshot());
	epoch = find_epoch(rel);
	find_first(job, epoch);
	tally_xact_begin(false);
	(void) tally_store_find_backfill(job->relation, &place);
	era = tally_backfill_era(job, epoch, rel, &place);
	job->captured = 0;
	read_rows(job, era, rel, &place);
	job->is_finished = place.is_finished;
	tally_store_set_backfill(job->relation, &place);
	relation_close(rel, NoLock);
	PopActiveSnapshot();
}
