/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guards of the extension's own tables: they are written by the module
 * alone, below the executor, where no trigger fires.
 *
 * What they let pass is a dump that comes back, as long as nothing was sealed
 * in this place (R8).
 */
#include "postgres.h"

#include "origin.h"
#include "settings.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/rel.h"

static TriggerData *
get_trigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this is a trigger of tally's own tables")));
	return (TriggerData *) fcinfo->context;
}

PG_FUNCTION_INFO_V1(tally_sql_guard);

/* BEFORE each statement. */
Datum
tally_sql_guard(PG_FUNCTION_ARGS)
{
	TriggerData *data = get_trigger(fcinfo);

	if (TRIGGER_FIRED_BY_INSERT(data->tg_event) && tally_origin_is_foreign())
		return PointerGetDatum(NULL);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"tally.%s\" is written by tally alone",
					RelationGetRelationName(data->tg_relation)),
			 errdetail("Records are made when a transaction commits that changed an attached table or called tally.append."),
			 errhint("A change by any other hand would be found by tally.verify().")));
}

PG_FUNCTION_INFO_V1(tally_sql_arrival);

/*
 * BEFORE each row, always: replication workers fire no triggers of statements,
 * and of rows only those that are enabled so.  For anybody else who gets past
 * the guard this is none: what he does is found.
 */
Datum
tally_sql_arrival(PG_FUNCTION_ARGS)
{
	TriggerData *data = get_trigger(fcinfo);

	if (tally_origin_is_arrival() && tally_mode == TALLY_MODE_PRIMARY)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"tally.%s\" takes no rows of another database",
						RelationGetRelationName(data->tg_relation)),
				 errdetail("They arrive by logical replication; the chains of one log are not those of another."),
				 errhint("Publish tables of yours alone, without those of the schema \"tally\"; or, if this database is to have the other's log and none of its own, set tally.mode to \"replica\".")));
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
						   data->tg_newtuple : data->tg_trigtuple);
}
