/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog against the epoch in force of one table.
 */
#include "postgres.h"

#include "attach.h"
#include "attachment.h"
#include "columns.h"
#include "ddl.h"
#include "shape.h"
#include "track.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/rel.h"

/* ---- the triggers -------------------------------------------------- */

/* Why it would not do what it is for, or NULL. */
static char *
trigger_fault(Relation rel, const char *name, const char *function, int16 type)
{
	char	   *table = tally_attach_name(RelationGetRelid(rel));
	const Trigger *trigger;

	/* The relation's triggers move when a catalog is read: not from here on. */
	trigger = tally_attach_find_trigger(rel, function, type);
	if (trigger == NULL)
		return psprintf("Table \"%s\" would be without its trigger \"%s\".",
						table, name);
	if (trigger->tgenabled != TRIGGER_FIRES_ON_ORIGIN &&
		trigger->tgenabled != TRIGGER_FIRES_ALWAYS)
		return psprintf("Trigger \"%s\" of table \"%s\" would be disabled.",
						name, table);
	if (strcmp(trigger->tgname, name) != 0)
		return psprintf("Trigger \"%s\" of table \"%s\" would have another name, by which it may fire too late.",
						name, table);
	return NULL;
}

/* Those of an attached table, and of each partition. */
static char *
triggers_fault(Relation rel)
{
	char	   *why = trigger_fault(rel, TALLY_TRIGGER_ROW, "capture",
									TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT |
									TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE);

	if (why == NULL)
		why = trigger_fault(rel, TALLY_TRIGGER_TRUNCATE, "refuse_truncate",
							TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE);
	return why;
}

/* One of each name: transition tables are compared when verifying. */
static char *
tracking_fault(Relation rel)
{
	const struct tally_track_trigger *expected;
	char	   *why = NULL;
	int			i;

	for (i = 0; i < TALLY_TRACK_TRIGGERS && why == NULL; i++)
	{
		expected = &tally_track_triggers[i];
		why = trigger_fault(rel, expected->name, TALLY_TRACK_FUNCTION,
							TRIGGER_TYPE_AFTER | expected->events);
	}
	return why;
}

/* ---- the table ----------------------------------------------------- */

static char *
partition_fault(Oid relation)
{
	Relation	rel = try_relation_open(relation, AccessShareLock);
	char	   *why;

	if (rel == NULL)
		return NULL;
	if (rel->rd_rel->relkind != RELKIND_RELATION &&
		rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		why = psprintf("Rows of \"%s\" can change where nothing here would notice.",
					   tally_attach_name(relation));
	else if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		why = psprintf("A crash would empty \"%s\", which is not logged, and the records of its rows would remain.",
					   tally_attach_name(relation));
	else
		why = triggers_fault(rel);
	relation_close(rel, NoLock);
	return why;
}

static char *
attached_fault(Relation rel)
{
	char	   *why = triggers_fault(rel);
	ListCell   *cell;

	if (why != NULL || rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return why;
	foreach(cell, find_all_inheritors(RelationGetRelid(rel), AccessShareLock,
									  NULL))
	{
		if (why == NULL && lfirst_oid(cell) != RelationGetRelid(rel))
			why = partition_fault(lfirst_oid(cell));
	}
	return why;
}

static char *
table_fault(Relation rel, const struct tally_epoch *epoch)
{
	const char *why = tally_attach_fault(rel);

	if (why != NULL)
		return pstrdup(why);
	if (epoch->is_tracked && rel->rd_rel->relispartition)
		return pstrdup("It is a partition: statements that name the partitioned table would not be seen.");
	return epoch->is_tracked ? tracking_fault(rel) : attached_fault(rel);
}

/* ---- the columns --------------------------------------------------- */

static char *
sentence(char *why)
{
	*why = pg_toupper((unsigned char) *why);
	return psprintf("%s.", why);
}

/* Are names, and the values that an enum has, those of the epoch? */
static bool
is_same(const struct tally_epoch *epoch, Relation rel,
		const AttrNumber *numbers)
{
	struct tally_column now;
	int			i;

	if (strcmp(epoch->table, tally_attach_name(epoch->relation)) != 0)
		return false;
	for (i = 0; i < epoch->ncolumns; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel),
												 numbers[i] - 1);

		tally_attach_shape(&now, column->atttypid, false);
		if (strcmp(NameStr(column->attname), epoch->columns[i].name) != 0 ||
			!tally_shape_is_same(&now, &epoch->columns[i]))
			return false;
	}
	return true;
}

static enum tally_ddl_change
judge_columns(const struct tally_epoch *epoch, Relation rel, char **out_why)
{
	AttrNumber *numbers = tally_columns_find(epoch, rel, out_why);

	if (numbers != NULL)
		*out_why = tally_columns_shape_fault(epoch, rel, numbers);
	if (*out_why == NULL && !epoch->is_tracked &&
		!tally_attach_is_key_unique(rel, epoch))
		*out_why = psprintf("the key of table \"%s\" would be unique no more",
							epoch->table);
	if (*out_why != NULL)
	{
		*out_why = sentence(*out_why);
		return TALLY_DDL_ROWS;
	}
	return is_same(epoch, rel, numbers) ? TALLY_DDL_NOTHING : TALLY_DDL_NAMES;
}

enum tally_ddl_change
tally_ddl_judge(const struct tally_epoch *epoch, char **out_why)
{
	Relation	rel = try_relation_open(epoch->relation, AccessShareLock);
	enum tally_ddl_change change = TALLY_DDL_BROKEN;

	*out_why = NULL;
	if (rel == NULL)
		return TALLY_DDL_NOTHING;	/* tally_ddl_settle_gone's matter */
	*out_why = table_fault(rel, epoch);
	if (*out_why == NULL)
		change = judge_columns(epoch, rel, out_why);
	relation_close(rel, NoLock);
	return change;
}
