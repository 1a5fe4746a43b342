/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.status: the tables.  This looks at how things are, quickly; whether
 * what they hold is what was sealed, tally.verify says.
 */
#include "postgres.h"

#include "attach.h"
#include "attachment.h"
#include "columns.h"
#include "compat.h"
#include "status.h"
#include "store.h"
#include "track.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define TRUNCATE (TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE)

/* A row of tally.attachment, with the record of its event. */
struct attached
{
	Oid			relation;
	int64		epoch_id;
	char	   *label;
	struct tally_epoch *epoch;	/* NULL: it cannot be read */
	int64		seq;			/* in tally:log; 0: not sealed */
	TimestampTz time;
};

static int
compare_labels(const ListCell *a, const ListCell *b)
{
	return strcmp(((struct attached *) lfirst(a))->label,
				  ((struct attached *) lfirst(b))->label);
}

static struct attached *
read_attachment(HeapTuple tuple, TupleDesc desc)
{
	struct attached *attached = palloc0_object(struct attached);
	char	   *event;
	Datum		label;
	bool		isnull;

	attached->relation =
		DatumGetObjectId(heap_getattr(tuple, TALLY_ATTACHMENT_RELATION, desc,
									  &isnull));
	attached->epoch_id =
		DatumGetInt64(heap_getattr(tuple, TALLY_ATTACHMENT_EPOCH, desc,
								   &isnull));
	label = heap_getattr(tuple, TALLY_ATTACHMENT_LABEL, desc, &isnull);
	attached->label = isnull ? pstrdup("") : TextDatumGetCString(label);
	event = tally_store_read_event(attached->epoch_id, SnapshotSelf);
	if (event != NULL)
		attached->epoch = tally_epoch_parse(attached->epoch_id, event);
	if (event != NULL && attached->epoch == NULL)
		attached->epoch = tally_track_parse(attached->epoch_id, event);
	return attached;
}

static List *
read_attachments(void)
{
	Relation	rel = table_open(tally_store_tables()->attachment,
								 AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf,
										  0, NULL);
	HeapTuple	tuple;
	List	   *found = NIL;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = lappend(found, read_attachment(tuple, RelationGetDescr(rel)));
	systable_endscan(scan);
	table_close(rel, NoLock);
	list_sort(found, compare_labels);
	return found;
}

/* Notes where the event of an attachment was sealed. */
static void
note_record(List *attachments, HeapTuple tuple, TupleDesc desc)
{
	struct attached *attached;
	ListCell   *cell;
	int64		event_id;
	bool		isnull;

	event_id = DatumGetInt64(heap_getattr(tuple, TALLY_RECORD_EVENT_ID, desc,
										  &isnull));
	if (isnull)
		return;
	foreach(cell, attachments)
	{
		attached = lfirst(cell);
		if (attached->epoch_id != event_id)
			continue;
		attached->seq = DatumGetInt64(heap_getattr(tuple, TALLY_RECORD_SEQ,
												   desc, &isnull));
		attached->time =
			DatumGetTimestampTz(heap_getattr(tuple, TALLY_RECORD_TIME, desc,
											 &isnull));
	}
}

