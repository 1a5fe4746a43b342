/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of callbacks around a commit.
 *
 *     PRE_COMMIT          seal: chains locked, records inserted       (P3, P4)
 *                         the commit becomes asynchronous             (P6)
 *     the commit record is in the WAL; the proc array is left
 *     COMMIT              chains unlocked                             (P5)
 *     PostgreSQL's locks are released
 *     AFTER_LOCKS         wait for the flush, and for the standby     (P6, P7)
 *     the client is answered
 *
 * Waiting in COMMIT itself would hold row, table and NOTIFY locks through the
 * flush.
 *
 * Sealing is the last thing that this module does before the commit record,
 * but other modules' PRE_COMMIT callbacks may run after it.  One that writes
 * to an attached table gets an error from tally_xact_begin (P8); one that
 * rolls back a subtransaction of its own finds that what was sealed stays
 * sealed.
 */
#include "postgres.h"

#include "compat.h"
#include "lock.h"
#include "origin.h"
#include "pending.h"
#include "seal.h"
#include "settings.h"
#include "store.h"
#include "xact.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "tcop/pquery.h"
#include "utils/fmgrprotos.h"
#include "utils/resowner.h"

enum state
{
	IDLE,						/* nothing was captured */
	CAPTURING,
	SEALED,						/* PRE_COMMIT is over, with rows or without */
};

static enum state state = IDLE;

/*
 * The nesting level that holds the locks which sealing will need; 0: none
 * does.  They go with a savepoint that is rolled back.
 */
static int	prepared_level;

/* Was this module loaded by the transaction that is running? */
static bool is_new;

/* Is synchronous_commit changed, and what was it? */
static bool is_asynchronous;
static int	asked_level;

/* Up to where the client's answer has to wait; invalid: nowhere. */
static XLogRecPtr awaited = InvalidXLogRecPtr;
static int	awaited_level;

/*
 * Another extension's PRE_COMMIT callback may be the first in a session that
 * writes to an attached table.  It loads this module, whose own callback,
 * registered only now, will not be called for this transaction.  A client's
 * statements run in a portal, callbacks do not.  Nor do deferred triggers, but
 * within one of them the depth of triggers is one more.
 */
static bool
came_too_late(bool by_trigger)
{
	int			depth;

	if (!is_new || MyBackendType != B_BACKEND || ActivePortal != NULL)
		return false;
	depth = DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
	return depth <= (by_trigger ? 1 : 0);
}

void
tally_xact_begin(bool by_trigger)
{
	if (state == SEALED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("this transaction is sealed already"),
				 errdetail("Something wrote to an attached table after the transaction's records were sealed, probably another extension's commit callback."),
				 errhint("List \"tally\" before that extension in shared_preload_libraries: callbacks run in reverse order.")));
	if (prepared_level > 0)
		return;
	if (came_too_late(by_trigger))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("tally was loaded too late to seal this transaction"),
				 errdetail("Its library was loaded by the commit callback of another extension."),
				 errhint("List \"tally\" before that extension in shared_preload_libraries.")));
	if (XactReadOnly)
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("cannot seal anything in a read-only transaction")));
	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot seal rows during a parallel operation")));
	tally_origin_require();
	tally_store_prepare();
	prepared_level = GetCurrentTransactionNestLevel();
	state = CAPTURING;
}

bool
tally_xact_awaits_standby(void)
{
	return max_wal_senders > 0 &&
		synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH &&
		TALLY_STANDBYS_DEFINED();
}

bool
tally_xact_releases_early(void)
{
	if (tally_early_release == TALLY_RELEASE_OFF ||
		synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		return false;
	if (!tally_xact_awaits_standby())
		return true;
	/* Its commit record asks for feedback; an asynchronous one cannot (P7). */
	if (synchronous_commit >= SYNCHRONOUS_COMMIT_REMOTE_APPLY)
		return false;
	return tally_early_release == TALLY_RELEASE_FULL;
}

static void
before_commit(void)
{
	bool		captured = state == CAPTURING;
	bool		read_only = XactReadOnly;

	state = SEALED;
	if (!captured)
		return;
	/* It may have been made so when all was captured. */
	XactReadOnly = false;
	tally_seal();
	XactReadOnly = read_only;
	if (!tally_xact_releases_early())
		return;
	asked_level = synchronous_commit;
	synchronous_commit = SYNCHRONOUS_COMMIT_OFF;
	is_asynchronous = true;
}

/* Back to the level that the session asked for. */
static void
restore_level(void)
{
	if (is_asynchronous)
		synchronous_commit = asked_level;
	is_asynchronous = false;
}

static void
finish(void)
{
	tally_lock_release();
	tally_pending_reset();
	state = IDLE;
	prepared_level = 0;
	is_new = false;
}

static void
at_commit(void)
{
	/* If came_too_late did not see it there is no way back. */
	if (state == CAPTURING && tally_pending_count() > 0)
		ereport(WARNING,
				(errmsg("rows were committed that are not sealed"),
				 errhint("Add tally to shared_preload_libraries.")));
	if (is_asynchronous)
	{
		awaited = XactLastCommitEnd;
		awaited_level = asked_level;
	}
	restore_level();
	finish();
}

static void
on_xact(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			before_commit();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (tally_pending_count() > 0)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has rows to seal"),
						 errdetail("Its place in the chain is decided at the commit, and would have to be locked from now on until then.")));
			state = SEALED;
			break;
		case XACT_EVENT_PREPARE:
			finish();
			break;
		case XACT_EVENT_COMMIT:
			at_commit();
			break;
		case XACT_EVENT_ABORT:
			restore_level();
			finish();
			break;
		default:
			break;
	}
}

static void
on_subxact(SubXactEvent event, SubTransactionId sub, SubTransactionId parent,
		   void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	/* After the seal nothing is pending that could come or go. */
	if (state != CAPTURING)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		tally_pending_commit_sub(level);
		if (prepared_level == level)
			prepared_level--;
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		tally_pending_abort_sub(level);
		if (prepared_level >= level)
			prepared_level = 0;
	}
}

/*
 * PostgreSQL's locks are gone, the client is not answered.  As in PostgreSQL
 * itself, somebody who cancels now gets a warning that the commit is done
 * here and perhaps not on the standby.
 */
static void
on_release(ResourceReleasePhase phase, bool is_commit, bool is_top, void *arg)
{
	XLogRecPtr	lsn = awaited;

	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_commit || !is_top ||
		XLogRecPtrIsInvalid(lsn))
		return;
	/* Called once for each resource owner: the first call waits. */
	awaited = InvalidXLogRecPtr;
	XLogFlush(lsn);
	if (awaited_level > SYNCHRONOUS_COMMIT_LOCAL_FLUSH)
		SyncRepWaitForLSN(lsn, true);
}

void
tally_xact_init(void)
{
	is_new = IsTransactionState();
	RegisterXactCallback(on_xact, NULL);
	RegisterSubXactCallback(on_subxact, NULL);
	RegisterResourceReleaseCallback(on_release, NULL);
}
