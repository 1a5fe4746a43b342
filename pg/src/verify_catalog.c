/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extension's own tables, indexes, triggers and functions: are they what
 * CREATE EXTENSION made?
 *
 * Whoever wants to change a record has to get past the guards first, and may
 * forget to put them back.  What is found here is no proof that a record was
 * changed, but it is a change by a hand that is not ours.
 */
#include "postgres.h"

#include "store.h"
#include "verify.h"

#include "access/relation.h"
#include "catalog/pg_am.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

struct column
{
	const char *name;
	Oid			type;
};

struct index
{
	const char *name;
	int			nkeys;
	AttrNumber	keys[2];
	AttrNumber	not_null;		/* only where this column is not null, or 0 */
};

struct table
{
	const char *name;
	int			ncolumns;
	struct column columns[TALLY_RECORD_COLUMNS];
	int			nindexes;
	struct index indexes[2];
};

static const struct table chain_table = {
	"chain",
	TALLY_CHAIN_COLUMNS, {{"id", INT8OID}, {"name", TEXTOID}},
	2, {
		{"chain_id", 1, {TALLY_CHAIN_ID}},
		{"chain_name", 1, {TALLY_CHAIN_NAME}},
	},
};

static const struct table event_table = {
	"event",
	TALLY_EVENT_COLUMNS, {{"id", INT8OID}, {"event", TEXTOID}},
	1, {{"event_id", 1, {TALLY_EVENT_ID}}},
};

static const struct table record_table = {
	"record",
	TALLY_RECORD_COLUMNS, {
		{"chain_id", INT8OID}, {"seq", INT8OID}, {"time", TIMESTAMPTZOID},
		{"epoch", INT8OID}, {"event_id", INT8OID}, {"digest", BYTEAOID},
		{"prev", BYTEAOID}, {"hash", BYTEAOID}, {"key", TEXTOID},
		{"id", TEXTOID}, {"salt", BYTEAOID},
	},
	2, {
		{"record_seq", 2, {TALLY_RECORD_CHAIN_ID, TALLY_RECORD_SEQ}},
		{"record_id", 2, {TALLY_RECORD_CHAIN_ID, TALLY_RECORD_ID},
		TALLY_RECORD_ID},
	},
};

static const struct table attachment_table = {
	"attachment",
	TALLY_ATTACHMENT_COLUMNS, {
		{"relation", REGCLASSOID}, {"epoch", INT8OID}, {"label", TEXTOID},
	},
	2, {
		{"attachment_relation", 1, {TALLY_ATTACHMENT_RELATION}},
		{"attachment_label", 1, {TALLY_ATTACHMENT_LABEL}},
	},
};

static const struct table origin_table = {
	"origin",
	TALLY_ORIGIN_COLUMNS, {
		{"number", INT8OID}, {"cluster", TEXTOID}, {"database", OIDOID},
		{"name", TEXTOID}, {"record", OIDOID}, {"timeline", INT8OID},
	},
	1, {{"origin_number", 1, {TALLY_ORIGIN_NUMBER}}},
};

/* Where backfills stopped, which is evidence of nothing. */
static const struct table backfill_table = {
	"backfill",
	TALLY_BACKFILL_COLUMNS, {
		{"relation", REGCLASSOID}, {"era", INT8OID},
		{"position", TEXTARRAYOID}, {"taken", INT8OID},
		{"is_finished", BOOLOID},
	},
	1, {{"backfill_relation", 1, {TALLY_BACKFILL_RELATION}}},
};

/* By which something is captured or refused. */
static const char *const functions[] = {
	"capture", "capture_statement", "refuse_truncate", "guard", "arrival",
	"append", "append_now", "restored", "backfill", "retire",
	"refuse_retired", "ddl_start", "ddl_end", "ddl_drop", "ddl_rewrite",
};

/* Why rel cannot be read as the table, or NULL. */
static const char *
table_fault(const struct table *table, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			i;

	if (rel->rd_rel->relkind != RELKIND_RELATION ||
		rel->rd_rel->relam != HEAP_TABLE_AM_OID)
		return "it is no heap table";
	if (desc->natts != table->ncolumns)
		return psprintf("it has %d columns, not %d", desc->natts,
						table->ncolumns);
	for (i = 0; i < table->ncolumns; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped ||
			strcmp(NameStr(column->attname), table->columns[i].name) != 0 ||
			column->atttypid != table->columns[i].type)
			return psprintf("its column %d is not \"%s\" of type %s", i + 1,
							table->columns[i].name,
							format_type_be(table->columns[i].type));
	}
	return NULL;
}

