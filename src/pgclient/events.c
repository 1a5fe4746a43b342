/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "core/fail.h"
#include "pgclient/events.h"
#include "pgclient/match.h"
#include "pgclient/rows.h"
#include "pgclient/wanted.h"

int
tally_pg_events_open(struct tally_pg_verifier *v,
    struct tally_pg_events *events, struct tally_error *error)
{
	int result = tally_sort_new(&events->sort, TALLY_PG_SORT_MEMORY, error);

	/* Tables that no record is of are not read. */
	for (struct tally_pg_source *source = v->sources->all; source != NULL;
	     source = source->next)
		source->is_sorted = false;
	return result != 0 ? result : tally_pg_match_open(v, error);
}

static int
want(struct tally_pg_source *source, const struct tally_pg_record *record,
    struct tally_error *error)
{
	if (source->wanted == NULL)
		source->wanted = calloc(1, sizeof(*source->wanted));
	if (source->wanted == NULL)
		return tally_pg_no_memory(error);
	tally_pg_wanted_add(source->wanted, record->key, record->key_len);
	return 0;
}

int
tally_pg_events_put(struct tally_pg_verifier *v,
    const struct tally_pg_record *record, struct tally_error *error)
{
	struct tally_pg_item item;
	struct tally_pg_source *source;
	int result;

	tally_pg_match_prepare(v, record, &item);
	if (record->key == NULL || item.use == NULL ||
	    item.use->epoch == NULL || item.chain == NULL)
		return 0;
	source = item.use->source;
	(void)pthread_mutex_lock(&v->lock);
	source->is_sorted = source->nroots > 0;
	result = want(source, record, error);
	(void)pthread_mutex_unlock(&v->lock);
	if (result != 0)
		return result;
	return tally_pg_match_put(v, &item, record->key, NULL, error);
}

int
tally_pg_events_find(struct tally_pg_verifier *v,
    struct tally_pg_events *events, struct tally_error *error)
{
	struct tally_pg_rows *rows = NULL;
	int result = tally_pg_rows_open(v, &rows, error);

	tally_pg_match_export(v, events->sort);
	if (result == 0)
		result = tally_pg_rows_read(v, rows, true, error);
	tally_pg_rows_close(rows);
	for (struct tally_pg_source *source = v->sources->all; source != NULL;
	     source = source->next) {
		tally_pg_wanted_free(source->wanted);
		source->wanted = NULL;
	}
	if (result == 0)
		result = tally_pg_match_judge(v, error);
	if (result == 0)
		result = tally_sort_end(events->sort, error);
	return result;
}

static bool
is_before(const struct tally_sort_key *at, int64_t chain_id, int64_t seq)
{
	return at->a < (uint64_t)chain_id ||
	    (at->a == (uint64_t)chain_id && at->b < (uint64_t)seq);
}

int
tally_pg_events_get(struct tally_pg_events *events, int64_t chain_id,
    int64_t seq, const char **out, size_t *out_len, struct tally_error *error)
{
	int result = 0;

	*out = NULL;
	*out_len = 0;
	while (result == 0 && events->sort != NULL &&
	    (!events->has_next || is_before(&events->next, chain_id, seq))) {
		result = tally_sort_next(events->sort, &events->next,
		    &events->event, &events->event_len, error);
		events->has_next = true;
		if (result == TALLY_END)
			events->next.a = UINT64_MAX;
	}
	if (result != 0 && result != TALLY_END)
		return result;
	if (events->has_next && events->next.a == (uint64_t)chain_id &&
	    events->next.b == (uint64_t)seq) {
		*out = events->event;
		*out_len = events->event_len;
	}
	return 0;
}

void
tally_pg_events_close(struct tally_pg_events *events)
{
	tally_sort_free(events->sort);
	events->sort = NULL;
}
