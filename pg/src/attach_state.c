/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attached tables as they are now: the triggers and their functions, and
 * whether a key is one.
 */
#include "postgres.h"

#include "attach.h"
#include "store.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/syscache.h"

Oid
tally_attach_find_function(const char *name)
{
	Oid			schema = get_namespace_oid(TALLY_SCHEMA, false);
	oidvector  *none = buildoidvector(NULL, 0);
	Oid			function;

	/* By no path, and whatever the rights of who asks. */
	function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
							   CStringGetDatum(name), PointerGetDatum(none),
							   ObjectIdGetDatum(schema));
	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function \"tally.%s\" is gone", name),
				 errhint("Create the extension anew; tally.verify() says more.")));
	return function;
}

const Trigger *
tally_attach_find_trigger(Relation rel, const char *function, int16 type)
{
	Oid			oid = tally_attach_find_function(function);
	const TriggerDesc *triggers = rel->trigdesc;
	const Trigger *trigger;
	int			i;

	for (i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		trigger = &triggers->triggers[i];
		if (trigger->tgfoid == oid && trigger->tgtype == type &&
			trigger->tgqual == NULL && trigger->tgnattr == 0)
			return trigger;
	}
	return NULL;
}

/* May this index be why there is at most one row of a key? */
static bool
is_unique_over(Oid oid, const struct tally_epoch *epoch)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(oid));
	Form_pg_index index;
	bool		unique;
	int			i,
				k;

	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	unique = index->indisunique && index->indisvalid && index->indimmediate &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL);
	for (i = 0; unique && i < index->indnkeyatts; i++)
	{
		for (k = 0; k < epoch->nkeys; k++)
		{
			if (epoch->columns[epoch->keys[k]].number ==
				index->indkey.values[i])
				break;
		}
		unique = k < epoch->nkeys;
	}
	ReleaseSysCache(tuple);
	return unique;
}

bool
tally_attach_is_key_unique(Relation rel, const struct tally_epoch *epoch)
{
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(rel))
	{
		if (is_unique_over(lfirst_oid(cell), epoch))
			return true;
	}
	return false;
}
