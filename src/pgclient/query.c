/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally_pg_query_*: the rows of a query, each as a JSON object.
 *
 * The query is asked for its columns first, by the protocol that takes one
 * statement only; then one COPY under one read-only snapshot gives the rows.
 * Each column is turned into text by the server, under pinned settings, and
 * becomes JSON here: numbers, truth values and JSON stand as they are, all
 * else is a string; instants are written in UTC with six digits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/pg.h>

#include "core/fail.h"
#include "pgclient/conn.h"
#include "pgclient/record.h"
#include "pgclient/text.h"

#define COLUMNS_MAX 200

/* Types by their fixed numbers (pg_type.dat). */
enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_JSON = 114,
	OID_FLOAT4 = 700,
	OID_FLOAT8 = 701,
	OID_TIMESTAMP = 1114,
	OID_TIMESTAMPTZ = 1184,
	OID_NUMERIC = 1700,
	OID_JSONB = 3802,
};

struct column {
	char *name; /* {"NAME": or ,"NAME": as JSON has it */
	size_t name_len;
	bool is_plain; /* its text is JSON */
	bool is_bytes;
};

struct tally_pg_query {
	struct tally_pg_conn conn;
	struct column columns[COLUMNS_MAX];
	struct tally_pg_field fields[COLUMNS_MAX];
	int count;
	bool first;
	struct tally_pg_text line;
	int (*interrupted)(void *arg);
	void *arg;
};

static int
no_memory(struct tally_error *error)
{
	return tally_fail(error, TALLY_E_MEMORY, "out of memory");
}

static int
tick(void *arg)
{
	struct tally_pg_query *query = arg;

	return query->interrupted != NULL ? query->interrupted(query->arg) : 0;
}

/* Is it of a kind that only to_json writes as others do: an array, a row? */
static int
is_composed(struct tally_pg_query *query, Oid type, bool *out,
    struct tally_error *error)
{
	char number[16];
	const char *params[1] = { number };
	PGresult *result;
	int r;

	snprintf(number, sizeof(number), "%u", type);
	r = tally_pg_conn_query(&query->conn,
	    "SELECT typcategory IN ('A', 'C') FROM pg_catalog.pg_type"
	    " WHERE oid = $1::oid",
	    1, params, &result, error);
	if (r != 0)
		return r;
	*out = PQntuples(result) == 1 &&
	    strcmp(PQgetvalue(result, 0, 0), "t") == 0;
	PQclear(result);
	return 0;
}

/* How the server is to write column n of this type. */
static int
write_column(struct tally_pg_query *query, struct tally_pg_text *sql, int n,
    Oid type, struct tally_error *error)
{
	struct column *column = &query->columns[n];
	bool composed = false;
	int r = 0;

	if (n > 0)
		tally_pg_text_put(sql, ", ");
	switch (type) {
	case OID_BOOL:
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
	case OID_FLOAT4:
	case OID_FLOAT8:
	case OID_NUMERIC:
	case OID_JSON:
	case OID_JSONB:
		column->is_plain = true;
		break;
	case OID_BYTEA:
		column->is_bytes = true;
		break;
	case OID_TIMESTAMP:
	case OID_TIMESTAMPTZ:
		/* to_char writes a year before Christ as one after, and
		 * nothing for infinity. */
		tally_pg_text_format(sql,
		    "CASE WHEN q.c%d OPERATOR(pg_catalog.>=)"
		    " '0001-01-01 00:00:00Z' AND q.c%d"
		    " OPERATOR(pg_catalog.<) 'infinity'"
		    " THEN pg_catalog.to_char(q.c%d%s,"
		    " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
		    " ELSE q.c%d::pg_catalog.text END",
		    n, n, n, type == OID_TIMESTAMP ? "" : " AT TIME ZONE 'UTC'",
		    n);
		return 0;
	default:
		r = is_composed(query, type, &composed, error);
		column->is_plain = composed;
	}
	tally_pg_text_format(sql,
	    composed ? "pg_catalog.to_json(q.c%d)::pg_catalog.text"
		     : "q.c%d::pg_catalog.text",
	    n);
	return r;
}

static int
name_column(struct tally_pg_query *query, int n, const char *name,
    struct tally_error *error)
{
	struct tally_pg_text text = { 0 };

	tally_pg_text_put(&text, n == 0 ? "{" : ",");
	if (!tally_pg_text_quote(&text, name, strlen(name)))
		return tally_fail(error, TALLY_E_IO,
		    "the database: a column's name is no UTF-8");
	tally_pg_text_put(&text, ":");
	query->columns[n].name = text.at;
	query->columns[n].name_len = text.len;
	return text.failed ? no_memory(error) : 0;
}

/* What columns does it have?  Writes the COPY for them. */
static int
describe(struct tally_pg_query *query, const char *sql,
    struct tally_pg_text *copy, struct tally_error *error)
{
	struct tally_pg_text ask = { 0 };
	PGresult *result = NULL;
	int r = 0, i;

