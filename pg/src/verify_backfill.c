/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eras.
 *
 * What an era says of the attachment is held against the attachment, and when
 * that began against tally:log: whoever changes an attach event for as long as
 * a backfill runs, to have it seal what he wrote after it, gains nothing.
 */
#include "postgres.h"

#include "compat.h"
#include "store.h"
#include "verify_backfill.h"

#include "utils/memutils.h"

/* ---- tally:log -------------------------------------------------------- */

/* The epoch in force of the era's table; and the first that was. */
static struct tally_use *
find_base(struct tally_verifier *v, const struct tally_epoch *era,
		  struct tally_use **out_first)
{
	struct tally_use *found = NULL;
	ListCell   *cell;
	ListCell   *inner;

	*out_first = NULL;
	foreach(cell, tally_sources_all(v))
	{
		foreach(inner, ((struct tally_source *) lfirst(cell))->uses)
		{
			struct tally_use *use = lfirst(inner);

			if (use->epoch->relation != era->relation ||
				use->epoch->cluster != era->cluster)
				continue;
			if (*out_first == NULL ||
				use->attach_seq < (*out_first)->attach_seq)
				*out_first = use;
			if (use->detach_seq == 0)
				found = use;
		}
	}
	return found;
}

static const char *
era_fault(const struct tally_epoch *era, const struct tally_use *base,
		  const struct tally_use *first)
{
	if (base == NULL)
		return "it backfills a table that is not attached";
	if (!tally_epoch_is_base(base->epoch, era))
		return "it backfills in another way than its table is attached";
	if (!tally_moment_equal(&era->moment, &first->epoch->moment))
		return "it backfills from another moment than that of the first attach";
	return NULL;
}

bool
tally_backfill_replay(struct tally_verifier *v, const struct tally_entry *entry)
{
	struct tally_epoch *era = tally_backfill_parse(entry->event_id,
												   entry->event);
	struct tally_subject subject = {TALLY_LOG_CHAIN, entry->seq};
	struct tally_use *base;
	struct tally_use *first;
	struct tally_use *use;
	const char *fault;

	if (era == NULL)
		return false;
	base = find_base(v, era, &first);
	fault = era_fault(era, base, first);
	use = tally_sources_get(v, entry->event_id);
	if (fault != NULL)
	{
		subject.source = era->label;
		tally_report_tell(v, TALLY_CONTENT_ALTERED, &subject, "%s", fault);
		return true;
	}
	if (use->epoch != NULL)
		return true;
	use->epoch = era;
	use->base = base;
	/* Of two epochs the later one counts, and this is not later than it. */
	use->attach_seq = base->attach_seq;
	use->backfill_seq = entry->seq;
	v->eras = lappend(v->eras, use);
	return true;
}

void
tally_backfill_finish(struct tally_verifier *v)
{
	ListCell   *cell;

	foreach(cell, v->eras)
	{
		struct tally_use *use = lfirst(cell);

		/* The same configuration, told in the words of here. */
		use->epoch = use->base->epoch;
		use->source = use->base->source;
		use->form = use->base->form;
		use->is_here = use->base->is_here;
		use->is_told = use->base->is_told;
		use->form->has_backfill = true;
		use->source->eras = lappend(use->source->eras, use);
	}
}

/* ---- records ---------------------------------------------------------- */

struct tally_sum
tally_backfill_sum(const struct tally_source *source)
{
	struct tally_sum sum = {0};
	ListCell   *cell;

	foreach(cell, source->eras)
	{
		const struct tally_use *use = lfirst(cell);

		sum.total += use->sum.total;
		sum.count += use->sum.count;
	}
	return sum;
}

/* ---- telling ---------------------------------------------------------- */

void
tally_backfill_tell_uncovered(struct tally_verifier *v,
							  const struct tally_source *source)
{
	ListCell   *cell;

	foreach(cell, source->eras)
	{
		const struct tally_use *use = lfirst(cell);

		if (use->total > 0)
			tally_report_not_covered(v,
									 "what became of %lld rows of \"%s\" before they were sealed as old ones, from tally:log/%lld on",
									 (long long) use->total, source->label,
									 (long long) use->backfill_seq);
	}
}
