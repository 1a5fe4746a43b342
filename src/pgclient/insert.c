/* SPDX-License-Identifier: Apache-2.0 */
/* tally_pg_insert: one row, from a JSON object. */
#include <string.h>

#include <tally/pg.h>

#include "core/fail.h"
#include "pgclient/conn.h"
#include "pgclient/text.h"

/* Of the object's members those that the table has columns for. */
static const char columns_sql[] =
    "SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', '),"
    " $1::pg_catalog.regclass::pg_catalog.text"
    " FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = $1::pg_catalog.regclass AND a.attnum > 0"
    " AND NOT a.attisdropped AND a.attname IN"
    " (SELECT pg_catalog.json_object_keys($2::pg_catalog.json))";

static int
insert(struct tally_pg_conn *conn, const char *table, const char *object,
    struct tally_error *error)
{
	const char *params[] = { table, object };
	struct tally_pg_text sql = { 0 };
	PGresult *result;
	int r = tally_pg_conn_query(conn, columns_sql, 2, params, &result,
	    error);

	if (r != 0)
		return r;
	if (PQgetisnull(result, 0, 0)) {
		PQclear(result);
		return tally_fail(error, TALLY_E_USAGE,
		    "the table \"%s\" has no column for any member", table);
	}
	/* Names as the server quoted them. */
	tally_pg_text_put(&sql, "INSERT INTO ");
	tally_pg_text_put(&sql, PQgetvalue(result, 0, 1));
	tally_pg_text_put(&sql, " (");
	tally_pg_text_put(&sql, PQgetvalue(result, 0, 0));
	tally_pg_text_put(&sql, ") SELECT ");
	tally_pg_text_put(&sql, PQgetvalue(result, 0, 0));
	tally_pg_text_put(&sql, " FROM pg_catalog.json_populate_record(NULL::");
	tally_pg_text_put(&sql, PQgetvalue(result, 0, 1));
	tally_pg_text_put(&sql, ", $1::pg_catalog.json) RETURNING 1");
	PQclear(result);
	if (sql.at == NULL || sql.failed)
		r = tally_fail(error, TALLY_E_MEMORY, "out of memory");
	params[0] = object;
	if (r == 0)
		r = tally_pg_conn_query(conn, sql.at, 1, params, &result,
		    error);
	if (r == 0)
		PQclear(result);
	tally_pg_text_wipe(&sql);
	return r;
}

int
tally_pg_insert(const char *conninfo, const char *table, const char *object,
    struct tally_error *error)
{
	struct tally_pg_conn conn = { 0 };
	int r = tally_pg_conn_open(&conn, conninfo, error);

	/* What a reader's session pins is not for one that writes. */
	if (r == 0)
		r = tally_pg_conn_run(&conn, "RESET ALL", error);
	/* Whoever locks the table must not stop who has something to tell. */
	if (r == 0)
		r = tally_pg_conn_run(&conn, "SET statement_timeout = '10s'",
		    error);
	if (r == 0)
		r = insert(&conn, table, object, error);
	tally_pg_conn_close(&conn);
	return r;
}
