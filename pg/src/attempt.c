/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going on after an error about data.
 *
 * Tables hold what a superuser has put there.  A value that cannot be printed,
 * or a row for which a condition divides by zero, must not end a verification
 * that would have named it.
 */
#include "postgres.h"

#include "attempt.h"

static bool
is_about_data(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_DATA_EXCEPTION ||
		sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

bool
tally_attempt(void (*body) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool is_done = false;

	PG_TRY();
	{
		body(arg);
		is_done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (!is_about_data(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		FreeErrorData(error);
	}
	PG_END_TRY();
	return is_done;
}
