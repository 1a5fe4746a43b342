/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eras.
 *
 * What an era says of the attachment is held against the attachment, and when
 * that began against tally:log: whoever changes an attach event for as long as
 * a backfill runs, to have it seal what he wrote after it, gains nothing.
 */
#include <string.h>

#include "pgclient/backfill.h"

static bool
is_same(const struct tally_pg_piece *a, const struct tally_pg_piece *b,
    size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (a[i].len != b[i].len ||
		    memcmp(a[i].at, b[i].at, a[i].len) != 0)
			return false;
	return true;
}

/* The epoch in force of the era's table; and the first that was. */
static struct tally_pg_use *
find_base(struct tally_pg_verifier *v, const struct tally_pg_epoch *era,
    struct tally_pg_use **out_first)
{
	struct tally_pg_use *found = NULL;

	*out_first = NULL;
	for (struct tally_pg_source *source = v->sources->all; source != NULL;
	     source = source->next)
		for (struct tally_pg_use *use = source->uses; use != NULL;
		     use = use->next) {
			if (use->epoch->relation != era->relation ||
			    use->epoch->cluster != era->cluster ||
			    strcmp(use->epoch->database, era->database) != 0)
				continue;
			if (*out_first == NULL ||
			    use->attach_seq < (*out_first)->attach_seq)
				*out_first = use;
			if (use->detach_seq == 0)
				found = use;
		}
	return found;
}

static const char *
era_fault(const struct tally_pg_epoch *era, const struct tally_pg_use *base,
    const struct tally_pg_use *first)
{
	if (base == NULL)
		return "it backfills a table that is not attached";
	if (!is_same(era->config, base->epoch->config, 3))
		return "it backfills in another way than its table is attached";
	if (!is_same(era->moment, first->epoch->moment, 2))
		return "it backfills from another moment than that of the first"
		       " attach";
	return NULL;
}

int
tally_pg_backfill_replay(struct tally_pg_verifier *v,
    const struct tally_pg_entry *entry)
{
	struct tally_pg_epoch *era = tally_pg_backfill_parse(&v->arena,
	    entry->event, entry->event_len);
	struct tally_pg_subject subject = { .chain = TALLY_PG_LOG_CHAIN,
		.seq = entry->seq };
	struct tally_pg_use *base, *first, *use;
	const char *fault;

	if (era == NULL)
		return TALLY_END;
	base = find_base(v, era, &first);
	fault = era_fault(era, base, first);
	if (fault != NULL) {
		subject.source = era->label;
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject, "%s", fault);
		return 0;
	}
	use = tally_pg_sources_get(v, entry->event_id);
	if (use == NULL)
		return TALLY_E_MEMORY;
	if (use->epoch != NULL)
		return 0;
	use->epoch = base->epoch;
	use->base = base;
	/* Of two epochs the later one counts, and this is not later than it. */
	use->attach_seq = base->attach_seq;
	use->next = v->sources->eras;
	v->sources->eras = use;
	return 0;
}

void
tally_pg_backfill_finish(struct tally_pg_verifier *v)
{
	struct tally_pg_use *use;

	while ((use = v->sources->eras) != NULL) {
		v->sources->eras = use->next;
		use->source = use->base->source;
		use->form = use->base->form;
		use->form->has_backfill = true;
		use->next = use->source->eras;
		use->source->eras = use;
	}
}

struct tally_sum
tally_pg_backfill_sum(const struct tally_pg_source *source)
{
	struct tally_sum sum = { 0, 0 };

	for (const struct tally_pg_use *use = source->eras; use != NULL;
	     use = use->next)
		tally_sum_join(&sum, &use->sum);
	return sum;
}
