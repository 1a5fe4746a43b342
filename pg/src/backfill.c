/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.backfill: seals the rows that were there before a table was attached,
 * batch by batch, beside everybody who works with it.
 *
 * Each batch is a transaction.  One that is cancelled, or whose server goes
 * down, is as if it had not been; the next call goes on behind the last that
 * was committed.  After each batch it rests some times as long as that took, so
 * that it has its share of processors, disk and chains and no more.
 */
#include "postgres.h"

#include "attach.h"
#include "backfill.h"
#include "seal.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

enum
{
	ARG_TBL,
	ARG_ORDER_BY,
	ARG_BATCH,
	ARG_REST,
};

#define BATCH_MAX 100000
#define REST_MAX 1000

/* How often it says how far it is. */
#define NOTICE_MS 10000

static double
elapsed_ms(const instr_time *since)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, *since);
	return INSTR_TIME_GET_MILLISEC(now);
}

static void
refuse_block(FunctionCallInfo fcinfo)
{
	if (fcinfo->context != NULL && IsA(fcinfo->context, CallContext) &&
		!((CallContext *) fcinfo->context)->atomic)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
			 errmsg("tally.backfill() cannot run inside a transaction block or a function"),
			 errdetail("It commits after each batch."),
			 errhint("CALL it as a statement of its own.")));
}

static double
get_number(FunctionCallInfo fcinfo, int argument, const char *name,
		   double least, double most)
{
	double		value = -1;

	if (!PG_ARGISNULL(argument))
		value = argument == ARG_BATCH ? PG_GETARG_INT32(argument) :
			PG_GETARG_FLOAT8(argument);
	/* Not a number is less than nothing. */
	if (!(value >= least && value <= most))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be from %.0f to %.0f", name,
						least, most)));
	return value;
}

/* So that no batch is a reason for a SERIALIZABLE writer to fail. */
static void
begin_transaction(void)
{
	XactIsoLevel = XACT_READ_COMMITTED;
}

static void
rest(double ms)
{
	instr_time	begin;
	double		left = ms;

	INSTR_TIME_SET_CURRENT(begin);
	while (left > 0)
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT |
						 WL_EXIT_ON_PM_DEATH, (long) Min(left + 1, 1000),
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		left = ms - elapsed_ms(&begin);
	}
}

static void
commit(struct tally_backfill *job)
{
	SPI_commit();
	if (job->captured > 0)
	{
		job->gone += tally_seal_gone();
		job->sealed += job->captured - tally_seal_gone();
	}
	begin_transaction();
}

/* The table's name when it was asked for. */
static void
run(struct tally_backfill *job, double pause, const char *name)
{
	MemoryContext context = AllocSetContextCreate(job->context,
												  "tally batch",
												  ALLOCSET_DEFAULT_SIZES);
	instr_time	told;
	instr_time	begin;

	INSTR_TIME_SET_CURRENT(told);
	while (!job->is_finished)
	{
		INSTR_TIME_SET_CURRENT(begin);
		MemoryContextSwitchTo(context);
		tally_backfill_batch(job);
		commit(job);
		MemoryContextSwitchTo(job->context);
		MemoryContextReset(context);
		if (job->is_finished)
			break;
		rest(pause * elapsed_ms(&begin));
		if (elapsed_ms(&told) < NOTICE_MS)
			continue;
		INSTR_TIME_SET_CURRENT(told);
		ereport(NOTICE,
				(errmsg("backfill of \"%s\": %lld rows sealed so far", name,
						(long long) job->sealed)));
	}
	ereport(NOTICE,
			(errmsg("backfill of \"%s\" is done: %lld rows sealed", name,
					(long long) job->sealed),
			 job->gone == 0 ? 0 :
			 errdetail("%lld more were changed meanwhile, and are sealed as what they have become.",
					   (long long) job->gone)));
}

PG_FUNCTION_INFO_V1(tally_sql_backfill);

Datum
tally_sql_backfill(PG_FUNCTION_ARGS)
{
	struct tally_backfill job = {0};
	MemoryContext saved;
	double		pause;
	char	   *name;

	refuse_block(fcinfo);
	tally_attach_check_database("tally.backfill()");
	job.relation = tally_attach_get_table(fcinfo);
	job.batch = (int) get_number(fcinfo, ARG_BATCH, "batch", 1, BATCH_MAX);
	pause = get_number(fcinfo, ARG_REST, "rest", 0, REST_MAX);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* SPI's own lives as long as the call, over all its transactions. */
	job.context = AllocSetContextCreate(CurrentMemoryContext,
										"tally backfill",
										ALLOCSET_DEFAULT_SIZES);
	saved = MemoryContextSwitchTo(job.context);
	job.order_by = tally_attach_get_names(fcinfo, ARG_ORDER_BY, "order_by");
	name = tally_attach_name(job.relation);
	MemoryContextSwitchTo(saved);
	/* The transaction that is running may be one that others wait for. */
	SPI_commit();
	begin_transaction();
	run(&job, pause, name);
	SPI_finish();
	PG_RETURN_VOID();
}
