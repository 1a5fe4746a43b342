/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally_pg_export: a chain as a file log of its own.
 *
 * First the events of rows are found (events.h).  Then the records come in the
 * order of the chain, with the events that are kept beside them, and become
 * lines.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <tally/pg.h>

#include "core/fail.h"
#include "core/text.h"
#include "pgclient/configuration.h"
#include "pgclient/entries.h"
#include "pgclient/events.h"
#include "pgclient/match.h"
#include "pgclient/session.h"

#define SEGMENT "log/00000000000000000000.jsonl"

struct export
{
	struct tally_pg_verifier *v;
	const char *dir;
	struct tally_pg_events events; /* of rows */
	FILE *file;
	char source[TALLY_CHAIN_TEXT_MAX];
	size_t source_len;
	struct tally_pg_text line;
	/* Of the chain at hand: */
	int64_t seq;
	struct tally_hash hash;
	struct tally_pg_exported *out;
};

static int
fail_file(struct export *export, const char *name, struct tally_error *error)
{
	int reason = errno;
	int code = reason == EEXIST ? TALLY_E_EXISTS
	    : reason == ENOSPC      ? TALLY_E_FULL
				    : TALLY_E_IO;

	return tally_fail(error, code, "cannot write \"%s%s%s\": %s",
	    export->dir, name[0] == '\0' ? "" : "/", name, strerror(reason));
}

/* ---- events of rows --------------------------------------------------- */

static int
put_record(struct tally_pg_verifier *v, struct tally_pg_worker *worker,
    const struct tally_pg_record *record, struct tally_error *error)
{
	(void)worker;
	return tally_pg_events_put(v, record, error);
}

static int
find_events(struct export *export, struct tally_error *error)
{
	struct tally_pg_verifier *v = export->v;
	char filter[96];
	int result = tally_pg_events_open(v, &export->events, error);

	if (result != 0)
		return result;
	snprintf(filter, sizeof(filter),
	    "r.chain_id = %" PRId64 " AND r.event_id IS NULL",
	    v->chains.only->seen.id);
	result = tally_pg_records_walk(v, filter, put_record, error);
	return result != 0 ? result
			   : tally_pg_events_find(v, &export->events, error);
}

/* ---- lines ------------------------------------------------------------ */

static int
write_line(struct export *export, const struct tally_pg_record *record,
    const char *header, size_t len, const char *event, size_t event_len,
    struct tally_error *error)
{
	struct tally_pg_text *line = &export->line;

	tally_pg_text_reset(line);
	if (!tally_pg_text_reserve(line,
		len + TALLY_LINE_EXTRA + event_len + sizeof(export->source)))
		return tally_pg_no_memory(error);
	if (event != NULL) {
		line->len = tally_line_encode(header, len, &record->hash,
		    record->salt, event, event_len, line->at);
	} else {
		line->len = tally_line_encode_elsewhere(header, len,
		    &record->hash, export->source, export->source_len,
		    line->at);
	}
	if (fwrite(line->at, 1, line->len, export->file) != line->len)
		return fail_file(export, SEGMENT, error);
	return 0;
}

static int
refuse(const struct tally_pg_chain *chain, int64_t seq,
    struct tally_error *error)
{
	return tally_fail(error, TALLY_E_DAMAGED,
	    "chain \"%s\" does not hold at record %" PRId64
	    "; \"tally pg verify\" says more",
	    chain->seen.name, seq);
}

/* A record of the chain, and its kept event or NULL. */
static int
take(struct export *export, const struct tally_pg_chain *chain,
    const struct tally_pg_record *record, const struct tally_pg_field *kept,
    struct tally_error *error)
{
	struct tally_hasher *hasher = &export->v->hasher;
	bool is_only = chain == export->v->chains.only;
	char header[TALLY_HEADER_MAX];
	const char *event = kept->at;
	size_t event_len = kept->len;
	struct tally_hash hash;
	size_t len;
	int result;

