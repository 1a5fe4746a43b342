/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.status: what an operator wants to see at one look.  Each row is an
 * item in a state; whatever is not as it should be says in detail what to do.
 *
 * Nothing here waits for a lock on a table, and no broken attachment keeps the
 * others from being shown.
 */
#include "postgres.h"

#include "lock.h"
#include "origin.h"
#include "settings.h"
#include "status.h"
#include "store.h"
#include "xact.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* Columns of the result. */
enum
{
	STATUS_ITEM,
	STATUS_SUBJECT,
	STATUS_STATE,
	STATUS_OWNER,
	STATUS_WAITERS,
	STATUS_DETAIL,
	STATUS_COLUMNS
};

static void
put(ReturnSetInfo *result, const struct tally_status_row *row)
{
	Datum		values[STATUS_COLUMNS] = {0};
	bool		nulls[STATUS_COLUMNS] = {false};
	Datum	   *waiters = palloc(sizeof(Datum) * (row->nwaiters + 1));
	int			i;

	values[STATUS_ITEM] = CStringGetTextDatum(row->item);
	values[STATUS_SUBJECT] = CStringGetTextDatum(row->subject);
	values[STATUS_STATE] = CStringGetTextDatum(row->state);
	values[STATUS_OWNER] = Int32GetDatum(row->owner);
	nulls[STATUS_OWNER] = row->owner == 0;
	for (i = 0; i < row->nwaiters; i++)
		waiters[i] = Int32GetDatum(row->waiters[i]);
	values[STATUS_WAITERS] =
		PointerGetDatum(construct_array(waiters, row->nwaiters, INT4OID,
										sizeof(int32), true, TYPALIGN_INT));
	nulls[STATUS_WAITERS] = row->owner == 0;
	if (row->detail != NULL)
		values[STATUS_DETAIL] = CStringGetTextDatum(row->detail);
	nulls[STATUS_DETAIL] = row->detail == NULL;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_library(ReturnSetInfo *result)
{
	struct tally_status_row row = {.item = "library",.subject = "tally"};

	row.state = "preloaded";
	if (!tally_lock_is_preloaded())
	{
		row.state = "not preloaded";
		row.detail = "Chains are locked with advisory locks, which is slower: add tally to shared_preload_libraries, and restart the server.";
	}
	put(result, &row);
}

static void
put_early_release(ReturnSetInfo *result)
{
	static const char *const states[] = {
		[TALLY_RELEASE_OFF] = "off",
		[TALLY_RELEASE_LOCAL] = "local",
		[TALLY_RELEASE_FULL] = "full",
	};
	struct tally_status_row row = {
		.item = "setting",.subject = "tally.early_release"
	};

	row.state = states[tally_early_release];
	if (tally_xact_releases_early() && tally_xact_awaits_standby())
		row.detail = "In this session a commit is visible to others before it is flushed and the standby has it; its client is answered afterwards.";
	else if (tally_xact_releases_early())
		row.detail = "In this session a commit is visible to others before it is flushed; its client is answered afterwards.";
	else if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		row.detail = "Without effect in this session: synchronous_commit is off, so nobody waits.";
	else if (tally_xact_awaits_standby())
		row.detail = "In this session a chain is locked until its commit is flushed and the standby has it.";
	else
		row.detail = "In this session a chain is locked until its commit is flushed.";
	put(result, &row);
}

/* Only where it matters: as it is by default there is nothing to say. */
static void
put_replication_role(ReturnSetInfo *result)
{
	struct tally_status_row row = {
		.item = "setting",.subject = "session_replication_role",
		.state = "replica",
		.detail = "In this session no trigger fires: its rows are not sealed, and will be found as unsealed."
	};

	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		put(result, &row);
}

/* Likewise. */
static void
put_mode(ReturnSetInfo *result)
{
	struct tally_status_row row = {
		.item = "setting",.subject = "tally.mode",.state = "replica",
		.detail = "This database has its records by logical replication, and seals nothing."
	};

	if (tally_mode == TALLY_MODE_REPLICA)
		put(result, &row);
}

/* Likewise: only of a copy of which nobody has said anything. */
static void
put_origin(ReturnSetInfo *result)
{
	struct tally_status_row row = {.item = "origin",.state = "copy"};
	struct tally_origin last;
	struct tally_origin here;
	char	   *fault;

	if (tally_mode == TALLY_MODE_REPLICA ||
		!tally_origin_last(SnapshotSelf, &last))
		return;
	tally_origin_here(tally_store_tables()->record, &here);
	fault = tally_origin_fault(&last, &here);
	if (fault == NULL)
		return;
	row.subject = here.name;
	row.detail = psprintf("Nothing is sealed, since %s.  If it is to go on with this log: SELECT tally.restored('what happened').",
						  fault);
	put(result, &row);
}

static void
put_locks(ReturnSetInfo *result)
{
	struct tally_status_row row = {.item = "lock"};
	struct tally_lock_holder *holders;
	int			count,
				i;

	holders = tally_lock_holders(&count);
	for (i = 0; i < count; i++)
	{
		row.subject = psprintf("slot %d", holders[i].slot);
		row.state = holders[i].nwaiters > 0 ? "waited for" : "held";
		row.owner = holders[i].owner;
		row.nwaiters = holders[i].nwaiters;
		row.waiters = holders[i].waiters;
		row.detail = holders[i].nwaiters == 0 ? NULL :
			"The owner is committing; what keeps it, its row in pg_stat_activity says.";
		put(result, &row);
	}
}

PG_FUNCTION_INFO_V1(tally_sql_status);

/* The rows of the view tally.status. */
Datum
tally_sql_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	put_library(result);
	put_early_release(result);
	put_replication_role(result);
	put_mode(result);
	put_origin(result);
	foreach(cell, tally_status_tables())
		put(result, lfirst(cell));
	put_locks(result);
	return (Datum) 0;
}
