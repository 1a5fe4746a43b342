/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/random.h>
#include <unistd.h>

#include "core/fail.h"
#include "pgclient/session.h"

/* How often tables may vanish between being listed and being locked. */
#define LOCK_TRIES 5

double
tally_pg_session_seconds(const struct tally_pg_verifier *v)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - v->begun.tv_sec) +
	    (double)(now.tv_nsec - v->begun.tv_nsec) / 1e9;
}

static int
tick(void *arg)
{
	struct tally_pg_verifier *v = arg;
	struct tally_progress now = {
		.bytes = atomic_load(&v->bytes),
		.bytes_total = atomic_load(&v->bytes_total),
		.records = atomic_load(&v->records),
		.seconds = tally_pg_session_seconds(v),
	};
	int result;

	if (v->options->progress == NULL)
		return 0;
	/* Findings are told by others; both draw on one terminal. */
	(void)pthread_mutex_lock(&v->lock);
	result = v->options->progress(v->options->arg, &now);
	(void)pthread_mutex_unlock(&v->lock);
	return result;
}

/* Those that may be locked: without a right to read, they are not read. */
static const char attached_sql[] =
    "SELECT pg_catalog.quote_ident(n.nspname) || '.' ||"
    " pg_catalog.quote_ident(c.relname)"
    " FROM ONLY tally.attachment AS a"
    " JOIN pg_catalog.pg_class c ON c.oid = a.relation::pg_catalog.oid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND"
    " pg_catalog.has_table_privilege(c.oid, 'SELECT') AND"
    " pg_catalog.has_schema_privilege(n.oid, 'USAGE') ORDER BY c.oid";

