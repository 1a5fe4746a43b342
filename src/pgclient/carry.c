/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally_pg_carry: what a copy of the database's chains does not have yet.
 *
 * Chain by chain, from the record that the copy has last: it must be there and
 * the same.  The records come through the index, which nobody has to trust:
 * each must hold and follow the one before.  What an index hides is not
 * carried, and found by tally_pg_verify.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/pg.h>

#include "core/fail.h"
#include "pgclient/attached.h"
#include "pgclient/configuration.h"
#include "pgclient/durable.h"
#include "pgclient/entries.h"
#include "pgclient/events.h"
#include "pgclient/match.h"
#include "pgclient/session.h"

/* Given to the caller at a time. */
#define BATCH_RECORDS 1000
#define BATCH_BYTES ((size_t)8 << 20)

struct carry {
	struct tally_pg_verifier *v;
	const struct tally_pg_carry_options *options;
	struct tally_pg_events events;
	struct tally_pg_arena arena; /* of the batch */
	struct tally_record batch[BATCH_RECORDS];
	size_t count;
	size_t bytes;
	struct tally_pg_carried out;
};

/* ---- findings --------------------------------------------------------- */

static void
tell(struct carry *carry, enum tally_finding_kind kind, const char *chain,
    int64_t seq, int64_t end, const char *detail)
{
	const struct tally_finding finding = {
		.kind = kind,
		.chain = chain,
		.seq = (uint64_t)seq,
		.seq_end = (uint64_t)end,
		.index = UINT64_MAX,
		.detail = detail,
	};

	carry->out.findings++;
	if (carry->options->finding != NULL)
		carry->options->finding(carry->options->arg, &finding);
}

/* Nothing more of the chain is carried. */
static void
stop(struct carry *carry, struct tally_pg_chain *chain,
    enum tally_finding_kind kind, int64_t seq, const char *detail)
{
	chain->is_stopped = true;
	tell(carry, kind, chain->seen.name, seq, seq + 1, detail);
}

/* ---- heads ------------------------------------------------------------ */

static void
take_heads(struct carry *carry)
{
	const struct tally_pg_carry_options *options = carry->options;

	for (size_t i = 0; i < options->heads_len; i++) {
		const struct tally_outside_head *head = &options->heads[i];
		struct tally_pg_chain *chain = tally_pg_chains_find(carry->v,
		    head->chain, head->chain_len);

		if (chain == NULL) {
			tell(carry, TALLY_MISSING, head->chain,
			    (int64_t)head->seq, (int64_t)head->seq + 1,
			    "the chain was carried up to this record, and is"
			    " not there");
			continue;
		}
		chain->carried_seq = (int64_t)head->seq;
		chain->carried_hash = head->hash;
		chain->seen.last_seq = chain->carried_seq;
		chain->seen.last_hash = chain->carried_hash;
	}
}

/*
 * A name stands for one chain, and is one that records can hold.  Of those
 * that are not so nothing is carried: the copy could not tell them apart, and
 * would refuse all that comes with them.
 */
static void
judge_names(struct carry *carry)
{
	struct tally_pg_verifier *v = carry->v;

	for (size_t i = 0; i < v->chains.count; i++) {
		struct tally_pg_chain *chain = v->chains.all[i], *other;
		const char *name = chain->seen.name;

		if (name == NULL)
			continue;
		other = tally_pg_chains_find(v, name, strlen(name));
		if (chain->seen.escaped == NULL && !chain->is_stopped)
			stop(carry, chain, TALLY_DAMAGED, 0,
			    "no chain has such a name");
		else if (other != chain && other != NULL && !other->is_stopped)
			stop(carry, other, TALLY_DAMAGED, 0,
			    "two rows of tally.chain have this name");
		if (other != chain)
			chain->is_stopped = true;
	}
}

/* Those whose head was not met end before it. */
static int
judge_ends(struct carry *carry, struct tally_error *error)
{
	static const char sql[] =
	    "SELECT pg_catalog.max(r.seq) FROM ONLY tally.record AS r"
	    " WHERE r.chain_id = $1::pg_catalog.int8";
	struct tally_pg_verifier *v = carry->v;

	for (size_t i = 0; i < v->chains.count; i++) {
		struct tally_pg_chain *chain = v->chains.all[i];
		char id[24];
		const char *params[] = { id };
		int64_t last;
		PGresult *row;
		int result;

		if (chain->carried_seq == 0 || chain->is_confirmed ||
		    chain->is_stopped)
			continue;
		snprintf(id, sizeof(id), "%" PRId64, chain->seen.id);
		result = tally_pg_conn_query(&v->pool.first, sql, 1, params,
		    &row, error);
		if (result != 0)
			return result;
		last = strtoll(PQgetvalue(row, 0, 0), NULL, 10);
		PQclear(row);
		chain->is_stopped = true;
		if (last > chain->carried_seq)
			last = chain->carried_seq - 1;
		tell(carry, TALLY_TRUNCATED, chain->seen.name, last + 1,
		    chain->carried_seq + 1,
		    "the chain was carried beyond its last record");
	}
	return 0;
}

