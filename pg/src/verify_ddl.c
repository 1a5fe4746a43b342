/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event triggers: are they what CREATE EXTENSION made, and at work?
 *
 * A superuser can disable them, change a table behind them, and enable them
 * again; what that left behind is found where tables are judged.
 */
#include "postgres.h"

#include "verify.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_event_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define TAGS_MAX 11

static const struct event_trigger
{
	const char *name;
	const char *function;
	const char *event;
	const char *tags[TAGS_MAX]; /* in the order of the script */
}			triggers[] = {

	{"tally_ddl_start", "ddl_start", "ddl_command_start",
		{"ALTER TABLE", "DROP INDEX", "DROP EXTENSION", "DROP SCHEMA",
		"DROP OWNED"},
	},
	{"tally_ddl_end", "ddl_end", "ddl_command_end",
		{"ALTER TABLE", "ALTER INDEX", "ALTER TRIGGER", "CREATE TRIGGER",
			"CREATE TABLE", "CREATE FOREIGN TABLE", "ALTER FOREIGN TABLE",
			"ALTER TYPE", "ALTER DOMAIN", "ALTER SCHEMA",
		"CREATE SCHEMA"},
	},
	{"tally_ddl_drop", "ddl_drop", "sql_drop"},
	{"tally_ddl_rewrite", "ddl_rewrite", "table_rewrite"},
};

static bool
has_tags(HeapTuple tuple, TupleDesc desc, const struct event_trigger *expected)
{
	Datum	   *tags = NULL;
	int			count = 0;
	bool		isnull;
	int			i;
	Datum		value = heap_getattr(tuple, Anum_pg_event_trigger_evttags, desc,
									 &isnull);

	if (!isnull)
		deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
						  TYPALIGN_INT, &tags, NULL, &count);
	for (i = 0; i < TAGS_MAX && expected->tags[i] != NULL; i++)
	{
		if (i >= count ||
			strcmp(TextDatumGetCString(tags[i]), expected->tags[i]) != 0)
			return false;
	}
	return i == count;
}

/* What is wrong with it, or NULL. */
static const char *
fault_of(struct tally_verifier *v, HeapTuple tuple, TupleDesc desc,
		 const struct event_trigger *expected)
{
	Form_pg_event_trigger form = (Form_pg_event_trigger) GETSTRUCT(tuple);
	char	   *function = get_func_name(form->evtfoid);

	if (form->evtenabled == TRIGGER_DISABLED)
		return "is disabled";
	if (form->evtenabled != TRIGGER_FIRES_ALWAYS)
		return "does not fire always";
	if (strcmp(NameStr(form->evtevent), expected->event) != 0 ||
		function == NULL || strcmp(function, expected->function) != 0 ||
		get_func_namespace(form->evtfoid) != v->schema ||
		!has_tags(tuple, desc, expected))
		return "is not the one that the extension made";
	return NULL;
}

static void
judge(struct tally_verifier *v, const struct event_trigger *expected)
{
	Relation	catalog = table_open(EventTriggerRelationId, AccessShareLock);
	const char *fault = "is gone";
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	NameData	name;

	namestrcpy(&name, expected->name);
	ScanKeyInit(&key, Anum_pg_event_trigger_evtname, BTEqualStrategyNumber,
				F_NAMEEQ, NameGetDatum(&name));
	scan = systable_beginscan(catalog, EventTriggerNameIndexId, true, NULL, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		fault = fault_of(v, tuple, RelationGetDescr(catalog), expected);
	if (fault != NULL)
		tally_report_tell_general(v, TALLY_CONTENT_ALTERED,
								  "event trigger \"%s\" %s", expected->name,
								  fault);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

void
tally_ddl_triggers_judge(struct tally_verifier *v)
{
	int			i;

	for (i = 0; i < lengthof(triggers); i++)
		judge(v, &triggers[i]);
}
