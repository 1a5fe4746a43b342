/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record whose event does not hold may name the wrong one: event_id is not
 * hashed.  Its own is then among those for which no record holds, so the two
 * are brought together and told once.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/row_event.h"
#include "pgclient/kept.h"
#include "pgclient/match.h"
#include "pgclient/pairs.h"
#include "pgclient/render.h"
#include "pgclient/tracked.h"

/* Of more than these, what is left over is told at once. */
#define STRAYS_MAX 1024
#define UNPROVEN_MAX 1024

/* No longer event is remembered. */
#define STRAY_EVENT_MAX (64 * 1024)

/* An event that holds for no record that names it. */
struct stray {
	int64_t id;
	const char *text; /* NULL: too long */
	size_t len;
	bool is_named; /* by a record, for which it does not hold */
	bool is_claimed;
};

struct unproven {
	struct tally_pg_record *record; /* a copy */
	bool is_there;                  /* the event that it names */
};

struct tally_pg_kept {
	struct tally_pg_verifier *v;
	size_t nstrays;
	struct stray strays[STRAYS_MAX];
	size_t nunproven;
	struct unproven unproven[UNPROVEN_MAX];
	struct tally_pg_text key;
	pthread_mutex_t lock; /* of strays, once workers claim them */
};

static bool
holds(struct tally_pg_verifier *v, const struct tally_pg_record *record,
    const char *event, size_t len)
{
	struct tally_hash digest;

	if (event == NULL || !record->parts.has_digest)
		return false;
	digest = tally_hash_commitment(&v->hasher, record->salt, event, len);
	return tally_hash_equal(&digest, &record->parts.digest);
}

static struct tally_pg_subject
subject_of(struct tally_pg_verifier *v, const struct tally_pg_record *record)
{
	struct tally_pg_subject subject = { .seq = record->seq };
	const struct tally_pg_use *use = tally_pg_sources_find(v,
	    record->epoch);
	const struct tally_pg_chain *chain = record->has_chain
	    ? tally_pg_chains_get(v, record->chain_id)
	    : NULL;

	if (chain != NULL)
		subject.chain = chain->seen.name;
	if (use != NULL && use->epoch != NULL)
		subject.source = use->epoch->label;
	subject.key = record->key;
	subject.key_len = record->key_len;
	return subject;
}

/* The last epoch under whose label the event deletes a row, with its key. */
static struct tally_pg_use *
find_deletion_use(struct tally_pg_kept *kept, const char *event, size_t len)
{
	struct tally_pg_verifier *v = kept->v;
	struct tally_pg_use *found = NULL;

	for (struct tally_pg_source *source = v->sources->all; source != NULL;
	     source = source->next)
		for (struct tally_pg_use *use = source->uses; use != NULL;
		     use = use->next)
			if (tally_pg_deletion_key(event, len, use->epoch,
				&v->hasher, &kept->key))
				found = use;
	/* The key is that of the last one that was tried. */
	if (found != NULL)
		(void)tally_pg_deletion_key(event, len, found->epoch,
		    &v->hasher, &kept->key);
	return found;
}

/*
 * The event of a deletion says which row it deletes; if the record says
 * another, it is the record that was changed.
 */
static int
pass_deletion(struct tally_pg_kept *kept, const struct tally_pg_record *record,
    struct tally_pg_item *item, const char *event, size_t len,
    struct tally_error *error)
{
	struct tally_pg_verifier *v = kept->v;
	struct tally_pg_subject subject = subject_of(v, record);
	bool tell = (item->flags & TALLY_PG_IS_ACCUSED) == 0;

	if (item->use == NULL || item->use->epoch == NULL ||
	    !tally_pg_deletion_key(event, len, item->use->epoch, &v->hasher,
		&kept->key)) {
		struct tally_pg_use *named = item->use;

		item->use = find_deletion_use(kept, event, len);
		/* Nothing to compare: it is one of an unknown epoch's. */
		if (item->use == NULL)
			return 0;
		if (named != NULL && named->epoch == NULL)
			named->records--;
		if (tell)
			tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
			    "its event deletes a row of another table than it"
			    " names");
	} else if (tell &&
	    (record->key == NULL || record->key_len != kept->key.len ||
		memcmp(record->key, kept->key.at, kept->key.len) != 0))
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "its event deletes the row with key \"%s\"", kept->key.at);
	item->flags &= ~(uint32_t)TALLY_PG_IS_ACCUSED;
	item->flags |= TALLY_PG_IS_DELETION;
	item->key_len = (uint32_t)kept->key.len;
	return tally_pg_match_put(v, item, kept->key.at, NULL, error);
}

/* Of a form of which only some columns can be rendered; false: no memory. */
static bool
take_part(struct tally_pg_verifier *v, struct tally_pg_item *item,
    const char *event, size_t len)
{
	const struct tally_pg_form *form = item->use->form;
	const uint8_t *salt = (item->flags & TALLY_PG_HAS_SALT) != 0
	    ? item->salt
	    : NULL;
	char *part = malloc(len + 1);

	if (part == NULL)
		return false;
	len = tally_row_event_reduce(event, len, form->names,
	    (size_t)form->part->ncolumns, part);
	if (len > 0) {
		item->digest = tally_hash_commitment(&v->hasher, salt, part,
		    len);
		item->flags |= TALLY_PG_IS_PART;
	}
	free(part);
	return true;
}