/* ---- records ---------------------------------------------------------- */

/* An event that the copy does not take for one, or that is longer than its
 * limit, is left where it is. */
static bool
leave_event(struct carry *carry, int result, const struct tally_error *error)
{
	struct tally_record *record;

	if ((result != TALLY_E_FORMAT && result != TALLY_E_EVENT &&
		result != TALLY_E_LIMIT) ||
	    error->item >= carry->count)
		return false;
	record = &carry->batch[error->item];
	if (record->body != TALLY_BODY_EVENT)
		return false;
	record->body = TALLY_BODY_ELSEWHERE;
	record->event = NULL;
	record->event_len = 0;
	record->salt = NULL;
	carry->out.events--;
	return true;
}

static int
flush(struct carry *carry, struct tally_error *error)
{
	struct tally_error own = { 0 };
	int result = 0;

	if (carry->count > 0) {
		do {
			memset(&own, 0, sizeof(own));
			result = carry->options->take(carry->options->arg,
			    carry->batch, carry->count, &own);
		} while (leave_event(carry, result, &own));
		if (result != 0 && error != NULL)
			*error = own;
	}
	if (result == 0)
		carry->out.records += carry->count;
	carry->count = 0;
	carry->bytes = 0;
	tally_pg_arena_wipe(&carry->arena);
	return result;
}

/* Does the record stand at its place as it was sealed? */
static bool
holds(struct carry *carry, const struct tally_pg_record *record,
    const struct tally_pg_chain *chain)
{
	struct tally_hash hash;

	return record->damage == NULL &&
	    tally_parts_hash(&carry->v->hasher, &record->parts,
		chain->seen.escaped, chain->seen.escaped_len, record->seq,
		&record->prev, &hash) &&
	    tally_hash_equal(&hash, &record->hash);
}

/* Chains of the log's own have names that no source can use. */
static bool
is_reserved(const struct tally_pg_chain *chain)
{
	return strncmp(chain->seen.name, "tally:", 6) == 0 &&
	    strcmp(chain->seen.name, TALLY_PG_LOG_CHAIN) != 0;
}

/* False: it was told, or is the head itself. */
static bool
follows(struct carry *carry, const struct tally_pg_record *record,
    struct tally_pg_chain *chain)
{
	int64_t last = chain->seen.last_seq;

	if (chain->is_stopped)
		return false;
	if (record->seq == chain->carried_seq) {
		if (chain->is_confirmed)
			stop(carry, chain, TALLY_DUPLICATE, record->seq,
			    "another record has this place, too");
		else if (!tally_hash_equal(&record->hash, &chain->carried_hash))
			stop(carry, chain, TALLY_ROLLED_BACK, record->seq,
			    "it is another record than was carried");
		chain->is_confirmed = true;
		return false;
	}
	if (chain->carried_seq > 0 && !chain->is_confirmed)
		return false; /* its head is told as missing at the end */
	if (is_reserved(chain))
		stop(carry, chain, TALLY_INSERTED, record->seq,
		    "no chain of a database has such a name");
	else if (record->seq != last + 1)
		stop(carry, chain,
		    record->seq <= last ? TALLY_DUPLICATE : TALLY_MISSING,
		    record->seq <= last ? record->seq : last + 1,
		    record->seq <= last ? "another record has this place, too"
					: "the record is not there");
	else if (!holds(carry, record, chain))
		stop(carry, chain, TALLY_LINK_ALTERED, record->seq,
		    "its header does not hash to its hash");
	else if (!tally_hash_equal(&record->prev, &chain->seen.last_hash))
		stop(carry, chain, TALLY_LINK_ALTERED, record->seq,
		    "it does not link to the record before it");
	if (chain->is_stopped)
		return false;
	chain->seen.last_seq = record->seq;
	chain->seen.last_hash = record->hash;
	return true;
}

/* The event that the digest is of: kept, or of its row; or NULL. */
static int
find_event(struct carry *carry, const struct tally_pg_record *record,
    const struct tally_pg_field *kept, const char **out, size_t *out_len,
    struct tally_error *error)
{
	struct tally_hash digest;

	*out = kept->at;
	*out_len = kept->len;
	if (carry->options->without_events)
		*out = NULL;
	else if (*out == NULL &&
	    tally_pg_events_get(&carry->events, record->chain_id, record->seq,
		out, out_len, error) != 0)
		return TALLY_E_IO;
	/* No log takes more; nor would a batch hold it. */
	if (*out_len > TALLY_EVENT_MAX)
		*out = NULL;
	if (*out == NULL)
		return 0;
	digest = tally_hash_commitment(&carry->v->hasher, record->salt, *out,
	    *out_len);
	if (!tally_hash_equal(&digest, &record->parts.digest))
		*out = NULL;
	return 0;
}

