/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.restored(note): a copy of a log goes on as that log (R5, R6).
 *
 * In this order: nobody attaches or detaches meanwhile; tally.origin says that
 * we are here, so that this transaction may seal; what happened is sealed; in
 * another place, each epoch is ended and begun anew.
 */
#include "postgres.h"

#include "capture.h"
#include "compat.h"
#include "origin_event.h"
#include "restored.h"
#include "store.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xlog.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* In bytes. */
#define NOTE_MAX 4096

/* ---- sequences -------------------------------------------------------- */

/* The largest id of a table; the first column of the index. */
static int64
largest_id(Oid table, Oid index)
{
	Relation	rel = table_open(table, AccessShareLock);
	Relation	indexrel = index_open(index, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	IndexScanDesc scan = index_beginscan(rel, indexrel, SnapshotSelf, NULL,
										 0, 0);
	int64		id = 0;
	bool		isnull;

	index_rescan(scan, NULL, 0, NULL, 0);
	if (index_getnext_slot(scan, BackwardScanDirection, slot))
		id = DatumGetInt64(slot_getattr(slot, 1, &isnull));
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(indexrel, NoLock);
	table_close(rel, NoLock);
	return id;
}

/*
 * Neither logical replication nor every dump brings sequences along.  Nobody
 * uses them: a copy seals nothing, and elsewhere they are ahead already.
 */
static void
advance(Oid sequence, Oid table, Oid index)
{
	int64		largest = largest_id(table, index);

	if (nextval_internal(sequence, false) <= largest)
		(void) DirectFunctionCall2(setval_oid, ObjectIdGetDatum(sequence),
								   Int64GetDatum(largest));
}

/* ---- heads ------------------------------------------------------------ */

static int
compare_heads(const void *a, const void *b)
{
	return strcmp(((const struct tally_origin_head *) a)->chain,
				  ((const struct tally_origin_head *) b)->chain);
}

static void
take_head(TupleTableSlot *slot, struct tally_origin_event *event)
{
	struct tally_stored_head stored;
	struct tally_origin_head *head;
	bool		isnull;
	int64		chain;

	chain = DatumGetInt64(slot_getattr(slot, TALLY_CHAIN_ID, &isnull));
	tally_store_read_head(chain, SnapshotSelf, &stored);
	if (stored.seq == 0)
		return;
	if (event->nchains < TALLY_ORIGIN_HEADS_MAX)
	{
		head = &event->heads[event->nchains];
		head->chain = TextDatumGetCString(slot_getattr(slot, TALLY_CHAIN_NAME,
													   &isnull));
		head->hash = stored.hash;
		head->seq = stored.seq;
	}
	event->nchains++;
}

/* As they are before this transaction seals anything. */
static void
take_heads(struct tally_origin_event *event)
{
	Relation	rel = table_open(tally_store_tables()->chain, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);

	event->heads = palloc_array(struct tally_origin_head,
								TALLY_ORIGIN_HEADS_MAX);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		take_head(slot, event);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	if (event->nchains > TALLY_ORIGIN_HEADS_MAX)
		event->heads = NULL;
	else
		qsort(event->heads, event->nchains, sizeof(*event->heads),
			  compare_heads);
}

/* ---- triggers --------------------------------------------------------- */

/* The role that owns the table if its trigger has to be set; else invalid. */
static Oid
owner_to_set_as(Oid table)
{
	Relation	rel = table_open(table, AccessShareLock);
	Oid			owner = InvalidOid;
	int			i;

	for (i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &rel->trigdesc->triggers[i];

		if (strcmp(trigger->tgname, "arrival") == 0 &&
			trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
			owner = rel->rd_rel->relowner;
	}
	table_close(rel, NoLock);
	return owner;
}

/*
 * After pg_restore --disable-triggers has enabled them again, the triggers of
 * our tables fire as ordinary ones do.
 */
static void
set_arrival(Oid table)
{
	Oid			owner = owner_to_set_as(table);
	Oid			user;
	int			context;

	if (!OidIsValid(owner))
		return;
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	if (SPI_execute(psprintf("ALTER TABLE %s.%s ENABLE ALWAYS TRIGGER arrival",
							 TALLY_SCHEMA, get_rel_name(table)), false, 0) < 0)
		elog(ERROR, "could not set the trigger of \"tally.%s\"",
			 get_rel_name(table));
	SPI_finish();
	SetUserIdAndSecContext(user, context);
}

static void
set_arrivals(void)
{
	const struct tally_tables tables = *tally_store_tables();

	set_arrival(tables.chain);
	set_arrival(tables.event);
	set_arrival(tables.record);
	set_arrival(tables.attachment);
	set_arrival(tables.origin);
	set_arrival(tables.backfill);
}

/* ---- all of it -------------------------------------------------------- */

static char *
take_note(FunctionCallInfo fcinfo)
{
	char	   *note;

	if (PG_ARGISNULL(0) || VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the note must not be empty"),
				 errhint("Say what was restored, from what, and why; it is sealed for those who verify.")));
	note = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (strlen(note) > NOTE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the note is longer than %d bytes", NOTE_MAX)));
	return note;
}

/* Nobody else attaches, detaches or says this meanwhile. */
static void
lock_configuration(void)
{
	LockRelationOid(tally_store_tables()->attachment, ShareRowExclusiveLock);
	LockRelationOid(tally_store_tables()->origin, ShareRowExclusiveLock);
}

static void
find_origins(struct tally_origin_event *event)
{
	if (!tally_origin_last(SnapshotSelf, &event->from))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing was ever sealed in this database"),
				 errhint("There is nothing to go on with: use tally.attach() or tally.append().")));
	tally_origin_here(tally_store_tables()->record, &event->to);
	event->to.number = event->from.number + 1;
}

PG_FUNCTION_INFO_V1(tally_sql_restored);

Datum
tally_sql_restored(PG_FUNCTION_ARGS)
{
	const struct tally_tables *tables;
	struct tally_origin_event event = {0};
	char	   *text;

	PreventCommandIfReadOnly("tally.restored()");
	PreventCommandDuringRecovery("tally.restored()");
	event.note = take_note(fcinfo);
	event.by = GetUserNameFromId(GetSessionUserId(), false);
	lock_configuration();
	find_origins(&event);
	set_arrivals();
	tables = tally_store_tables();
	advance(tables->chain_number, tables->chain, tables->chain_id);
	advance(tables->event_number, tables->event, tables->event_id);
	take_heads(&event);
	text = tally_origin_event_encode(&event);

	tally_origin_add(&event.to);
	(void) tally_capture_log_event(text);
	if (!tally_origin_is_place(&event.from, &event.to))
		tally_restored_attach();
	PG_RETURN_DATUM(CStringGetTextDatum(text));
}
