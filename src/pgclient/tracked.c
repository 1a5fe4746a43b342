/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "core/jcs.h"
#include "pgclient/attached.h"
#include "pgclient/tracked.h"

/* ---- tally:log -------------------------------------------------------- */

static const char *
make_tail(struct tally_pg_verifier *v, const char *label)
{
	static const char before[] = ",\"table\":";
	size_t len = strlen(label);
	char *tail = tally_pg_arena_get(&v->arena,
	    sizeof(before) + TALLY_JCS_QUOTED_MAX(len) + 2);
	char *p = tail;

	if (tail == NULL)
		return NULL;
	memcpy(p, before, sizeof(before) - 1);
	p += sizeof(before) - 1;
	p += tally_jcs_quote(label, len, p);
	memcpy(p, "}", 2);
	return tail;
}

/* The epoch in force of the same label ends. */
static void
end_epoch(struct tally_pg_verifier *v, const char *label, int64_t seq)
{
	for (struct tally_pg_tracked *tracked = v->sources->tracked;
	     tracked != NULL; tracked = tracked->next)
		if (tracked->untrack_seq == 0 &&
		    strcmp(tracked->epoch->label, label) == 0)
			tracked->untrack_seq = seq;
}

int
tally_pg_tracked_replay(struct tally_pg_verifier *v, int64_t seq, int64_t id,
    const char *event, size_t len, struct tally_pg_tracked **out)
{
	struct tally_pg_epoch *epoch = tally_pg_track_parse(&v->arena, event,
	    len);
	struct tally_pg_tracked **at = &v->sources->tracked;
	struct tally_pg_detach *end;
	struct tally_pg_tracked *tracked;

	*out = NULL;
	if (epoch == NULL) {
		end = tally_pg_untrack_parse(&v->arena, event, len);
		if (end == NULL)
			return TALLY_END;
		end_epoch(v, end->label, seq);
		return 0;
	}
	/* If the untrack in between cannot be read, that was told. */
	end_epoch(v, epoch->label, seq);
	tracked = tally_pg_arena_get(&v->arena, sizeof(*tracked));
	if (tracked == NULL)
		return TALLY_E_MEMORY;
	tracked->id = id;
	tracked->epoch = epoch;
	tracked->track_seq = seq;
	tracked->tail = make_tail(v, epoch->label);
	while (*at != NULL)
		at = &(*at)->next;
	*at = *out = tracked;
	return tracked->tail == NULL ? TALLY_E_MEMORY : 0;
}

/* ---- records ---------------------------------------------------------- */

void
tally_pg_tracked_judge_record(struct tally_pg_verifier *v,
    const struct tally_pg_tracked *tracked,
    const struct tally_pg_record *record, const char *event, size_t len)
{
	size_t tail = strlen(tracked->tail);
	struct tally_pg_subject subject = { .seq = record->seq,
		.source = tracked->epoch->label };
	const struct tally_pg_chain *chain = record->has_chain
	    ? tally_pg_chains_get(v, record->chain_id)
	    : NULL;

	if (chain != NULL)
		subject.chain = chain->seen.name;
	if (record->key != NULL)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "it is of a tracked table, but names a row");
	if (event != NULL &&
	    (len <= tail ||
		memcmp(event + len - tail, tracked->tail, tail) != 0))
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "its event is not one of the table that tally:log/%" PRId64
		    " tracks, which it names",
		    tracked->track_seq);
}

/* ---- tables ----------------------------------------------------------- */

static struct tally_pg_subject
subject_of(const struct tally_pg_tracked *tracked)
{
	return (struct tally_pg_subject){
		.chain = TALLY_PG_LOG_CHAIN,
		.seq = tracked->track_seq,
		.source = tracked->epoch->label,
	};
}

/*
 * The table, by oid: why statements would pass it by, or would be lost.  Then
 * its four triggers: events as pg_trigger numbers them, transition tables.
 */