static int
add(struct carry *carry, const struct tally_pg_record *record,
    const struct tally_pg_chain *chain, const char *event, size_t event_len,
    struct tally_error *error)
{
	struct tally_pg_arena *arena = &carry->arena;
	struct tally_record *out = &carry->batch[carry->count];

	*out = (struct tally_record){
		.seq = (uint64_t)record->seq,
		.time_us = record->parts.time_us,
		.chain = chain->seen.name,
		.chain_len = strlen(chain->seen.name),
		.id_len = record->parts.id_len,
		.digest = record->parts.digest,
		.prev = record->prev,
		.hash = record->hash,
		.body = event == NULL ? TALLY_BODY_ELSEWHERE : TALLY_BODY_EVENT,
	};
	if (record->parts.id != NULL)
		out->id = tally_pg_arena_copy(arena, record->parts.id,
		    record->parts.id_len);
	if (event != NULL) {
		out->event = tally_pg_arena_copy(arena, event, event_len);
		out->event_len = event_len;
	}
	if (event != NULL && record->salt != NULL)
		out->salt = (const uint8_t *)tally_pg_arena_copy(arena,
		    (const char *)record->salt, TALLY_SALT_SIZE);
	if ((record->parts.id != NULL && out->id == NULL) ||
	    (event != NULL && out->event == NULL) ||
	    (event != NULL && record->salt != NULL && out->salt == NULL))
		return tally_pg_no_memory(error);
	carry->count++;
	carry->out.events += event != NULL;
	carry->bytes += event == NULL ? 0 : event_len;
	return carry->count == BATCH_RECORDS || carry->bytes >= BATCH_BYTES
	    ? flush(carry, error)
	    : 0;
}

typedef int (*row_fn)(struct carry *carry, const struct tally_pg_record *record,
    struct tally_pg_chain *chain, const struct tally_pg_field *kept,
    struct tally_error *error);

static int
take(struct carry *carry, const struct tally_pg_record *record,
    struct tally_pg_chain *chain, const struct tally_pg_field *kept,
    struct tally_error *error)
{
	const char *event;
	size_t len;
	int result;

	if (!follows(carry, record, chain))
		return 0;
	result = find_event(carry, record, kept, &event, &len, error);
	return result != 0 ? result
			   : add(carry, record, chain, event, len, error);
}

static int
want_event(struct carry *carry, const struct tally_pg_record *record,
    struct tally_pg_chain *chain, const struct tally_pg_field *kept,
    struct tally_error *error)
{
	if (record->seq <= chain->carried_seq || kept->at != NULL)
		return 0;
	return tally_pg_events_put(carry->v, record, error);
}

/* The chains and where they go on, as two arrays of SQL. */
static void
put_query(struct carry *carry, struct tally_pg_text *sql)
{
	const struct tally_pg_chains *chains = &carry->v->chains;

	tally_pg_text_put(sql,
	    "COPY (SELECT " TALLY_PG_RECORD_COLUMNS
	    ", e.event FROM ROWS FROM (pg_catalog.unnest('{");
	for (size_t i = 0; i < chains->count; i++)
		tally_pg_text_format(sql, "%s%" PRId64, i == 0 ? "" : ",",
		    chains->all[i]->seen.id);
	tally_pg_text_put(sql, "}'::pg_catalog.int8[]), pg_catalog.unnest('{");
	for (size_t i = 0; i < chains->count; i++)
		tally_pg_text_format(sql, "%s%" PRId64, i == 0 ? "" : ",",
		    chains->all[i]->carried_seq);
	tally_pg_text_put(sql,
	    "}'::pg_catalog.int8[])) AS h (chain_id, seq)"
	    " CROSS JOIN LATERAL (SELECT t.ctid AS ctid, t.* FROM ONLY"
	    " tally.record AS t WHERE t.chain_id = h.chain_id"
	    " AND t.seq >= h.seq) AS r LEFT JOIN ONLY tally.event AS e"
	    " ON e.id = r.event_id ORDER BY r.chain_id, r.seq)"
	    " TO STDOUT (FORMAT binary)");
}

