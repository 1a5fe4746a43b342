/* SPDX-License-Identifier: Apache-2.0 */
/* From tally:log's events to sources, epochs and forms. */
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/entries.h"
#include "pgclient/eras.h"
#include "pgclient/retired.h"
#include "pgclient/sources.h"
#include "pgclient/tracked.h"
#include "pgclient/wanted.h"

/* ---- tally.attachment ---------------------------------------------- */

static int
load_attached(struct tally_pg_verifier *v, struct tally_error *error)
{
	static const char sql[] =
	    "SELECT a.relation::pg_catalog.oid, a.epoch, a.label"
	    " FROM ONLY tally.attachment AS a ORDER BY a.epoch DESC";
	PGresult *rows;
	int result = tally_pg_conn_query(&v->pool.first, sql, 0, NULL, &rows,
	    error);

	for (int i = 0; result == 0 && i < PQntuples(rows); i++) {
		struct tally_pg_attached *row = tally_pg_arena_get(&v->arena,
		    sizeof(*row));

		if (row == NULL) {
			result = tally_pg_no_memory(error);
			break;
		}
		row->relation = (uint32_t)strtoul(PQgetvalue(rows, i, 0), NULL,
		    10);
		row->epoch = strtoll(PQgetvalue(rows, i, 1), NULL, 10);
		row->label = tally_pg_arena_string(&v->arena,
		    PQgetvalue(rows, i, 2));
		row->next = v->sources->attached;
		v->sources->attached = row;
		if (row->label == NULL)
			result = tally_pg_no_memory(error);
	}
	PQclear(rows);
	return result;
}

/* ---- epochs and sources -------------------------------------------- */

/*
 * A label that went from one table to another makes one source of both only if
 * the other may be what became of the one, restored from a dump.
 */
static bool
is_same_source(const struct tally_pg_epoch *a, const struct tally_pg_epoch *b)
{
	return tally_pg_epoch_is_same_table(a, b) ||
	    (strcmp(a->label, b->label) == 0 && !(a->is_there && b->is_there));
}

static bool
has_epoch_like(const struct tally_pg_source *source,
    const struct tally_pg_epoch *epoch)
{
	for (const struct tally_pg_use *use = source->uses; use != NULL;
	     use = use->next)
		if (is_same_source(use->epoch, epoch))
			return true;
	return false;
}

static void
add_use(struct tally_pg_source *source, struct tally_pg_use *use)
{
	struct tally_pg_use **at = &source->uses;

	while (*at != NULL && (*at)->attach_seq <= use->attach_seq)
		at = &(*at)->next;
	use->next = *at;
	*at = use;
}

/* The source that the epoch belongs to; it may make one of several. */
static struct tally_pg_source *
find_source(struct tally_pg_verifier *v, const struct tally_pg_epoch *epoch)
{
	struct tally_pg_source **at = &v->sources->all;
	struct tally_pg_source *found = NULL;

	while (*at != NULL) {
		struct tally_pg_source *source = *at;
		struct tally_pg_use *use;

		if (!has_epoch_like(source, epoch) || found == NULL) {
			if (has_epoch_like(source, epoch))
				found = source;
			at = &source->next;
			continue;
		}
		while ((use = source->uses) != NULL) {
			source->uses = use->next;
			add_use(found, use);
		}
		*at = source->next;
	}
	if (found == NULL) {
		found = tally_pg_arena_get(&v->arena, sizeof(*found));
		*at = found;
	}
	return found;
}

/* Of one label, and of one table, one epoch is in force. */
static void
end_epochs(struct tally_pg_verifier *v, const struct tally_pg_epoch *like,
    const char *label, int64_t seq, uint64_t xid, uint64_t since)
{
	for (size_t i = 0; i < v->sources->nuses; i++) {
		struct tally_pg_use *use = v->sources->uses[i];

		if (use->epoch == NULL || use->base != NULL ||
		    use->detach_seq != 0 ||
		    (strcmp(use->epoch->label, label) != 0 &&
			(like == NULL ||
			    !tally_pg_epoch_is_same_table(use->epoch, like))))
			continue;
		use->detach_seq = seq;
		use->detach_xid = xid;
		use->detach_since = since;
	}
}

