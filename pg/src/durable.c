/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only what is durable leaves.
 *
 * With early release, and with synchronous_commit = off, a record is visible
 * before it is durable.  A head that was shown, written down outside, and then
 * lost with the power would look like a truncation for ever.
 */
#include "postgres.h"

#include "compat.h"
#include "durable.h"
#include "xact.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/wait_event.h"

/* Who waits for a standby that is away looks that often, in milliseconds. */
#define MAX_DELAY_MS 100

/* What a session at this level of synchronous_commit waits for. */
static int
wait_mode(int level)
{
	if (level >= SYNCHRONOUS_COMMIT_REMOTE_APPLY)
		return SYNC_REP_WAIT_APPLY;
	if (level == SYNCHRONOUS_COMMIT_REMOTE_WRITE)
		return SYNC_REP_WAIT_WRITE;
	return SYNC_REP_WAIT_FLUSH;
}

/* Has the standby confirmed this position? */
static bool
is_confirmed(XLogRecPtr lsn, int mode)
{
	bool		confirmed;

	LWLockAcquire(SyncRepLock, LW_SHARED);
	confirmed = WalSndCtl->lsn[mode] >= lsn;
	LWLockRelease(SyncRepLock);
	return confirmed;
}

/*
 * The end of what was inserted into the WAL so far.  The insert position may
 * stand behind the header of a page that has nothing on it yet; nobody flushes
 * or confirms that far until somebody writes there.
 */
static XLogRecPtr
inserted_end(void)
{
	XLogRecPtr	lsn = GetXLogInsertRecPtr();
	uint64		offset = XLogSegmentOffset(lsn, wal_segment_size);
	uint64		header = offset < XLOG_BLCKSZ ? SizeOfXLogLongPHD :
	SizeOfXLogShortPHD;

	return lsn % XLOG_BLCKSZ == header ? lsn - header : lsn;
}

static void
refuse_to_show(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("the synchronous standby has not confirmed what would be shown"),
			 errdetail("A head that is not durable must not leave: it might be lost, and would then look truncated.")));
}

/*
 * A flush on the standby, at whatever level the session commits.  Not by
 * SyncRepWaitForLSN, which is for commits: it waits to the level of the
 * session, and PostgreSQL asserts that no two processes wait for the same
 * position, whereas of us many do.
 */
static void
wait_for_standby(XLogRecPtr lsn)
{
	long		delay = 1;

	while (!is_confirmed(lsn, SYNC_REP_WAIT_FLUSH) && TALLY_STANDBYS_DEFINED())
	{
		if (QueryCancelPending)
		{
			QueryCancelPending = false;
			refuse_to_show();
		}
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 delay, WAIT_EVENT_SYNC_REP);
		ResetLatch(MyLatch);
		delay = Min(delay * 2, MAX_DELAY_MS);
	}
}

static void
wait_for(XLogRecPtr lsn)
{
	XLogFlush(lsn);
	if (max_wal_senders > 0 && TALLY_STANDBYS_DEFINED())
		wait_for_standby(lsn);
}

void
tally_durable_wait(void)
{
	if (!RecoveryInProgress())
		wait_for(inserted_end());
}

void
tally_durable_wait_after_commit(void)
{
	/*
	 * If the commit has waited for the standby and is not confirmed, somebody
	 * has cancelled that, or a timeout that will not come again has.
	 */
	if (tally_xact_awaits_standby() &&
		!is_confirmed(XactLastCommitEnd, wait_mode(synchronous_commit)))
		refuse_to_show();
	wait_for(XactLastCommitEnd);
}

PG_FUNCTION_INFO_V1(tally_sql_durable);

/*
 * True.  In the WHERE clause of a view it is evaluated once, when the query
 * begins to run, so after its snapshot was taken.
 */
Datum
tally_sql_durable(PG_FUNCTION_ARGS)
{
	tally_durable_wait();
	PG_RETURN_BOOL(true);
}
