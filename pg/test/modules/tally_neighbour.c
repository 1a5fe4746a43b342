/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another extension with work to do when a transaction commits: runs a
 * statement in its PRE_COMMIT callback, before or after tally's, as the order
 * in shared_preload_libraries has it.
 *
 *	tally_neighbour.statement	the statement; empty: none
 *	tally_neighbour.subtransaction
 *			none		as it is
 *			released	in a subtransaction of its own
 *			rolled_back	the same, rolled back
 *			caught		the same, rolled back if the statement fails, and the
 *						commit goes on
 *
 * To be set with SET LOCAL: they count for every commit of the session.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

PG_MODULE_MAGIC;

extern void _PG_init(void);

enum subtransaction
{
	NONE,
	RELEASED,
	ROLLED_BACK,
	CAUGHT,
};

static const struct config_enum_entry subtransaction_options[] = {
	{"none", NONE, false},
	{"released", RELEASED, false},
	{"rolled_back", ROLLED_BACK, false},
	{"caught", CAUGHT, false},
	{NULL, 0, false}
};

static char *statement;
static int	subtransaction = NONE;

static void
run_statement(void)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute(statement, false, 0) < 0)
		elog(ERROR, "the neighbour's statement failed");
	SPI_finish();
	PopActiveSnapshot();
}

static void
run_in_subtransaction(void)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		run_statement();
		if (subtransaction == ROLLED_BACK)
			RollbackAndReleaseCurrentSubTransaction();
		else
			ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	if (error != NULL && subtransaction != CAUGHT)
		ReThrowError(error);
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

static void
on_xact(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_PRE_COMMIT || statement[0] == '\0')
		return;
	if (subtransaction == NONE)
		run_statement();
	else
		run_in_subtransaction();
}

void
_PG_init(void)
{
	DefineCustomStringVariable("tally_neighbour.statement",
							   "What is run before each commit.", NULL,
							   &statement, "", PGC_USERSET, 0,
							   NULL, NULL, NULL);
	DefineCustomEnumVariable("tally_neighbour.subtransaction",
							 "What it is run in.", NULL,
							 &subtransaction, NONE, subtransaction_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterXactCallback(on_xact, NULL);
}