static int
begin_epoch(struct tally_pg_verifier *v, const struct tally_pg_entry *entry,
    struct tally_pg_epoch *epoch)
{
	struct tally_pg_use *use = tally_pg_sources_get(v, entry->event_id);
	struct tally_pg_source *source;

	if (use == NULL)
		return TALLY_E_MEMORY;
	if (use->epoch != NULL)
		return 0;
	/* If the detach in between cannot be read, that was told. */
	end_epochs(v, epoch, epoch->label, entry->seq, epoch->xid,
	    epoch->since);
	use->epoch = epoch;
	use->attach_seq = entry->seq;
	source = find_source(v, epoch);
	if (source == NULL)
		return TALLY_E_MEMORY;
	add_use(source, use);
	return 0;
}

static int
begin_tracked(struct tally_pg_verifier *v, const struct tally_pg_entry *entry,
    struct tally_pg_tracked *tracked)
{
	struct tally_pg_use *use = tally_pg_sources_get(v, entry->event_id);

	if (use == NULL)
		return TALLY_E_MEMORY;
	use->tracked = tracked;
	return 0;
}

/* Of a kind that changes nothing of how records are judged? */
static bool
is_known(const struct tally_pg_entry *entry)
{
	return strncmp(entry->event, "{\"created\":", 11) == 0 ||
	    strncmp(entry->event, "{\"origin\":", 10) == 0;
}

static int
replay(struct tally_pg_verifier *v, struct tally_error *error)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < v->entries->count; i++) {
		const struct tally_pg_entry *entry = &v->entries->all[i];
		struct tally_pg_subject subject = { .chain = TALLY_PG_LOG_CHAIN,
			.seq = entry->seq };
		struct tally_pg_tracked *tracked;
		struct tally_pg_epoch *epoch;
		struct tally_pg_detach *detach;
		struct tally_pg_epoch *era;

		if (entry->event == NULL)
			continue;
		result = tally_pg_tracked_replay(v, entry->seq, entry->event_id,
		    entry->event, entry->event_len, &tracked);
		if (result == 0 && tracked != NULL)
			result = begin_tracked(v, entry, tracked);
		if (result != TALLY_END)
			continue;
		result = 0;
		epoch = tally_pg_epoch_parse(&v->arena, entry->event,
		    entry->event_len);
		detach = tally_pg_detach_parse(&v->arena, entry->event,
		    entry->event_len);
		era = tally_pg_era_parse(&v->arena, entry->event,
		    entry->event_len);
		if (epoch != NULL)
			result = tally_pg_age_look(v, epoch, error);
		if (result != 0)
			return result;
		if (epoch != NULL)
			result = begin_epoch(v, entry, epoch);
		else if (era != NULL)
			result = tally_pg_era_begin(v, entry, era);
		else if (detach != NULL)
			end_epochs(v, NULL, detach->label, entry->seq,
			    detach->xid, detach->since);
		if (epoch != NULL || era != NULL || detach != NULL)
			continue;
		result = tally_pg_retired_replay(v, entry->seq, entry->event,
		    entry->event_len);
		if (result != TALLY_END)
			continue;
		result = 0;
		if (!is_known(entry))
			tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
			    "its event is of a kind that this version does not"
			    " know, and may change how others are judged");
	}
	tally_pg_retired_sort(v);
	return result;
}

/* ---- forms --------------------------------------------------------- */

static bool
has_same_key(const struct tally_pg_epoch *a, const struct tally_pg_epoch *b)
{
	if (a->nkeys != b->nkeys)
		return false;
	for (int i = 0; i < a->nkeys; i++)
		if (!tally_pg_column_is_same(&a->columns[a->keys[i]],
			&b->columns[b->keys[i]]))
			return false;
	return true;
}

static bool
has_same_form(const struct tally_pg_epoch *a, const struct tally_pg_epoch *b)
{
	if (a->ncolumns != b->ncolumns || a->chain_by != b->chain_by ||
	    strcmp(a->label, b->label) != 0 ||
	    strcmp(a->prefix, b->prefix) != 0 || !has_same_key(a, b))
		return false;
	for (int i = 0; i < a->ncolumns; i++)
		if (!tally_pg_column_is_same(&a->columns[i], &b->columns[i]))
			return false;
	return true;
}

