/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of tally:log, read by those who act by them.  They are believed
 * as they stand; whether they are what was sealed, verifying tells.
 */
#include "postgres.h"

#include "log.h"
#include "pending.h"
#include "store.h"

#include "miscadmin.h"
#include "utils/snapmgr.h"

static bool
pass(int64 event_id, tally_log_fn fn, void *arg)
{
	char	   *event = tally_store_read_event(event_id, SnapshotSelf);
	bool		more = true;

	CHECK_FOR_INTERRUPTS();
	if (event == NULL)
		return true;
	more = fn(event_id, event, arg);
	pfree(event);
	return more;
}

/* A walk, and whether it goes on. */
struct walk
{
	tally_log_fn fn;
	void	   *arg;
	bool		more;
};

static bool
take_sealed(int64 seq, int64 event_id, void *arg)
{
	struct walk *walk = arg;

	walk->more = pass(event_id, walk->fn, walk->arg);
	return walk->more;
}

static bool
is_of_log(const struct tally_pending *entry)
{
	uint32		count;
	const struct tally_pending_chain *chain =
	&tally_pending_chains(&count)[entry->chain];

	return chain->name_len == strlen(TALLY_LOG_CHAIN) &&
		memcmp(chain->name, TALLY_LOG_CHAIN, chain->name_len) == 0;
}

void
tally_log_walk(tally_log_fn fn, void *arg)
{
	struct walk walk = {fn, arg, true};
	uint64		i;

	tally_store_walk_log(take_sealed, &walk);
	for (i = 0; walk.more && i < tally_pending_count(); i++)
	{
		const struct tally_pending *entry = tally_pending_get(i);

		if (is_of_log(entry))
			walk.more = pass(entry->event_id, fn, arg);
	}
}
