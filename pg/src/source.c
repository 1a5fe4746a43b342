/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally.source(epoch): the label of the table whose rows an epoch's records
 * are of, for the view tally.log.
 */
#include "postgres.h"

#include "epoch.h"
#include "store.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* The answer to the call before; most records are of few epochs. */
struct answer
{
	int64		epoch;
	text	   *label;			/* NULL: there is no such epoch */
};

static text *
find_label(int64 epoch)
{
	char	   *event = tally_store_read_event(epoch, GetActiveSnapshot());
	struct tally_epoch *parsed = NULL;

	if (event != NULL)
		parsed = tally_epoch_parse(epoch, event);
	if (event != NULL && parsed == NULL)
		parsed = tally_track_parse(epoch, event);
	if (event != NULL && parsed == NULL)
		parsed = tally_backfill_parse(epoch, event);
	return parsed == NULL ? NULL : cstring_to_text(parsed->label);
}

PG_FUNCTION_INFO_V1(tally_sql_source);

Datum
tally_sql_source(PG_FUNCTION_ARGS)
{
	struct answer *answer = fcinfo->flinfo->fn_extra;
	int64		epoch = PG_GETARG_INT64(0);
	text	   *label;
	MemoryContext saved;

	if (answer == NULL || answer->epoch != epoch)
	{
		label = find_label(epoch);
		saved = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		if (answer == NULL)
			fcinfo->flinfo->fn_extra = answer = palloc0(sizeof(*answer));
		if (answer->label != NULL)
			pfree(answer->label);
		answer->label = label == NULL ? NULL :
			DatumGetTextPCopy(PointerGetDatum(label));
		answer->epoch = epoch;
		MemoryContextSwitchTo(saved);
	}
	if (answer->label == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(answer->label);
}