	if (record->damage != NULL || record->seq != export->seq + 1 ||
	    !tally_hash_equal(&record->prev, &export->hash) ||
	    !tally_parts_encode(&record->parts, chain->seen.escaped,
		chain->seen.escaped_len, record->seq, &record->prev, header,
		&len))
		return refuse(chain, export->seq + 1, error);
	hash = tally_hash_leaf(hasher, header, len);
	if (!tally_hash_equal(&hash, &record->hash))
		return refuse(chain, record->seq, error);
	export->seq = record->seq;
	export->hash = hash;
	if (event == NULL && is_only) {
		result = tally_pg_events_get(&export->events, chain->seen.id,
		    record->seq, &event, &event_len, error);
		if (result != 0)
			return result;
	}
	if (event != NULL) {
		hash = tally_hash_commitment(hasher, record->salt, event,
		    event_len);
		if (!tally_hash_equal(&hash, &record->parts.digest))
			event = NULL;
	}
	export->out->records += is_only;
	export->out->events += is_only && event != NULL;
	return write_line(export, record, header, len, event,
	    event == NULL ? 0 : event_len, error);
}

static int
write_chain(struct export *export, const struct tally_pg_chain *chain,
    struct tally_error *error)
{
	struct tally_pg_conn *conn = &export->v->pool.first;
	struct tally_pg_field fields[TALLY_PG_RECORD_COUNT + 1];
	struct tally_pg_text sql = { 0 };
	struct tally_pg_record record;
	bool first = true;
	char *row;
	size_t len;
	int result;

	export->seq = 0;
	memset(&export->hash, 0, sizeof(export->hash));
	tally_pg_text_format(&sql,
	    "COPY (SELECT " TALLY_PG_RECORD_COLUMNS
	    ", e.event FROM ONLY tally.record AS r LEFT JOIN ONLY tally.event"
	    " AS e ON e.id = r.event_id WHERE r.chain_id = %" PRId64
	    " ORDER BY r.seq) TO STDOUT (FORMAT binary)",
	    chain->seen.id);
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
		result = take(export, chain, &record,
		    &fields[TALLY_PG_RECORD_COUNT], error);
	}
	if (result == TALLY_END && export->seq == 0)
		return refuse(chain, 1, error);
	return result == TALLY_END ? 0 : result;
}

/* ---- the directory ---------------------------------------------------- */

/* Who the log is says the first event of tally:log. */
static int
write_identity(struct export *export, struct tally_error *error)
{
	static const char head[] = "{\"created\":";
	const struct tally_pg_entry *entry = export->v->entries->all;
	char created[TALLY_TIME_TEXT_SIZE];
	char path[4096];
	size_t head_len = sizeof(head) - 1;
	FILE *file;
	bool written;

	if (export->v->entries->count == 0 || entry->event == NULL ||
	    entry->event_len < head_len + 3 ||
	    memcmp(entry->event, head, head_len) != 0)
		return refuse(export->v->chains.log, 1, error);
	snprintf(path, sizeof(path), "%s/tally.json", export->dir);
	tally_time_format(entry->record->parts.time_us, created);
	file = fopen(path, "wx");
	if (file == NULL)
		return fail_file(export, "tally.json", error);
	/* The members of "created", and those of a file log. */
	written = fprintf(file,
		      "%.*s,\"created\":\"%s\",\"segment_bytes\":268435456,"
		      "\"event_bytes\":%u}\n",
		      (int)(entry->event_len - head_len - 2),
		      entry->event + head_len, created,
		      (unsigned)TALLY_EVENT_MAX) > 0;
	if (fclose(file) != 0 || !written)
		return fail_file(export, "tally.json", error);
	return 0;
}

static int
open_segment(struct export *export, struct tally_error *error)
{
	char path[4096];

	if (strlen(export->dir) > sizeof(path) - 64)
		return tally_fail(error, TALLY_E_USAGE,
		    "the directory's name is too long");
	if (mkdir(export->dir, 0777) != 0)
		return fail_file(export, "", error);
	snprintf(path, sizeof(path), "%s/log", export->dir);
	if (mkdir(path, 0777) != 0)
		return fail_file(export, "log", error);
	snprintf(path, sizeof(path), "%s/" SEGMENT, export->dir);
	export->file = fopen(path, "wx");
	return export->file == NULL ? fail_file(export, SEGMENT, error) : 0;
}