static struct tally_pg_form *
make_form(struct tally_pg_verifier *v, struct tally_pg_source *source,
    const struct tally_pg_epoch *epoch)
{
	struct tally_pg_sources *sources = v->sources;
	struct tally_pg_form *form = tally_pg_arena_get(&v->arena,
	    sizeof(*form));
	struct tally_pg_form **forms = realloc(sources->forms,
	    (size_t)(sources->nforms + 1) * sizeof(*forms));
	struct tally_pg_form **at = &source->forms;

	if (forms != NULL)
		sources->forms = forms;
	if (form == NULL || forms == NULL)
		return NULL;
	form->number = sources->nforms;
	form->source = source;
	form->epoch = epoch;
	form->key_class = -1;
	for (; *at != NULL; at = &(*at)->next)
		if (has_same_key((*at)->epoch, epoch))
			form->key_class = (*at)->key_class;
	if (form->key_class < 0)
		form->key_class = source->nclasses++;
	*at = form;
	source->nforms++;
	forms[sources->nforms++] = form;
	return form;
}

static struct tally_pg_form *
find_form(struct tally_pg_verifier *v, struct tally_pg_source *source,
    const struct tally_pg_epoch *epoch)
{
	for (struct tally_pg_form *form = source->forms; form != NULL;
	     form = form->next)
		if (has_same_form(form->epoch, epoch))
			return form;
	return make_form(v, source, epoch);
}

static int
finish_source(struct tally_pg_verifier *v, struct tally_pg_source *source)
{
	source->number = v->sources->nsources++;
	source->is_here = true;
	for (struct tally_pg_use *use = source->uses; use != NULL;
	     use = use->next) {
		use->source = source;
		use->form = find_form(v, source, use->epoch);
		if (use->form == NULL)
			return TALLY_E_MEMORY;
		if (use->epoch->salted)
			use->form->is_salted = true;
		else
			use->form->is_unsalted = true;
		if (!use->epoch->append_only)
			use->form->has_updates = true;
		if (use->detach_seq == 0)
			source->live = use;
		if (!tally_pg_age_is_here(v, use->epoch))
			source->is_here = false;
		source->label = use->epoch->label;
		source->last = use;
	}
	return 0;
}

/* Events that tally:log's records may have meant. */
static int
read_log(struct tally_pg_verifier *v, struct tally_error *error)
{
	size_t count = v->sources->nuses;
	struct tally_pg_attached *row;
	int64_t *ids;
	int result;

	for (row = v->sources->attached; row != NULL; row = row->next)
		count++;
	ids = calloc(count + 1, sizeof(*ids));
	if (ids == NULL)
		return tally_pg_no_memory(error);
	count = 0;
	for (size_t i = 0; i < v->sources->nuses; i++)
		ids[count++] = v->sources->uses[i]->id;
	for (row = v->sources->attached; row != NULL; row = row->next)
		ids[count++] = row->epoch;
	tally_pg_entries_order(v);
	for (size_t i = 0; i < v->entries->count; i++) {
		struct tally_pg_use *use = tally_pg_sources_get(v,
		    v->entries->all[i].event_id);

		if (use != NULL)
			use->is_named = true;
	}
	result = tally_pg_entries_read(v, ids, count, error);
	free(ids);
	return result;
}

int
tally_pg_sources_load(struct tally_pg_verifier *v, struct tally_error *error)
{
	int result = tally_pg_sources_join(v);

	if (result != 0)
		return tally_pg_no_memory(error);
	result = load_attached(v, error);
	if (result == 0)
		result = read_log(v, error);
	if (result != 0)
		return result;
	result = replay(v, error);
	for (struct tally_pg_source *source = v->sources->all;
	     result == 0 && source != NULL; source = source->next)
		result = finish_source(v, source);
	if (result == 0)
		tally_pg_eras_finish(v);
	return result == TALLY_E_MEMORY ? tally_pg_no_memory(error) : result;
}