/* Its event holds, or (event NULL) it was told that none does. */
static int
pass_on(struct tally_pg_kept *kept, const struct tally_pg_record *record,
    const char *event, size_t len, struct tally_error *error)
{
	struct tally_pg_verifier *v = kept->v;
	const char *fault = NULL;
	struct tally_pg_item item;

	/* No record of a row: there is nothing to be matched. */
	if (record->epoch == 0 && record->key == NULL)
		return 0;
	tally_pg_match_prepare(v, record, &item);
	if (item.use != NULL && item.use->tracked != NULL) {
		tally_pg_tracked_judge_record(v, item.use->tracked, record,
		    event, len);
		return 0;
	}
	item.flags |= event != NULL ? TALLY_PG_IS_KEPT : TALLY_PG_IS_ACCUSED;
	if (event != NULL && item.chain != NULL &&
	    tally_pg_is_deletion(event, len))
		return pass_deletion(kept, record, &item, event, len, error);
	if (record->key == NULL && !tally_pg_use_is_lost(item.use))
		fault = "it names the attach event of a row, but no key";
	else if (record->key != NULL && record->epoch == 0)
		fault = "it has a key, but names no attach event";
	if (fault != NULL)
		return tally_pg_pairs_add_record(v, &item, record->key,
		    TALLY_CONTENT_ALTERED, fault, error);
	if (record->key == NULL || item.use == NULL ||
	    item.use->epoch == NULL || item.chain == NULL)
		return tally_pg_pairs_add_record(v, &item, record->key,
		    TALLY_NOT_JUDGED, NULL, error);
	if (event != NULL && item.use->form->part != NULL &&
	    !take_part(v, &item, event, len))
		return tally_pg_no_memory(error);
	return tally_pg_match_put(v, &item, record->key, NULL, error);
}

/* ---- what is left over ------------------------------------------------ */

static void
tell_stray(struct tally_pg_verifier *v, int64_t id)
{
	struct tally_pg_subject nothing = { 0 };

	tally_pg_tell(v, TALLY_INSERTED, &nothing,
	    "event %" PRId64 " in tally.event is named by no record", id);
}

static void
add_stray(struct tally_pg_kept *kept, int64_t id,
    const struct tally_pg_field *event, bool is_named)
{
	struct stray *stray;

	if (kept->nstrays == STRAYS_MAX) {
		if (!is_named)
			tell_stray(kept->v, id);
		return;
	}
	stray = &kept->strays[kept->nstrays++];
	stray->id = id;
	stray->len = event->len;
	stray->is_named = is_named;
	if (event->at != NULL && event->len <= STRAY_EVENT_MAX)
		stray->text = tally_pg_arena_copy(&kept->v->arena, event->at,
		    event->len);
}

/* Is one of the strays the record's own event?  Then it is told. */
static int
claim(struct tally_pg_kept *kept, const struct tally_pg_record *record,
    bool *out_claimed, struct tally_error *error)
{
	struct tally_pg_verifier *v = kept->v;
	struct tally_pg_subject subject = subject_of(v, record);

	for (size_t i = 0; i < kept->nstrays; i++) {
		struct stray *stray = &kept->strays[i];

		if (stray->is_claimed ||
		    !holds(v, record, stray->text, stray->len))
			continue;
		stray->is_claimed = *out_claimed = true;
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "its event is %" PRId64 ", which it does not name",
		    stray->id);
		return pass_on(kept, record, stray->text, stray->len, error);
	}
	return 0;
}

static int
settle(struct tally_pg_kept *kept, const struct unproven *unproven,
    struct tally_error *error)
{
	struct tally_pg_verifier *v = kept->v;
	const struct tally_pg_record *record = unproven->record;
	struct tally_pg_subject subject = subject_of(v, record);
	bool is_accused = tally_pg_accused_find(&v->accused, record->tid) !=
	    NULL;
	bool claimed = false;
	int result = claim(kept, record, &claimed, error);

	if (claimed || result != 0)
		return result;
	if (!is_accused && unproven->is_there)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "event %" PRId64 ", which it names, does not hash to its"
		    " digest",
		    record->event_id);
	else if (!is_accused)
		tally_pg_tell(v, TALLY_MISSING, &subject,
		    "event %" PRId64 ", which it names, is not there",
		    record->event_id);
	return pass_on(kept, record, NULL, 0, error);
}

static int
add_unproven(struct tally_pg_kept *kept, const struct tally_pg_record *record,
    bool is_there, struct tally_error *error)
{
	struct unproven unproven = { NULL, is_there };
	int result;

	unproven.record = tally_pg_record_dup(record);
	if (unproven.record == NULL)
		return tally_pg_no_memory(error);
	if (kept->nunproven < UNPROVEN_MAX) {
		kept->unproven[kept->nunproven++] = unproven;
		return 0;
	}
	result = settle(kept, &unproven, error);
	free(unproven.record);
	return result;
}

