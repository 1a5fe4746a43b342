/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extension's own tables: where they are, and whether one has changed.
 */
#include "postgres.h"

#include "store.h"

#include "catalog/namespace.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

static struct tally_tables tables;
static bool tables_known;
static uint64 changes;
static uint64 chain_changes;

/* Any change of our tables or their indexes, or of everything: look again. */
static void
on_relcache(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == tables.record ||
		relation == tables.chain || relation == tables.event ||
		relation == tables.attachment || relation == tables.origin ||
		relation == tables.backfill)
	{
		tables_known = false;
		changes++;
	}
	if (relation == InvalidOid || relation == tables.chain)
		chain_changes++;
}

void
tally_store_init(void)
{
	CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
}

uint64
tally_store_changes(void)
{
	return changes;
}

uint64
tally_store_chain_changes(void)
{
	return chain_changes;
}

/* Which one is missing; NULL: all are there. */
static const char *
find_relations(Oid schema, struct tally_tables *found)
{
	const struct
	{
		const char *name;
		Oid		   *to;
	}			list[] = {
		{"chain", &found->chain},
		{"chain_id", &found->chain_id},
		{"chain_name", &found->chain_name},
		{"chain_number", &found->chain_number},
		{"event", &found->event},
		{"event_id", &found->event_id},
		{"event_number", &found->event_number},
		{"record", &found->record},
		{"record_seq", &found->record_seq},
		{"record_id", &found->record_id},
		{"attachment", &found->attachment},
		{"attachment_relation", &found->attachment_relation},
		{"attachment_label", &found->attachment_label},
		{"origin", &found->origin},
		{"origin_number", &found->origin_number},
		{"backfill", &found->backfill},
		{"backfill_relation", &found->backfill_relation},
	};
	int			i;

	for (i = 0; i < lengthof(list); i++)
	{
		*list[i].to = get_relname_relid(list[i].name, schema);
		if (!OidIsValid(*list[i].to))
			return list[i].name;
	}
	return NULL;
}

bool
tally_store_has_tables(void)
{
	struct tally_tables found;
	Oid			schema;

	if (tables_known)
		return true;
	schema = get_namespace_oid(TALLY_SCHEMA, true);
	return OidIsValid(schema) && find_relations(schema, &found) == NULL;
}

const struct tally_tables *
tally_store_tables(void)
{
	struct tally_tables found;
	const char *missing;
	Oid			schema;

	if (tables_known)
		return &tables;
	schema = get_namespace_oid(TALLY_SCHEMA, true);
	if (!OidIsValid(schema))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the extension \"tally\" does not exist in this database"),
				 errhint("Use CREATE EXTENSION tally.")));
	missing = find_relations(schema, &found);
	if (missing != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s.%s\" does not exist", TALLY_SCHEMA, missing),
				 errhint("Use CREATE EXTENSION tally in this database.")));
	tables = found;
	tables_known = true;
	return &tables;
}
