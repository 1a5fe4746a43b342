/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of tally:log, in their order: each goes to what it is of.
 */
#include "postgres.h"

#include "verify_backfill.h"
#include "verify_entries.h"
#include "verify_origin.h"
#include "verify_retired.h"
#include "verify_rewritten.h"
#include "verify_sources.h"
#include "verify_tracked.h"

#include "utils/memutils.h"

/* The events, and where they are if they are not where tally:log says. */
static void
read_events(struct tally_verifier *v)
{
	int			i;

	tally_entries_order(v);
	for (i = 0; i < tally_entries_count(v); i++)
	{
		int64		id = tally_entries_get(v, i)->event_id;

		tally_sources_get(v, id)->is_named = true;
	}
	if (!tally_entries_read(v))
		tally_sources_offer(v);
}

static void
replay(struct tally_verifier *v, const struct tally_entry *entry)
{
	if (!tally_sources_replay(v, entry) && !tally_backfill_replay(v, entry) &&
		!tally_tracked_replay(v, entry) && !tally_retired_replay(v, entry))
		(void) tally_rewritten_replay(v, entry);
}

void
tally_replay_log(struct tally_verifier *v)
{
	MemoryContext saved = MemoryContextSwitchTo(v->context);
	int			i;

	tally_sources_load_attached(v);
	read_events(v);
	tally_origins_load(v);
	for (i = 0; i < tally_entries_count(v); i++)
	{
		if (tally_entries_get(v, i)->event != NULL)
			replay(v, tally_entries_get(v, i));
	}
	tally_sources_finish(v);
	tally_backfill_finish(v);
	MemoryContextSwitchTo(saved);
}