	/* A comment at its end must not eat what comes behind it. */
	tally_pg_text_format(&ask, "SELECT * FROM (\n%s\n) AS q LIMIT 0", sql);
	r = ask.failed ? no_memory(error)
		       : tally_pg_conn_query(&query->conn, ask.at, 0, NULL,
			     &result, error);
	tally_pg_text_wipe(&ask);
	if (r != 0)
		return r;
	query->count = PQnfields(result);
	if (query->count == 0 || query->count > COLUMNS_MAX)
		r = tally_fail(error, TALLY_E_LIMIT,
		    "the query must have 1 to %d columns", COLUMNS_MAX);
	tally_pg_text_put(copy, "COPY (SELECT ");
	for (i = 0; i < query->count && r == 0; i++) {
		r = name_column(query, i, PQfname(result, i), error);
		if (r == 0)
			r = write_column(query, copy, i, PQftype(result, i),
			    error);
	}
	tally_pg_text_format(copy, " FROM (\n%s\n) AS q (", sql);
	for (i = 0; i < query->count && r == 0; i++)
		tally_pg_text_format(copy, i > 0 ? ", c%d" : "c%d", i);
	tally_pg_text_put(copy, ")) TO STDOUT (FORMAT binary)");
	PQclear(result);
	if (r == 0 && copy->failed)
		r = no_memory(error);
	return r;
}

/*
 * The session's own search path, and the planner's own ways, are what the
 * query was written for; the rest of what conn pins holds.
 */
static int
begin(struct tally_pg_query *query, struct tally_error *error)
{
	static const char *const statements[] = {
		"RESET search_path",
		"RESET enable_indexscan",
		"RESET enable_indexonlyscan",
		"RESET enable_bitmapscan",
		"RESET enable_seqscan",
		"RESET max_parallel_workers_per_gather",
		/* Most queries sort all of a table, once. */
		"SET work_mem = '64MB'",
		"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
	};
	size_t i;
	int r = 0;

	for (i = 0; i < sizeof(statements) / sizeof(statements[0]) && r == 0;
	     i++)
		r = tally_pg_conn_run(&query->conn, statements[i], error);
	return r;
}

int
tally_pg_query_open(const char *conninfo, const char *sql,
    int (*interrupted)(void *arg), void *arg, struct tally_pg_query **out,
    struct tally_error *error)
{
	struct tally_pg_query *query = calloc(1, sizeof(*query));
	struct tally_pg_text copy = { 0 };
	int r;

	if (query == NULL)
		return no_memory(error);
	query->first = true;
	query->interrupted = interrupted;
	query->arg = arg;
	r = tally_pg_conn_open(&query->conn, conninfo, error);
	query->conn.tick = tick;
	query->conn.tick_arg = query;
	if (r == 0)
		r = begin(query, error);
	if (r == 0)
		r = describe(query, sql, &copy, error);
	if (r == 0)
		r = tally_pg_conn_copy(&query->conn, copy.at, error);
	tally_pg_text_wipe(&copy);
	if (r == 0)
		*out = query;
	else
		tally_pg_query_close(query);
	return r;
}

static bool
put_value(struct tally_pg_query *query, int n)
{
	const struct tally_pg_field *field = &query->fields[n];
	const struct column *column = &query->columns[n];
	struct tally_pg_text *line = &query->line;

	tally_pg_text_add(line, column->name, column->name_len);
	if (field->at == NULL)
		tally_pg_text_add(line, "null", 4);
	else if (column->is_plain)
		tally_pg_text_add(line, field->at, field->len);
	else if (column->is_bytes && field->len >= 2)
		/* Behind the mark of PostgreSQL's hexadecimal. */
		return tally_pg_text_quote(line, field->at + 2, field->len - 2);
	else
		return tally_pg_text_quote(line, field->at, field->len);
	return true;
}

int
tally_pg_query_record(void *arg, const char **out, size_t *out_len,
    struct tally_error *error)
{
	struct tally_pg_query *query = arg;
	bool good = true;
	char *row;
	size_t len;
	int r, i;

	/* The trailer is a message of its own: the end comes behind it. */
	do {
		r = tally_pg_conn_next(&query->conn, &row, &len, error);
		if (r != 0)
			return r;
		r = tally_pg_fields_decode(row, len, &query->first,
		    query->fields, query->count);
	} while (r == TALLY_END);
	if (r != 0)
		return tally_fail(error, TALLY_E_IO,
		    "the database: a row that cannot be read");
	tally_pg_text_reset(&query->line);
	for (i = 0; i < query->count && good; i++)
		good = put_value(query, i);
	if (!good)
		return tally_fail(error, TALLY_E_IO,
		    "the database: a value that is no UTF-8");
	tally_pg_text_put(&query->line, "}");
	if (query->line.failed)
		return no_memory(error);
	*out = query->line.at;
	*out_len = query->line.len;
	return 0;
}

void
tally_pg_query_close(struct tally_pg_query *query)
{
	int i;

	if (query == NULL)
		return;
	tally_pg_conn_close(&query->conn);
	for (i = 0; i < COLUMNS_MAX; i++)
		free(query->columns[i].name);
	tally_pg_text_wipe(&query->line);
	free(query);
}