#define TELL_ALTERED(v, ...) \
	tally_report_tell_general((v), TALLY_CONTENT_ALTERED, __VA_ARGS__)

static bool
is_predicate(List *predicate, AttrNumber not_null)
{
	NullTest   *test;

	if (not_null == 0 || predicate == NIL)
		return not_null == 0 && predicate == NIL;
	test = linitial(predicate);
	return list_length(predicate) == 1 && IsA(test, NullTest) &&
		test->nulltesttype == IS_NOT_NULL && IsA(test->arg, Var) &&
		((Var *) test->arg)->varattno == not_null;
}

static bool
is_index(const struct index *index, Relation rel)
{
	Form_pg_index form = rel->rd_index;
	int			i;

	if (rel->rd_rel->relam != BTREE_AM_OID || !form->indisunique ||
		!form->indimmediate || !form->indisvalid || !form->indisready ||
		form->indnatts != index->nkeys)
		return false;
	for (i = 0; i < index->nkeys; i++)
	{
		if (form->indkey.values[i] != index->keys[i])
			return false;
	}
	return is_predicate(RelationGetIndexPredicate(rel), index->not_null);
}

static void
judge_indexes(struct tally_verifier *v, const struct table *table,
			  Relation rel)
{
	List	   *oids = RelationGetIndexList(rel);
	bool		seen[2] = {false};
	ListCell   *cell;
	int			i;

	foreach(cell, oids)
	{
		Relation	index = relation_open(lfirst_oid(cell), AccessShareLock);
		const char *name = RelationGetRelationName(index);

		for (i = 0; i < table->nindexes; i++)
		{
			if (strcmp(name, table->indexes[i].name) == 0)
				break;
		}
		if (i == table->nindexes)
			TELL_ALTERED(v, "index \"%s\" of table \"tally.%s\" is not the extension's",
						 name, table->name);
		else
		{
			seen[i] = true;
			if (is_index(&table->indexes[i], index))
			{
				if (strcmp(name, "event_id") == 0)
					v->event_id = RelationGetRelid(index);
				if (strcmp(name, "record_seq") == 0)
					v->record_seq = RelationGetRelid(index);
			}
			else
				TELL_ALTERED(v, "index \"%s\" of table \"tally.%s\" is not the one that the extension made, or not valid",
							 name, table->name);
		}
		relation_close(index, NoLock);
	}
	for (i = 0; i < table->nindexes; i++)
	{
		if (!seen[i])
			TELL_ALTERED(v, "index \"%s\" of table \"tally.%s\" is gone",
						 table->indexes[i].name, table->name);
	}
}

/* Each table has both; they call functions of the same names. */
static const struct guard
{
	const char *name;
	int			type;
}			guards[] = {

	{"arrival", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT |
	TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE},
	{"guard", TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE |
	TRIGGER_TYPE_DELETE | TRIGGER_TYPE_TRUNCATE},
};

static void
judge_guard(struct tally_verifier *v, const struct table *table,
			const Trigger *trigger, const struct guard *guard)
{
	char	   *function = get_func_name(trigger->tgfoid);

	if (trigger->tgenabled == TRIGGER_DISABLED ||
		trigger->tgenabled == TRIGGER_FIRES_ON_REPLICA)
		TELL_ALTERED(v, "trigger \"%s\" of table \"tally.%s\" is disabled",
					 guard->name, table->name);
	else if (trigger->tgtype != guard->type || trigger->tgqual != NULL ||
			 trigger->tgnattr != 0 || function == NULL ||
			 strcmp(function, guard->name) != 0 ||
			 get_func_namespace(trigger->tgfoid) != v->schema)
		TELL_ALTERED(v, "trigger \"%s\" of table \"tally.%s\" is not the one that the extension made",
					 guard->name, table->name);
}