static void
note_records(List *attachments)
{
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tuple;
	ScanKeyData key;
	int64		chain = tally_store_find_chain(TALLY_LOG_CHAIN,
											   strlen(TALLY_LOG_CHAIN),
											   SnapshotSelf);

	ScanKeyInit(&key, TALLY_RECORD_CHAIN_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(chain));
	rel = table_open(tally_store_tables()->record, AccessShareLock);
	scan = systable_beginscan(rel, tally_store_tables()->record_seq, true,
							  SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		note_record(attachments, tuple, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, NoLock);
}

static void
set(struct tally_status_row *row, const char *state, const char *detail)
{
	row->state = state;
	row->detail = detail;
}

/* True, and the row says so, if the trigger is not at work. */
static bool
is_trigger_broken(Relation rel, const char *function, int16 type,
				  struct tally_status_row *row)
{
	const char *name = tally_attach_name(RelationGetRelid(rel));
	const Trigger *trigger;

	/* The relation's triggers move when a catalog is read: not from here on. */
	trigger = tally_attach_find_trigger(rel, function, type);
	if (trigger == NULL)
		set(row, "trigger missing",
			psprintf("\"%s\" has no trigger of tally.%s(): %s.", name, function,
					 strcmp(function, TALLY_TRACK_FUNCTION) == 0 ?
					 "untrack the table and track it again" :
					 "detach the table and attach it again"));
	else if (trigger->tgenabled != TRIGGER_FIRES_ON_ORIGIN &&
			 trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
		set(row, "trigger disabled",
			psprintf("ALTER TABLE %s ENABLE TRIGGER %s enables it; what was written meanwhile is not sealed.",
					 name, quote_identifier(trigger->tgname)));
	else
		return false;
	return true;
}

/*
 * Opens a relation without waiting; NULL if it is locked, or gone.
 */
static Relation
open_now(Oid relation, bool *out_locked)
{
	Relation	rel;

	*out_locked = !ConditionalLockRelationOid(relation, AccessShareLock);
	if (*out_locked)
		return NULL;
	rel = try_relation_open(relation, NoLock);
	if (rel == NULL)
		UnlockRelationOid(relation, AccessShareLock);
	return rel;
}

/* The table itself, or one of its partitions. */
static bool
is_member_broken(Relation rel, struct tally_status_row *row)
{
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT)
		return is_trigger_broken(rel, "capture",
								 TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT |
								 TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
								 row);
	set(row, "unlogged",
		psprintf("Nothing can be written, for a crash would lose it: ALTER TABLE %s SET LOGGED.",
				 tally_attach_name(RelationGetRelid(rel))));
	return true;
}

/* Each partition has triggers of its own, which can be disabled alone. */
static bool
is_partition_broken(Oid relation, struct tally_status_row *row)
{
	Relation	rel;
	bool		locked;
	bool		broken;

	rel = open_now(relation, &locked);
	if (rel == NULL)
		return false;			/* too busy to be judged, or just dropped */
	broken = is_member_broken(rel, row) ||
		(tally_attach_find_trigger(rel, "refuse_truncate", TRUNCATE) != NULL &&
		 is_trigger_broken(rel, "refuse_truncate", TRUNCATE, row));
	relation_close(rel, AccessShareLock);
	return broken;
}

static bool
is_tracking_broken(Relation rel, struct tally_status_row *row)
{
	int			i;

	for (i = 0; i < TALLY_TRACK_TRIGGERS; i++)
	{
		if (is_trigger_broken(rel, TALLY_TRACK_FUNCTION,
							  TRIGGER_TYPE_AFTER |
							  tally_track_triggers[i].events, row))
			return true;
	}
	return false;
}

static bool
is_table_broken(Relation rel, struct tally_status_row *row)
{
	ListCell   *cell;

	if (is_member_broken(rel, row) ||
		is_trigger_broken(rel, "refuse_truncate", TRUNCATE, row))
		return true;
	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	foreach(cell, find_all_inheritors(RelationGetRelid(rel), NoLock, NULL))
	{
		if (lfirst_oid(cell) != RelationGetRelid(rel) &&
			is_partition_broken(lfirst_oid(cell), row))
			return true;
	}
	return false;
}

static char *
describe(const struct attached *attached)
{
	const struct tally_epoch *epoch = attached->epoch;
	const struct tally_column *columns = epoch->columns;
	StringInfoData out;
	int			i;

	initStringInfo(&out);
	appendStringInfo(&out, "label \"%s\", chain \"%s\"", epoch->label,
					 epoch->prefix);
	if (epoch->chain_by >= 0)
		appendStringInfo(&out, " by %s",
						 quote_identifier(columns[epoch->chain_by].name));
	for (i = 0; i < epoch->nkeys; i++)
		appendStringInfo(&out, "%s%s", i == 0 ? ", key (" : ", ",
						 quote_identifier(columns[epoch->keys[i]].name));
	appendStringInfo(&out, "%s, %d columns", epoch->nkeys > 0 ? ")" : "",
					 epoch->ncolumns);
	if (epoch->only_when != NULL)
		appendStringInfo(&out, ", only when %s", epoch->only_when);
	appendStringInfo(&out, ", %s", epoch->is_tracked ? "statements are sealed" :
					 epoch->append_only ? "append-only" : "changes are sealed");
	appendStringInfo(&out, ", sealed by seq %lld of %s at %s",
					 (long long) attached->seq, TALLY_LOG_CHAIN,
					 timestamptz_to_str(attached->time));
	return out.data;
}

/* What is to be said of a table that is there. */
static void
judge(const struct attached *attached, Relation rel,
	  struct tally_status_row *row)
{
	AttrNumber *numbers;
	char	   *why;

	if (attached->epoch == NULL || attached->epoch->relation != rel->rd_id ||
		strcmp(attached->epoch->label, attached->label) != 0)
		set(row, "configuration changed",
			psprintf("Event %lld in \"tally.event\" is not the one that attached it; tally.verify() says more.",
					 (long long) attached->epoch_id));
	else if (attached->epoch->is_tracked ? is_tracking_broken(rel, row) :
			 is_table_broken(rel, row))
		return;
	else if ((numbers = tally_columns_find(attached->epoch, rel,
										   &why)) == NULL ||
			 (why = tally_columns_shape_fault(attached->epoch, rel,
											  numbers)) != NULL)
		set(row, "columns changed", psprintf("%s.  %s", why,
											 attached->epoch->is_tracked ?
											 TALLY_TRACK_HINT :
											 TALLY_COLUMNS_HINT));
	else if (!attached->epoch->is_tracked &&
			 !tally_attach_is_key_unique(rel, attached->epoch))
		set(row, "key not unique",
			"No unique index covers the key any more, so several rows could share a record: create one, or detach the table and attach it with another key.");
	else if (attached->seq == 0)
		set(row, "not sealed",
			"The event that attached it is not in " TALLY_LOG_CHAIN ": this transaction has not committed it, or somebody has removed it.");
	else
		set(row, attached->epoch->is_tracked ? "tracked" : "attached",
			describe(attached));
}

static struct tally_status_row *
new_row(const char *subject)
{
	struct tally_status_row *row = palloc0_object(struct tally_status_row);

	row->item = "table";
	row->subject = subject;
	return row;
}

static struct tally_status_row *
attached_row(const struct attached *attached)
{
	struct tally_status_row *row;
	Relation	rel;
	bool		locked;

	row = new_row(attached->epoch != NULL ? attached->epoch->table :
				  psprintf("%u", attached->relation));
	rel = open_now(attached->relation, &locked);
	if (locked)
		set(row, "locked",
			"Another session has locked the table, and nobody can write to it; pg_locks says who.");
	else if (rel == NULL)
		set(row, "table is gone",
			psprintf("SELECT tally.detach(%u::regclass) ends its epoch.",
					 attached->relation));
	if (rel == NULL)
		return row;
	row->subject = tally_attach_name(attached->relation);
	judge(attached, rel, row);
	relation_close(rel, AccessShareLock);
	return row;
}

/*
 * After a restore from a dump: triggers come with the tables, attachments do
 * not, and every INSERT fails.
 */
static List *
add_not_attached(List *rows)
{
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	struct tally_status_row *row;
	SysScanDesc scan;
	HeapTuple	tuple;
	ScanKeyData key;

	ScanKeyInit(&key, Anum_pg_trigger_tgfoid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(tally_attach_find_function("capture")));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		if (OidIsValid(trigger->tgparentid) ||
			OidIsValid(tally_attach_find(trigger->tgrelid)))
			continue;
		row = new_row(tally_attach_name(trigger->tgrelid));
		set(row, "not attached",
			"It has tally's trigger, so nothing can be written: use tally.attach(), or drop the trigger.");
		rows = lappend(rows, row);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return rows;
}

List *
tally_status_tables(void)
{
	List	   *attachments = read_attachments();
	List	   *rows = NIL;
	ListCell   *cell;

	note_records(attachments);
	foreach(cell, attachments)
		rows = lappend(rows, attached_row(lfirst(cell)));
	return add_not_attached(rows);
}
