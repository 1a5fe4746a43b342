/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is there something on the extension's tables that is not ours?
 *
 * We write below the executor.  A trigger or a rule of somebody else would not
 * be run, an index not be kept up to date; one over an expression would even
 * bring the backend down, since there is no executor to evaluate it.
 */
#include "postgres.h"

#include "store.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#define TABLES 6
#define INDEXES 9

/* An index as the script made it, over columns by number. */
struct own_index
{
	Oid			oid;
	int			nkeys;
	AttrNumber	keys[2];
};

/* The types of a table's columns, as the script made them. */
struct own_table
{
	Oid			oid;
	int			ncolumns;
	Oid			types[TALLY_RECORD_COLUMNS];
};

/* Found in order since something last changed. */
static Oid	judged[TABLES];
static int	njudged;
static uint64 judged_at;		/* tally_store_changes() */

static void
refuse_column(Relation rel, Form_pg_attribute column, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column \"%s\" of table \"tally.%s\" is not the extension's own",
					NameStr(column->attname), RelationGetRelationName(rel)),
			 errhint("%s", what)));
}

static void
judge_columns_of(Relation rel, const struct own_table *own)
{
	TupleDesc	columns = RelationGetDescr(rel);
	int			i;

	if (columns->natts < own->ncolumns ||
		columns->natts > own->ncolumns + TALLY_SPARE_COLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"tally.%s\" has %d columns, and was made with %d",
						RelationGetRelationName(rel), columns->natts,
						own->ncolumns)));
	for (i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (i >= own->ncolumns && !column->attisdropped)
			refuse_column(rel, column, "Drop it.");
		if (i < own->ncolumns && column->atttypid != own->types[i])
			refuse_column(rel, column, "Give it back the type that it had.");
	}
}

static void
judge_columns(Relation rel)
{
	const struct tally_tables *tables = tally_store_tables();
	const struct own_table list[TABLES] = {
		{tables->chain, TALLY_CHAIN_COLUMNS, {INT8OID, TEXTOID}},
		{tables->event, TALLY_EVENT_COLUMNS, {INT8OID, TEXTOID}},
		{tables->record, TALLY_RECORD_COLUMNS,
			{INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID,
		BYTEAOID, BYTEAOID, BYTEAOID, TEXTOID, TEXTOID, BYTEAOID}},
		{tables->attachment, TALLY_ATTACHMENT_COLUMNS,
		{REGCLASSOID, INT8OID, TEXTOID}},
		{tables->origin, TALLY_ORIGIN_COLUMNS,
		{INT8OID, TEXTOID, OIDOID, TEXTOID, OIDOID, INT8OID}},
		{tables->backfill, TALLY_BACKFILL_COLUMNS,
		{REGCLASSOID, INT8OID, TEXTARRAYOID, INT8OID, BOOLOID}},
	};
	int			i;

	for (i = 0; i < TABLES; i++)
	{
		if (list[i].oid == RelationGetRelid(rel))
			judge_columns_of(rel, &list[i]);
	}
}

static void
list_indexes(struct own_index indexes[INDEXES])
{
	const struct tally_tables *tables = tally_store_tables();
	const struct own_index list[INDEXES] = {
		{tables->chain_id, 1, {TALLY_CHAIN_ID}},
		{tables->chain_name, 1, {TALLY_CHAIN_NAME}},
		{tables->event_id, 1, {TALLY_EVENT_ID}},
		{tables->record_seq, 2, {TALLY_RECORD_CHAIN_ID, TALLY_RECORD_SEQ}},
		{tables->record_id, 2, {TALLY_RECORD_CHAIN_ID, TALLY_RECORD_ID}},
		{tables->attachment_relation, 1, {TALLY_ATTACHMENT_RELATION}},
		{tables->attachment_label, 1, {TALLY_ATTACHMENT_LABEL}},
		{tables->origin_number, 1, {TALLY_ORIGIN_NUMBER}},
		{tables->backfill_relation, 1, {TALLY_BACKFILL_RELATION}},
	};

	memcpy(indexes, list, sizeof(list));
}

static const struct own_index *
find_index(const struct own_index indexes[INDEXES], Oid oid)
{
	int			i;

	for (i = 0; i < INDEXES; i++)
	{
		if (indexes[i].oid == oid)
			return &indexes[i];
	}
	return NULL;
}

/* Could it be searched, by the same keys, for what we look for? */
static bool
is_as_made(const struct own_index *own)
{
	Relation	index = index_open(own->oid, AccessShareLock);
	Form_pg_index form = index->rd_index;
	bool		same;
	int			i;

	same = index->rd_rel->relam == BTREE_AM_OID && form->indisunique &&
		form->indisvalid && form->indnkeyatts == own->nkeys &&
		form->indnatts == own->nkeys;
	for (i = 0; same && i < own->nkeys; i++)
		same = form->indkey.values[i] == own->keys[i] &&
			index->rd_indoption[i] == 0;
	index_close(index, AccessShareLock);
	return same;
}

static void
judge_indexes(Relation rel)
{
	struct own_index indexes[INDEXES];
	ListCell   *cell;

	list_indexes(indexes);
	foreach(cell, RelationGetIndexList(rel))
	{
		Oid			oid = lfirst_oid(cell);
		const struct own_index *own = find_index(indexes, oid);

		if (own == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"tally.%s\" has an index \"%s\" that is not its own",
							RelationGetRelationName(rel), get_rel_name(oid)),
					 errhint("Drop it: records are written without it.")));
		if (!is_as_made(own))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("index \"%s\" of table \"tally.%s\" is not the one that the extension made",
							get_rel_name(oid), RelationGetRelationName(rel)),
					 errhint("Make it again as the extension's script does.")));
	}
}

static void
judge_triggers(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;
	int			i;

	for (i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		if (strcmp(triggers->triggers[i].tgname, "guard") != 0 &&
			strcmp(triggers->triggers[i].tgname, "arrival") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("table \"tally.%s\" has a trigger \"%s\" that is not its own",
							RelationGetRelationName(rel),
							triggers->triggers[i].tgname),
					 errhint("Drop it: records are written without it.")));
	}
	if (rel->rd_rules != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"tally.%s\" has a rule",
						RelationGetRelationName(rel)),
				 errhint("Drop it: records are written without it.")));
}

void
tally_store_judge(Relation rel)
{
	Oid			relation = RelationGetRelid(rel);
	int			i;

	if (judged_at != tally_store_changes())
		njudged = 0;
	judged_at = tally_store_changes();
	for (i = 0; i < njudged; i++)
	{
		if (judged[i] == relation)
			return;
	}
	judge_columns(rel);
	judge_indexes(rel);
	judge_triggers(rel);
	if (rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"tally.%s\" is not a heap table",
						RelationGetRelationName(rel))));
	if (njudged < TABLES)
		judged[njudged++] = relation;
}