/* ---- pairs ------------------------------------------------------------ */

static int64_t
number_of(const struct tally_pg_field *field)
{
	uint64_t number = 0;

	for (size_t i = 0; i < field->len && i < 8; i++)
		number = number << 8 | (uint8_t)field->at[i];
	return (int64_t)number;
}

static int
take_pair(struct tally_pg_kept *kept, const struct tally_pg_field *fields,
    struct tally_error *error)
{
	const struct tally_pg_field *event = &fields[TALLY_PG_RECORD_COUNT + 1];
	const struct tally_pg_field *id = &fields[TALLY_PG_RECORD_COUNT];
	struct tally_pg_record record;

	if (fields[0].at == NULL) {
		add_stray(kept, number_of(id), event, false);
		return 0;
	}
	tally_pg_record_decode(fields, &record);
	if (holds(kept->v, &record, event->at, event->len))
		return pass_on(kept, &record, event->at, event->len, error);
	if (id->at != NULL)
		add_stray(kept, number_of(id), event, true);
	return add_unproven(kept, &record, id->at != NULL, error);
}

static int
walk(struct tally_pg_kept *kept, const char *sql, struct tally_error *error)
{
	struct tally_pg_conn *conn = &kept->v->pool.first;
	struct tally_pg_field fields[TALLY_PG_RECORD_COUNT + 2];
	bool first = true;
	char *row;
	size_t len;
	int result = tally_pg_conn_copy(conn, sql, error);

	while (result == 0) {
		result = tally_pg_conn_next(conn, &row, &len, error);
		if (result == 0 &&
		    tally_pg_fields_decode(row, len, &first, fields,
			TALLY_PG_RECORD_COUNT + 2) == 0)
			result = take_pair(kept, fields, error);
	}
	return result == TALLY_END ? 0 : result;
}

/* With one chain, only events that its records name matter. */
static void
put_query(const struct tally_pg_verifier *v, struct tally_pg_text *sql)
{
	tally_pg_text_put(sql,
	    "COPY (SELECT " TALLY_PG_RECORD_COLUMNS
	    ", e.id, e.event FROM (SELECT s.ctid AS ctid, s.chain_id, s.seq,"
	    " s.\"time\", s.epoch, s.event_id, s.digest, s.prev, s.hash,"
	    " s.key, s.id, s.salt FROM ONLY tally.record AS s"
	    " WHERE s.event_id IS NOT NULL");
	if (v->chains.only != NULL)
		tally_pg_text_format(sql, " AND s.chain_id = %" PRId64,
		    v->chains.only->seen.id);
	tally_pg_text_format(sql,
	    ") AS r %s JOIN ONLY tally.event AS e"
	    " ON e.id = r.event_id) TO STDOUT (FORMAT binary)",
	    v->chains.only != NULL ? "LEFT" : "FULL");
}

int
tally_pg_kept_judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct tally_pg_kept *kept = calloc(1, sizeof(*kept));
	struct tally_pg_text sql = { 0 };
	int result;

	if (kept == NULL)
		return tally_pg_no_memory(error);
	v->kept = kept;
	kept->v = v;
	(void)pthread_mutex_init(&kept->lock, NULL);
	put_query(v, &sql);
	result = sql.failed ? tally_pg_no_memory(error)
			    : walk(kept, sql.at, error);
	for (size_t i = 0; i < kept->nunproven; i++) {
		if (result == 0)
			result = settle(kept, &kept->unproven[i], error);
		free(kept->unproven[i].record);
	}
	kept->nunproven = 0;
	tally_pg_text_wipe(&sql);
	return result;
}

bool
tally_pg_kept_has_strays(const struct tally_pg_verifier *v)
{
	for (size_t i = 0; i < v->kept->nstrays; i++)
		if (!v->kept->strays[i].is_claimed)
			return true;
	return false;
}

int
tally_pg_kept_claim(struct tally_pg_verifier *v,
    const struct tally_pg_record *record, bool *out_claimed,
    struct tally_error *error)
{
	struct tally_pg_kept *kept = v->kept;
	int result = 0;

	*out_claimed = false;
	if (kept->nstrays == 0)
		return 0;
	/* Its hasher and its text are for one at a time. */
	(void)pthread_mutex_lock(&kept->lock);
	result = claim(kept, record, out_claimed, error);
	(void)pthread_mutex_unlock(&kept->lock);
	return result;
}

void
tally_pg_kept_finish(struct tally_pg_verifier *v)
{
	const struct tally_pg_kept *kept = v->kept;

	for (size_t i = 0; i < kept->nstrays; i++)
		if (!kept->strays[i].is_claimed && !kept->strays[i].is_named)
			tell_stray(v, kept->strays[i].id);
}

void
tally_pg_kept_close(struct tally_pg_verifier *v)
{
	if (v->kept == NULL)
		return;
	for (size_t i = 0; i < v->kept->nunproven; i++)
		free(v->kept->unproven[i].record);
	(void)pthread_mutex_destroy(&v->kept->lock);
	tally_pg_text_wipe(&v->kept->key);
	free(v->kept);
	v->kept = NULL;
}
