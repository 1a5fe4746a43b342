/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going on in another place: each epoch in force, begun anew (R6).
 *
 * A dump names a table by its name and columns by theirs.  It leaves out the
 * columns that were dropped, so numbers move; and it may hold a row of
 * tally.attachment for a table that was dropped while it was attached, which
 * then is an oid of the other database, and here perhaps that of anything.
 */
#include "postgres.h"

#include "attach.h"
#include "capture.h"
#include "columns.h"
#include "compat.h"
#include "restored.h"
#include "store.h"
#include "track.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* A row of tally.attachment. */
struct attached
{
	Oid			relation;
	int64		epoch;
	char	   *label;
};

static List *
read_attachments(void)
{
	Relation	rel = table_open(tally_store_tables()->attachment,
								 AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, SnapshotSelf,
										  0, NULL);
	TupleDesc	desc = RelationGetDescr(rel);
	List	   *found = NIL;
	struct attached *attached;
	HeapTuple	tuple;
	Datum		label;
	bool		isnull;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		attached = palloc_object(struct attached);
		attached->relation =
			DatumGetObjectId(heap_getattr(tuple, TALLY_ATTACHMENT_RELATION,
										  desc, &isnull));
		attached->epoch =
			DatumGetInt64(heap_getattr(tuple, TALLY_ATTACHMENT_EPOCH, desc,
									   &isnull));
		label = heap_getattr(tuple, TALLY_ATTACHMENT_LABEL, desc, &isnull);
		/* Not null, unless somebody has dropped that. */
		attached->label = isnull ? pstrdup("") : TextDatumGetCString(label);
		found = lappend(found, attached);
	}
	systable_endscan(scan);
	table_close(rel, NoLock);
	return found;
}

/* How many triggers of the table call the function? */
static int
count_triggers(Relation rel, const char *name)
{
	Oid			function = tally_attach_find_function(name);
	TriggerDesc *triggers = rel->trigdesc;	/* moves when a catalog is read */
	int			count = 0;
	int			i;

	for (i = 0; triggers != NULL && i < triggers->numtriggers; i++)
		count += triggers->triggers[i].tgfoid == function;
	return count;
}

/* Does the table have our trigger: of rows, or of statements? */
static bool
has_trigger(Relation rel, const struct tally_epoch *epoch)
{
	return count_triggers(rel, epoch->is_tracked ? TALLY_TRACK_FUNCTION :
						  "capture") > 0;
}

static bool
has_all_triggers(Relation rel, const struct tally_epoch *epoch)
{
	if (epoch->is_tracked)
		return count_triggers(rel, TALLY_TRACK_FUNCTION) ==
			TALLY_TRACK_TRIGGERS;
	return has_trigger(rel, epoch) &&
		tally_attach_is_guarded(RelationGetRelid(rel));
}

/* Why a column does not have its name here, or NULL. */
static char *
name_fault(const struct tally_epoch *epoch, Relation rel,
		   const AttrNumber *numbers)
{
	const char *name;
	int			i;

	for (i = 0; i < epoch->ncolumns; i++)
	{
		name = NameStr(TupleDescAttr(RelationGetDescr(rel),
									 numbers[i] - 1)->attname);
		if (strcmp(name, epoch->columns[i].name) != 0)
			return psprintf("it has no column \"%s\"",
							epoch->columns[i].name);
	}
	return NULL;
}

/* Columns in the order of their numbers, which may have become another. */
static void
renumber(struct tally_epoch *epoch, Relation rel, const AttrNumber *numbers)
{
	struct tally_column *columns;
	int		   *positions = palloc_array(int, epoch->ncolumns);
	int		   *keys = palloc_array(int, epoch->nkeys);
	int			i;
	int			j;

	columns = palloc_array(struct tally_column, epoch->ncolumns);
	for (i = 0; i < epoch->ncolumns; i++)
	{
		positions[i] = 0;
		for (j = 0; j < epoch->ncolumns; j++)
			positions[i] += numbers[j] < numbers[i];
		columns[positions[i]] = epoch->columns[i];
		columns[positions[i]].number = numbers[i];
		tally_attach_shape(&columns[positions[i]],
						   TupleDescAttr(RelationGetDescr(rel),
										 numbers[i] - 1)->atttypid, true);
	}
	epoch->columns = columns;
	for (i = 0; i < epoch->nkeys; i++)
		keys[i] = positions[epoch->keys[i]];
	epoch->keys = keys;
	if (epoch->chain_by >= 0)
		epoch->chain_by = positions[epoch->chain_by];
}