static const char table_sql[] =
    "SELECT CASE WHEN c.relpersistence <> 'p' THEN 'is unlogged now'"
    " WHEN c.relispartition THEN 'is a partition now'"
    " WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits i"
    " WHERE i.inhrelid = c.oid) THEN 'inherits from another table now'"
    " WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits i"
    " WHERE i.inhparent = c.oid) THEN 'has tables that inherit from it now'"
    " END, w.name, CASE WHEN t.oid IS NULL THEN 'is gone'"
    " WHEN p.proname <> 'capture_statement' OR n.nspname <> 'tally'"
    " THEN 'calls another function'"
    " WHEN t.tgenabled = 'D' THEN 'is disabled'"
    " WHEN t.tgenabled = 'R' THEN 'fires on replicas only'"
    " WHEN t.tgtype <> w.type THEN 'fires at other events than it should'"
    " WHEN t.tgqual IS NOT NULL THEN 'has a condition'"
    " WHEN t.tgattr::pg_catalog.text <> '' THEN 'looks at some columns only'"
    " WHEN (t.tgoldtable IS NOT NULL) <> w.has_old"
    " OR (t.tgnewtable IS NOT NULL) <> w.has_new"
    " THEN 'has other transition tables than it should' END"
    " FROM pg_catalog.pg_class c CROSS JOIN (VALUES"
    " (1, '!tally_track_insert'::pg_catalog.name, 4, false, true),"
    " (2, '!tally_track_update', 16, true, true),"
    " (3, '!tally_track_delete', 8, true, false),"
    " (4, '!tally_track_truncate', 32, false, false))"
    " AS w (at, name, type, has_old, has_new)"
    " LEFT JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid"
    " AND t.tgname = w.name AND NOT t.tgisinternal"
    " LEFT JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid"
    " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
    " WHERE c.oid = $1::pg_catalog.oid AND c.relkind = 'r' ORDER BY w.at";

static void
tell_table(struct tally_pg_verifier *v, const struct tally_pg_tracked *tracked,
    const PGresult *rows)
{
	struct tally_pg_subject subject = subject_of(tracked);
	const char *table = tracked->epoch->table;

	if (!PQgetisnull(rows, 0, 0))
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "table \"%s\" %s", table, PQgetvalue(rows, 0, 0));
	for (int i = 0; i < PQntuples(rows); i++)
		if (!PQgetisnull(rows, i, 2))
			tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
			    "trigger \"%s\" of table \"%s\" %s",
			    PQgetvalue(rows, i, 1), table,
			    PQgetvalue(rows, i, 2));
}

/* Its row of tally.attachment; NULL, which is told, if there is none. */
static const struct tally_pg_attached *
judge_attachment(struct tally_pg_verifier *v,
    const struct tally_pg_tracked *tracked)
{
	struct tally_pg_subject subject = subject_of(tracked);
	const struct tally_pg_attached *row = tally_pg_attached_find(v,
	    tracked->id);

	if (row == NULL)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "tally.attachment has no row for it, though it was not"
		    " untracked");
	else if (strcmp(row->label, tracked->epoch->label) != 0)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "tally.attachment calls it \"%s\"", row->label);
	return row;
}

/*
 * The table, or 0.  Where the database was restored from a dump, oids are
 * other ones.
 */
static uint32_t
find_root(struct tally_pg_verifier *v, const struct tally_pg_tracked *tracked)
{
	const struct tally_pg_attached *row = judge_attachment(v, tracked);
	struct tally_pg_subject subject = subject_of(tracked);
	uint32_t root = tracked->epoch->relation;

	if (!tally_pg_age_is_here(v, tracked->epoch))
		return row == NULL ? 0 : row->relation;
	if (row != NULL && row->relation != root)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "tally.attachment says that it is of another table than"
		    " %s",
		    tracked->epoch->table);
	return root;
}

static int
judge_table(struct tally_pg_verifier *v, const struct tally_pg_tracked *tracked,
    struct tally_error *error)
{
	struct tally_pg_subject subject = subject_of(tracked);
	uint32_t root = find_root(v, tracked);
	char oid[16];
	const char *params[] = { oid };
	bool is_there;
	PGresult *rows;
	int result;

	snprintf(oid, sizeof(oid), "%u", (unsigned)root);
	result = tally_pg_conn_query(&v->pool.first, table_sql, 1, params,
	    &rows, error);
	if (result != 0)
		return result;
	is_there = PQntuples(rows) > 0;
	if (is_there)
		tell_table(v, tracked, rows);
	else
		tally_pg_tell(v, TALLY_MISSING, &subject,
		    "table \"%s\" is gone, and was not untracked",
		    tracked->epoch->table);
	PQclear(rows);
	return is_there
	    ? tally_pg_columns_judge(v, tracked->epoch, root, &subject, error)
	    : 0;
}

int
tally_pg_tracked_judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	for (const struct tally_pg_tracked *tracked = v->sources->tracked;
	     tracked != NULL; tracked = tracked->next) {
		struct tally_pg_subject subject = subject_of(tracked);
		int result = 0;

		if (tracked->untrack_seq == 0)
			result = judge_table(v, tracked, error);
		else if (tally_pg_attached_find(v, tracked->id) != NULL)
			tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
			    "tally.attachment has a row for it, though it was"
			    " untracked by tally:log/%" PRId64,
			    tracked->untrack_seq);
		if (result != 0)
			return result;
	}
	return 0;
}