static int
name_source(struct export *export, struct tally_error *error)
{
	char plain[2 * TALLY_CHAIN_MAX];
	const char *what;

	snprintf(plain, sizeof(plain), "postgresql/%" PRIu64 "/%s",
	    export->v->server.cluster, export->v->server.database);
	if (tally_name_escape(plain, strlen(plain), TALLY_CHAIN_MAX,
		export->source, &export->source_len, &what) != 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "the database's name %s", what);
	return 0;
}

static int
write_all(struct export *export, struct tally_error *error)
{
	struct tally_pg_chains *chains = &export->v->chains;
	int result = open_segment(export, error);

	if (result == 0)
		result = write_chain(export, chains->log, error);
	if (result == 0 && chains->only != chains->log)
		result = write_chain(export, chains->only, error);
	if (result == 0 &&
	    (fflush(export->file) != 0 || fsync(fileno(export->file)) != 0))
		result = fail_file(export, SEGMENT, error);
	/* Last: what has no identity is no log. */
	return result != 0 ? result : write_identity(export, error);
}

/* ---- the calls -------------------------------------------------------- */

static void
close_all(struct tally_pg_verifier *v)
{
	tally_pg_match_close(v);
	tally_pg_sources_close(v);
	tally_pg_entries_close(v);
	tally_pg_session_close(v);
	free(v);
}

int
tally_pg_export(const char *conninfo,
    const struct tally_pg_export_options *options, const char *dir,
    struct tally_pg_exported *out, struct tally_error *error)
{
	struct tally_verify_options how = {
		.chain = options->chain,
		.chain_len = options->chain_len,
		.progress = options->progress,
		.arg = options->arg,
	};
	struct tally_pg_verifier *v = calloc(1, sizeof(*v));
	struct tally_pg_exported done = { 0 };
	struct export export = { .v = v, .dir = dir, .out = &done };
	int result;

	if (v == NULL)
		return tally_pg_no_memory(error);
	v->options = &how;
	v->is_exporting = true;
	result = tally_pg_session_open(v, conninfo, options->jobs, error);
	if (result == 0)
		result = tally_pg_configuration_read(v, error);
	if (result == 0)
		result = name_source(&export, error);
	if (result == 0)
		result = find_events(&export, error);
	if (result == 0)
		result = write_all(&export, error);
	if (result == 0)
		*out = done;
	if (export.file != NULL && fclose(export.file) != 0 && result == 0)
		result = fail_file(&export, SEGMENT, error);
	tally_pg_text_wipe(&export.line);
	tally_pg_events_close(&export.events);
	close_all(v);
	return result;
}

int
tally_pg_status(const char *conninfo,
    void (*finding)(void *arg, const struct tally_finding *finding), void *arg,
    struct tally_pg_state *out, struct tally_error *error)
{
	struct tally_verify_options how = { .finding = finding, .arg = arg };
	struct tally_pg_verifier *v = calloc(1, sizeof(*v));
	int result;

	if (v == NULL)
		return tally_pg_no_memory(error);
	v->options = &how;
	result = tally_pg_session_open(v, conninfo, 1, error);
	if (result == 0)
		result = tally_pg_configuration_read(v, error);
	memset(out, 0, sizeof(*out));
	out->server_version = v->server.version;
	out->has_extension = v->server.has_extension;
	memcpy(out->database, v->server.database, sizeof(out->database));
	out->cluster = v->server.cluster;
	out->chains = v->chains.count;
	out->findings = v->findings;
	for (const struct tally_pg_source *source =
		 v->sources == NULL ? NULL : v->sources->all;
	     source != NULL; source = source->next)
		out->attached += source->live != NULL;
	close_all(v);
	return result;
}