static void
take_moment(const struct tally_epoch *epoch, struct tally_moment *out,
			bool is_end)
{
	if (epoch->is_tracked)
		tally_moment_take_bare(out);
	else
		tally_moment_take(out, is_end);
}

/*
 * The epoch as it is here; why not, if it cannot be.  The locks are held.
 */
static char *
move_epoch(struct tally_epoch *epoch, const struct attached *attached)
{
	Relation	rel = table_open(attached->relation, NoLock);
	char	   *name = tally_attach_name(attached->relation);
	AttrNumber *numbers = NULL;
	char	   *why = NULL;

	epoch->relation = attached->relation;
	epoch->is_elsewhere = true;
	if (strcmp(name, epoch->table) != 0 && !has_trigger(rel, epoch))
		why = psprintf("it was table \"%s\", and has no trigger of tally",
					   epoch->table);
	else
		numbers = tally_columns_find(epoch, rel, &why);
	if (numbers != NULL)
		why = name_fault(epoch, rel, numbers);
	if (why == NULL)
		why = tally_columns_shape_fault(epoch, rel, numbers);
	epoch->is_elsewhere = false;
	if (why == NULL)
		renumber(epoch, rel, numbers);
	table_close(rel, NoLock);
	if (why != NULL)
		return why;
	epoch->table = name;
	epoch->cluster = GetSystemIdentifier();
	epoch->database = get_database_name(MyDatabaseId);
	take_moment(epoch, &epoch->moment, false);
	return NULL;
}

/* epoch: NULL if it cannot be read. */
static void
warn(const struct attached *attached, const struct tally_epoch *epoch,
	 const char *why)
{
	bool		is_tracked = epoch != NULL && epoch->is_tracked;

	ereport(WARNING,
			(errmsg("table \"%s\" was %s as \"%s\", and is not taken over: %s",
					tally_attach_name(attached->relation),
					is_tracked ? "tracked" : "attached", attached->label,
					why),
			 is_tracked ?
			 errhint("Changing it fails until that was ended and begun anew: SELECT tally.untrack(%u::regclass)",
					 attached->relation) :
			 errhint("Writing to it fails until it was detached and attached: SELECT tally.detach(%u::regclass)",
					 attached->relation)));
}

/* Those of the table, should the dump have left some out. */
static void
ensure_triggers(const struct tally_epoch *epoch)
{
	Relation	rel = table_open(epoch->relation, NoLock);
	bool		has = has_all_triggers(rel, epoch);

	table_close(rel, NoLock);
	if (has)
		return;
	if (epoch->is_tracked)
	{
		tally_track_drop_triggers(epoch->relation);
		tally_track_make_triggers(epoch->relation);
	}
	else
	{
		tally_attach_drop_triggers(epoch->relation);
		tally_attach_make_triggers(epoch->relation);
	}
}

/* What the event says that attached or tracked the table; NULL: it does not. */
static struct tally_epoch *
read_epoch(const struct attached *attached)
{
	char	   *event = tally_store_read_event(attached->epoch, SnapshotSelf);
	struct tally_epoch *epoch;

	if (event == NULL)
		return NULL;
	epoch = tally_epoch_parse(attached->epoch, event);
	if (epoch == NULL)
		epoch = tally_track_parse(attached->epoch, event);
	return epoch;
}

static void
take_over(const struct attached *attached)
{
	struct tally_epoch *epoch = read_epoch(attached);
	struct tally_epoch moved;
	char	   *why;

	if (epoch == NULL || strcmp(epoch->label, attached->label) != 0)
		why = psprintf("event %lld is not the one that attached it",
					   (long long) attached->epoch);
	else if (get_rel_name(attached->relation) == NULL)
		why = pstrdup("it is gone");
	else
	{
		(void) tally_attach_lock(attached->relation, ShareRowExclusiveLock);
		moved = *epoch;
		why = move_epoch(&moved, attached);
	}
	if (why != NULL)
	{
		warn(attached, epoch, why);
		return;
	}
	tally_attach_end(epoch);
	(void) tally_store_remove_attachment(attached->relation);
	moved.id = tally_capture_log_event(tally_epoch_encode(&moved));
	tally_store_add_attachment(moved.relation, moved.id, moved.label);
	ensure_triggers(&moved);
}

static int
compare_labels(const ListCell *a, const ListCell *b)
{
	return strcmp(((struct attached *) lfirst(a))->label,
				  ((struct attached *) lfirst(b))->label);
}

void
tally_restored_attach(void)
{
	List	   *attachments = read_attachments();
	ListCell   *cell;

	list_sort(attachments, compare_labels);
	foreach(cell, attachments)
	{
		CHECK_FOR_INTERRUPTS();
		take_over(lfirst(cell));
	}
}
