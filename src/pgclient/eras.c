/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pgclient/eras.h"

/* The epoch in force of the era's table; and the first that was. */
static struct tally_pg_use *
find_base(struct tally_pg_verifier *v, const struct tally_pg_epoch *era,
    struct tally_pg_use **out_first)
{
	struct tally_pg_use *found = NULL;

	*out_first = NULL;
	for (size_t i = 0; i < v->sources->nuses; i++) {
		struct tally_pg_use *use = v->sources->uses[i];

		if (use->epoch == NULL || use->base != NULL ||
		    use->epoch->relation != era->relation ||
		    use->epoch->cluster != era->cluster)
			continue;
		if (*out_first == NULL ||
		    use->attach_seq < (*out_first)->attach_seq)
			*out_first = use;
		if (use->detach_seq == 0)
			found = use;
	}
	return found;
}

/*
 * What an era says of the attachment is held against the attachment, and when
 * that began against tally:log.
 */
static const char *
era_fault(const struct tally_pg_epoch *era, const struct tally_pg_use *base,
    const struct tally_pg_use *first)
{
	if (base == NULL)
		return "it backfills a table that is not attached";
	if (!tally_pg_era_is_of(era, base->epoch))
		return "it backfills in another way than its table is attached";
	if (strcmp(era->moment, first->epoch->moment) != 0)
		return "it backfills from another moment than that of the first"
		       " attach";
	return NULL;
}

int
tally_pg_era_begin(struct tally_pg_verifier *v,
    const struct tally_pg_entry *entry, struct tally_pg_epoch *era)
{
	struct tally_pg_subject subject = { .chain = TALLY_PG_LOG_CHAIN,
		.seq = entry->seq,
		.source = era->label };
	struct tally_pg_use *first;
	struct tally_pg_use *base = find_base(v, era, &first);
	const char *fault = era_fault(era, base, first);
	struct tally_pg_use *use = tally_pg_sources_get(v, entry->event_id);

	if (use == NULL)
		return TALLY_E_MEMORY;
	if (fault != NULL) {
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject, "%s", fault);
		return 0;
	}
	if (use->epoch != NULL)
		return 0;
	use->epoch = era;
	use->base = base;
	/* Of two epochs the later one counts: this is as late as it. */
	use->attach_seq = base->attach_seq;
	return 0;
}

void
tally_pg_eras_finish(struct tally_pg_verifier *v)
{
	for (size_t i = 0; i < v->sources->nuses; i++) {
		struct tally_pg_use *use = v->sources->uses[i];

		if (use->base == NULL)
			continue;
		use->epoch = use->base->epoch;
		use->source = use->base->source;
		use->form = use->base->form;
		use->form->has_eras = true;
		use->next = use->source->eras;
		use->source->eras = use;
	}
}