static int
walk(struct carry *carry, row_fn fn, struct tally_error *error)
{
	struct tally_pg_verifier *v = carry->v;
	struct tally_pg_conn *conn = &v->pool.first;
	struct tally_pg_field fields[TALLY_PG_RECORD_COUNT + 1];
	struct tally_pg_text sql = { 0 };
	struct tally_pg_record record;
	struct tally_pg_chain *chain;
	bool first = true;
	char *row;
	size_t len;
	int result;

	put_query(carry, &sql);
	result = sql.failed ? tally_pg_no_memory(error)
			    : tally_pg_conn_copy(conn, sql.at, error);
	tally_pg_text_wipe(&sql);
	while (result == 0) {
		result = tally_pg_conn_next(conn, &row, &len, error);
		if (result != 0 ||
		    tally_pg_fields_decode(row, len, &first, fields,
			TALLY_PG_RECORD_COUNT + 1) != 0)
			continue;
		tally_pg_record_decode(fields, &record);
		chain = tally_pg_chains_get(v, record.chain_id);
		if (chain == NULL)
			return tally_pg_no_memory(error);
		if (chain->seen.name != NULL)
			result = fn(carry, &record, chain,
			    &fields[TALLY_PG_RECORD_COUNT], error);
	}
	return result == TALLY_END ? 0 : result;
}

/* ---- the call --------------------------------------------------------- */

static int
check_place(const struct tally_pg_verifier *v,
    const struct tally_pg_place *place, struct tally_error *error)
{
	if (place->cluster == v->server.cluster &&
	    strcmp(place->database, v->server.database) == 0)
		return 0;
	return tally_fail(error, TALLY_E_USAGE,
	    "database \"%s\" of cluster %" PRIu64 " is not \"%s\" of cluster"
	    " %" PRIu64,
	    v->server.database, v->server.cluster, place->database,
	    place->cluster);
}

/* Only what is new is asked for, so the index may serve. */
static int
read_new(struct carry *carry, struct tally_error *error)
{
	struct tally_pg_verifier *v = carry->v;
	int result = tally_pg_conn_run(&v->pool.first,
	    "SET enable_indexscan = on", error);

	judge_names(carry);
	take_heads(carry);
	if (result == 0 && !carry->options->without_events) {
		result = tally_pg_events_open(v, &carry->events, error);
		if (result == 0)
			result = walk(carry, want_event, error);
		if (result == 0)
			result = tally_pg_events_find(v, &carry->events, error);
	}
	if (result == 0)
		result = walk(carry, take, error);
	if (result == 0)
		result = flush(carry, error);
	return result != 0 ? result : judge_ends(carry, error);
}

static int
carry_all(struct carry *carry, struct tally_error *error)
{
	struct tally_pg_verifier *v = carry->v;
	int result = check_place(v, &carry->options->place, error);

	if (result == 0)
		result = tally_pg_durable_wait(v, error);
	if (result == 0)
		result = tally_pg_configuration_read(v, error);
	/* Nothing was attached: is that what was carried? */
	if (result == TALLY_END) {
		take_heads(carry);
		return 0;
	}
	return result != 0 ? result : read_new(carry, error);
}

int
tally_pg_carry(const char *conninfo,
    const struct tally_pg_carry_options *options, struct tally_pg_carried *out,
    struct tally_error *error)
{
	struct tally_verify_options how = {
		.progress = options->progress,
		.arg = options->arg,
	};
	struct tally_pg_verifier *v = calloc(1, sizeof(*v));
	struct carry *carry = calloc(1, sizeof(*carry));
	int result;

	if (v == NULL || carry == NULL) {
		free(v);
		free(carry);
		return tally_pg_no_memory(error);
	}
	v->options = &how;
	v->is_exporting = true;
	carry->v = v;
	carry->options = options;
	result = tally_pg_session_open(v, conninfo, 1, error);
	if (result == 0)
		result = carry_all(carry, error);
	*out = carry->out;
	tally_pg_arena_wipe(&carry->arena);
	tally_pg_events_close(&carry->events);
	tally_pg_match_close(v);
	tally_pg_sources_close(v);
	tally_pg_entries_close(v);
	tally_pg_session_close(v);
	free(v);
	free(carry);
	return result;
}

int
tally_pg_locate(const char *conninfo, struct tally_pg_place *out,
    struct tally_error *error)
{
	static const char sql[] = "SELECT s.system_identifier, c.timeline_id,"
				  " pg_catalog.current_database()"
				  " FROM pg_catalog.pg_control_system() s,"
				  " pg_catalog.pg_control_checkpoint() c";
	struct tally_pg_conn conn = { 0 };
	PGresult *row;
	int result = tally_pg_conn_open(&conn, conninfo, error);

	if (result == 0)
		result = tally_pg_conn_query(&conn, sql, 0, NULL, &row, error);
	if (result == 0) {
		out->cluster = strtoull(PQgetvalue(row, 0, 0), NULL, 10);
		out->timeline = (uint32_t)strtoul(PQgetvalue(row, 0, 1), NULL,
		    10);
		(void)snprintf(out->database, sizeof(out->database), "%s",
		    PQgetvalue(row, 0, 2));
		PQclear(row);
	}
	tally_pg_conn_close(&conn);
	return result;
}