static void
judge_triggers(struct tally_verifier *v, const struct table *table,
			   Relation rel)
{
	/* The relation's own move when a catalog is read. */
	TriggerDesc *triggers = CopyTriggerDesc(rel->trigdesc);
	bool		seen[lengthof(guards)] = {false};
	int			i;
	int			j;

	for (i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		for (j = 0; j < lengthof(guards); j++)
		{
			if (strcmp(trigger->tgname, guards[j].name) == 0)
				break;
		}
		if (j == lengthof(guards))
			TELL_ALTERED(v, "trigger \"%s\" of table \"tally.%s\" is not the extension's",
						 trigger->tgname, table->name);
		else
		{
			seen[j] = true;
			judge_guard(v, table, trigger, &guards[j]);
		}
	}
	for (j = 0; j < lengthof(guards); j++)
	{
		if (!seen[j])
			TELL_ALTERED(v, "trigger \"%s\" of table \"tally.%s\" is gone",
						 guards[j].name, table->name);
	}
	if (rel->rd_rules != NULL)
		TELL_ALTERED(v, "table \"tally.%s\" has a rule, which the extension did not make",
					 table->name);
	if (rel->rd_rel->relispartition ||
		find_inheritance_children(RelationGetRelid(rel), NoLock) != NIL)
		TELL_ALTERED(v, "table \"tally.%s\" has become part of an inheritance",
					 table->name);
	if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		TELL_ALTERED(v, "table \"tally.%s\" is unlogged", table->name);
}

static Relation
open_table(struct tally_verifier *v, const struct table *table)
{
	Oid			oid = get_relname_relid(table->name, v->schema);
	Relation	rel = OidIsValid(oid) ?
	try_relation_open(oid, AccessShareLock) : NULL;
	const char *fault;

	if (rel == NULL)
	{
		tally_report_tell_general(v, TALLY_DAMAGED,
								  "table \"tally.%s\" is gone", table->name);
		return NULL;
	}
	fault = table_fault(table, rel);
	if (fault != NULL)
	{
		tally_report_tell_general(v, TALLY_DAMAGED,
								  "table \"tally.%s\" is not the one that the extension made: %s",
								  table->name, fault);
		relation_close(rel, NoLock);
		return NULL;
	}
	judge_indexes(v, table, rel);
	judge_triggers(v, table, rel);
	return rel;
}

/* The library that the C function is in; NULL if it is no C function. */
static char *
library_of(HeapTuple function, const char **out_symbol)
{
	bool		isnull;
	Datum		value;

	if (((Form_pg_proc) GETSTRUCT(function))->prolang != ClanguageId)
		return NULL;
	value = SysCacheGetAttr(PROCOID, function, Anum_pg_proc_prosrc, &isnull);
	*out_symbol = isnull ? "" : TextDatumGetCString(value);
	value = SysCacheGetAttr(PROCOID, function, Anum_pg_proc_probin, &isnull);
	return isnull ? NULL : TextDatumGetCString(value);
}

/* All functions of this name in the schema. */
static void
judge_function(struct tally_verifier *v, const char *name, const char *library)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP,
										   CStringGetDatum(name));
	char	   *expected = psprintf("tally_sql_%s", name);
	bool		seen = false;
	int			i;

	for (i = 0; i < list->n_members; i++)
	{
		HeapTuple	tuple = &list->members[i]->tuple;
		const char *symbol;
		char	   *in;

		if (((Form_pg_proc) GETSTRUCT(tuple))->pronamespace != v->schema)
			continue;
		seen = true;
		in = library_of(tuple, &symbol);
		if (in == NULL || strcmp(in, library) != 0 ||
			strcmp(symbol, expected) != 0)
			TELL_ALTERED(v, "function \"tally.%s\" is not the one that the extension made",
						 name);
	}
	ReleaseCatCacheList(list);
	if (!seen)
		TELL_ALTERED(v, "function \"tally.%s\" is gone", name);
}

static void
judge_functions(struct tally_verifier *v, Oid self)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(self));
	char	   *library;
	const char *symbol;
	int			i;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", self);
	library = library_of(tuple, &symbol);
	ReleaseSysCache(tuple);
	for (i = 0; library != NULL && i < lengthof(functions); i++)
		judge_function(v, functions[i], library);
}

static void
close_table(Relation rel)
{
	if (rel != NULL)
		relation_close(rel, NoLock);
}

bool
tally_catalog_open(struct tally_verifier *v, Oid self)
{
	close_table(open_table(v, &backfill_table));
	v->chain = open_table(v, &chain_table);
	v->event = open_table(v, &event_table);
	v->record = open_table(v, &record_table);
	v->attachment = open_table(v, &attachment_table);
	v->origin = open_table(v, &origin_table);
	judge_functions(v, self);
	tally_ddl_triggers_judge(v);
	return v->chain != NULL && v->event != NULL && v->record != NULL &&
		v->attachment != NULL && v->origin != NULL;
}

void
tally_catalog_close(struct tally_verifier *v)
{
	close_table(v->chain);
	close_table(v->event);
	close_table(v->record);
	close_table(v->attachment);
	close_table(v->origin);
}