/* LOCK TABLE takes no snapshot, so the one that comes is younger. */
static int
lock_tables(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct tally_pg_conn *conn = &v->pool.first;
	struct tally_pg_text sql = { 0 };
	PGresult *rows = NULL;
	int result;

	result = tally_pg_conn_query(conn, attached_sql, 0, NULL, &rows, error);
	/* Without its tables there is nothing to be locked: that is told. */
	if (result == TALLY_E_IO &&
	    (strcmp(conn->sqlstate, "42P01") == 0 ||
		strcmp(conn->sqlstate, "3F000") == 0))
		return tally_pg_conn_run(conn,
		    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", error);
	if (result == TALLY_E_ACCESS)
		return tally_fail(error, result,
		    "no right to read the tables of schema tally: GRANT"
		    " tally_reader and SELECT ON ALL TABLES IN SCHEMA tally to"
		    " the role, and SELECT on the attached tables");
	if (result != 0)
		return result;
	result = tally_pg_conn_run(conn,
	    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", error);
	for (int i = 0; i < PQntuples(rows); i++)
		tally_pg_text_format(&sql, "%s %s", i == 0 ? "LOCK TABLE" : ",",
		    PQgetvalue(rows, i, 0));
	if (result == 0 && sql.len > 0) {
		tally_pg_text_put(&sql, " IN ACCESS SHARE MODE");
		result = sql.failed ? tally_pg_no_memory(error)
				    : tally_pg_conn_run(conn, sql.at, error);
	}
	PQclear(rows);
	tally_pg_text_wipe(&sql);
	return result;
}

static int
take_snapshot(struct tally_pg_verifier *v, struct tally_error *error)
{
	static const char sql[] =
	    "SELECT pg_catalog.pg_export_snapshot(),"
	    " (SELECT c.system_identifier FROM pg_catalog.pg_control_system()"
	    " c), pg_catalog.pg_snapshot_xmax("
	    "pg_catalog.pg_current_snapshot()),"
	    " pg_catalog.current_database(), EXISTS (SELECT FROM"
	    " pg_catalog.pg_extension e WHERE e.extname = 'tally'),"
	    " pg_catalog.current_setting('block_size'),"
	    " pg_catalog.current_setting('server_encoding')";
	struct tally_pg_server *server = &v->server;
	PGresult *row;
	int result;

	server->version = PQserverVersion(v->pool.first.pg);
	if (server->version < 130000)
		return tally_fail(error, TALLY_E_VERSION,
		    "the server is older than PostgreSQL 13");
	result = tally_pg_conn_query(&v->pool.first, sql, 0, NULL, &row, error);
	if (result != 0)
		return result;
	snprintf(v->pool.snapshot, sizeof(v->pool.snapshot), "%s",
	    PQgetvalue(row, 0, 0));
	server->cluster = strtoull(PQgetvalue(row, 0, 1), NULL, 10);
	server->next_xid = strtoull(PQgetvalue(row, 0, 2), NULL, 10);
	snprintf(server->database, sizeof(server->database), "%s",
	    PQgetvalue(row, 0, 3));
	server->has_extension = PQgetvalue(row, 0, 4)[0] == 't';
	server->block_size = (unsigned)strtoul(PQgetvalue(row, 0, 5), NULL, 10);
	if (strcmp(PQgetvalue(row, 0, 6), "UTF8") != 0)
		result = tally_fail(error, TALLY_E_USAGE,
		    "the database is not in UTF8");
	PQclear(row);
	return result;
}

static unsigned
processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	return count < 1                ? 1
	    : count > TALLY_PG_JOBS_MAX ? TALLY_PG_JOBS_MAX
					: (unsigned)count;
}

int
tally_pg_session_open(struct tally_pg_verifier *v, const char *conninfo,
    unsigned jobs, struct tally_error *error)
{
	int result;

	(void)pthread_mutex_init(&v->lock, NULL);
	(void)clock_gettime(CLOCK_MONOTONIC, &v->begun);
	v->pool.tick = tick;
	v->pool.tick_arg = v;
	if (getrandom(&v->seed, sizeof(v->seed), 0) != sizeof(v->seed))
		return tally_fail(error, TALLY_E_IO, "cannot get random bytes");
	result = tally_pg_pool_open(&v->pool, conninfo, error);
	if (result == 0 && tally_hasher_open(&v->hasher) != 0)
		result = tally_pg_no_memory(error);
	if (result != 0)
		return result;
	for (int i = 0; i < LOCK_TRIES; i++) {
		result = lock_tables(v, error);
		/* A table that was listed is gone: once more. */
		if (result != TALLY_E_IO ||
		    strcmp(v->pool.first.sqlstate, "42P01") != 0)
			break;
		if (tally_pg_conn_run(&v->pool.first, "ROLLBACK", error) != 0)
			break;
	}
	if (result == 0)
		result = take_snapshot(v, error);
	if (result == 0)
		result = tally_pg_pool_join(&v->pool,
		    jobs == 0 ? processors() : jobs, error);
	return result != 0 ? result : tally_pg_chains_init(v, error);
}

void
tally_pg_session_close(struct tally_pg_verifier *v)
{
	tally_pg_pool_close(&v->pool);
	tally_hasher_close(&v->hasher);
	tally_pg_chains_wipe(&v->chains);
	tally_pg_accused_wipe(&v->accused);
	tally_pg_arena_wipe(&v->arena);
	(void)pthread_mutex_destroy(&v->lock);
}

/* ---- records ---------------------------------------------------------- */

struct walk {
	struct tally_pg_verifier *v;
	const char *filter;
	tally_pg_record_fn fn;
	uint64_t blocks;
};

static int
read_range(struct tally_pg_worker *worker, void *arg, size_t number,
    struct tally_error *error)
{
	struct walk *walk = arg;
	struct tally_pg_verifier *v = walk->v;
	struct tally_pg_range range = tally_pg_range_get(v, walk->blocks,
	    number);
	struct tally_pg_field fields[TALLY_PG_RECORD_COUNT];
	struct tally_pg_record record;
	struct tally_pg_text *sql = &worker->sql;
	bool first = true;
	char *row;
	size_t len;
	int result;

	tally_pg_text_reset(sql);
	tally_pg_text_put(sql,
	    "COPY (SELECT " TALLY_PG_RECORD_COLUMNS
	    " FROM ONLY tally.record AS r");
	tally_pg_range_put(sql, "r", &range);
	if (walk->filter != NULL)
		tally_pg_text_format(sql, " AND (%s)", walk->filter);
	tally_pg_text_put(sql, ") TO STDOUT (FORMAT binary)");
	result = tally_pg_worker_copy(worker, error);
	while (result == 0) {
		result = tally_pg_conn_next(&worker->conn, &row, &len, error);
		if (result != 0)
			break;
		result = tally_pg_fields_decode(row, len, &first, fields,
		    TALLY_PG_RECORD_COUNT);
		if (result == TALLY_E_FORMAT)
			return tally_fail(error, TALLY_E_IO,
			    "the database sent what is no record");
		if (result == TALLY_END) {
			result = 0;
			continue;
		}
		atomic_fetch_add_explicit(&v->bytes, len, memory_order_relaxed);
		tally_pg_record_decode(fields, &record);
		result = walk->fn(v, worker, &record, error);
	}
	return result == TALLY_END ? 0 : result;
}

int
tally_pg_records_walk(struct tally_pg_verifier *v, const char *filter,
    tally_pg_record_fn fn, struct tally_error *error)
{
	static const char sql[] = "SELECT pg_catalog.pg_relation_size("
				  "'tally.record'::pg_catalog.regclass)";
	struct walk walk = { v, filter, fn, 0 };
	PGresult *row;
	int result = tally_pg_conn_query(&v->pool.first, sql, 0, NULL, &row,
	    error);

	if (result != 0)
		return result;
	walk.blocks = strtoull(PQgetvalue(row, 0, 0), NULL, 10) /
	    v->server.block_size;
	PQclear(row);
	return tally_pg_pool_run(&v->pool, read_range, &walk,
	    tally_pg_range_count(v, walk.blocks), error);
}
