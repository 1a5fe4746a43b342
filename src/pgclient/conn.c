/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions.
 *
 * libpq is used without blocking: whoever waits for a socket looks ten times a
 * second whether somebody lost patience (O8).
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/conn.h"

#define TICK_MS 100

/*
 * The settings that values are written under (doc/format.md, section 6), and
 * those that could end or bend a long reading (O3, O4).  xmlbinary and
 * search_path are named by the format; no output function reads them.
 */
static const char *const pinned[] = {
	"SET client_encoding = 'UTF8'",
	"SET search_path = ''",
	"SET TimeZone = 'UTC'",
	"SET DateStyle = 'ISO'",
	"SET IntervalStyle = 'iso_8601'",
	"SET extra_float_digits = 1",
	"SET bytea_output = 'hex'",
	"SET xmlbinary = 'base64'",
	"SET lc_monetary = 'C'",
	"SET standard_conforming_strings = on",
	"SET quote_all_identifiers = off",
	"SET row_security = off",
	"SET statement_timeout = 0",
	"SET lock_timeout = 0",
	"SET idle_in_transaction_session_timeout = 0",
	"SET default_transaction_read_only = on",
	"SET enable_indexscan = off",
	"SET enable_indexonlyscan = off",
	"SET enable_bitmapscan = off",
	"SET enable_seqscan = on",
	"SET max_parallel_workers_per_gather = 0",
	"SET jit = off",
};

/* A message of libpq: its first line, without "ERROR:  ". */
static int
fail_with(struct tally_error *error, int code, const char *what,
    const char *message)
{
	static const char *const marks[] = {
		"ERROR:  ", "FATAL:  ", "PANIC:  "
	};
	int len;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		const char *mark = strstr(message, marks[i]);

		if (mark != NULL)
			message = mark + strlen(marks[i]);
	}
	len = (int)strcspn(message, "\r\n");
	return tally_fail(error, code, "%s: %.*s", what, len > 300 ? 300 : len,
	    message);
}

static int
fail_here(struct tally_pg_conn *conn, const PGresult *result,
    struct tally_error *error)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *primary = PQresultErrorField(result,
	    PG_DIAG_MESSAGE_PRIMARY);

	snprintf(conn->sqlstate, sizeof(conn->sqlstate), "%s",
	    state != NULL ? state : "");
	return fail_with(error,
	    strcmp(conn->sqlstate, "42501") == 0 ? TALLY_E_ACCESS : TALLY_E_IO,
	    "the database",
	    primary != NULL ? primary : PQerrorMessage(conn->pg));
}

int
tally_pg_conn_open(struct tally_pg_conn *conn, const char *conninfo,
    struct tally_error *error)
{
	/*
	 * A URI or a string of settings stands in dbname.  What is before it is
	 * for those who say nothing about it: a server that does not answer, or
	 * has gone without a word, is an error after some time (O8).
	 */
	const char *const names[] = { "connect_timeout", "keepalives_idle",
		"keepalives_interval", "keepalives_count", "tcp_user_timeout",
		"dbname", "fallback_application_name", "client_encoding",
		NULL };
	const char *const values[] = { "10", "30", "10", "3", "60000", conninfo,
		"tally", "UTF8", NULL };
	int result = 0;
	size_t i;

	conn->row = NULL;
	conn->pg = PQconnectdbParams(names, values, 1);
	if (conn->pg == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	if (PQstatus(conn->pg) != CONNECTION_OK)
		return fail_with(error, TALLY_E_IO, "cannot connect",
		    PQerrorMessage(conn->pg));
	for (i = 0; result == 0 && i < sizeof(pinned) / sizeof(pinned[0]); i++)
		result = tally_pg_conn_run(conn, pinned[i], error);
	return result;
}

void
tally_pg_conn_close(struct tally_pg_conn *conn)
{
	if (conn->row != NULL)
		PQfreemem(conn->row);
	if (conn->pg != NULL)
		PQfinish(conn->pg);
	conn->row = NULL;
	conn->pg = NULL;
}

/* The server stops working for somebody who has gone. */
static int
cancel(struct tally_pg_conn *conn, struct tally_error *error)
{
	PGcancel *handle = PQgetCancel(conn->pg);
	char why[256];

	if (handle != NULL) {
		(void)PQcancel(handle, why, sizeof(why));
		PQfreeCancel(handle);
	}
	return tally_fail(error, TALLY_PARTIAL, "interrupted");
}

/* Waits until the server has sent something. */
static int
wait_for(struct tally_pg_conn *conn, struct tally_error *error)
{
	struct pollfd fd = { PQsocket(conn->pg), POLLIN, 0 };

	for (;;) {
		int ready;

		if (conn->tick != NULL && conn->tick(conn->tick_arg) != 0)
			return cancel(conn, error);
		ready = poll(&fd, 1, TICK_MS);
		if (ready > 0)
			break;
	}
	if (PQconsumeInput(conn->pg) != 1)
		return fail_with(error, TALLY_E_IO, "the database",
		    PQerrorMessage(conn->pg));
	return 0;
}

/* The next result of what was sent; NULL: no more. */
static int
get_result(struct tally_pg_conn *conn, PGresult **out,
    struct tally_error *error)
{
	int result;

	*out = NULL;
	(void)PQflush(conn->pg);
	while (PQisBusy(conn->pg)) {
		result = wait_for(conn, error);
		if (result != 0)
			return result;
	}
	*out = PQgetResult(conn->pg);
	return 0;
}

/* Whatever is still to come belongs to a call that has failed. */
static void
drain(struct tally_pg_conn *conn)
{
	PGresult *rest;

	while (PQstatus(conn->pg) == CONNECTION_OK &&
	    (rest = PQgetResult(conn->pg)) != NULL) {
		ExecStatusType status = PQresultStatus(rest);

		PQclear(rest);
		if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN ||
		    status == PGRES_COPY_BOTH)
			break;
	}
}

/* Takes the results of one statement; the last good one is out's. */
static int
take_results(struct tally_pg_conn *conn, ExecStatusType want, PGresult **out,
    struct tally_error *error)
{
	PGresult *got;
	int result;

	conn->sqlstate[0] = '\0';
	for (;;) {
		result = get_result(conn, &got, error);
		if (result != 0 || got == NULL)
			return result;
		if (PQresultStatus(got) != want) {
			result = fail_here(conn, got, error);
			PQclear(got);
			drain(conn);
			return result;
		}
		PQclear(*out);
		*out = got;
		if (want == PGRES_COPY_OUT)
			return 0;
	}
}

int
tally_pg_conn_run(struct tally_pg_conn *conn, const char *sql,
    struct tally_error *error)
{
	PGresult *got = NULL;
	int result;

	if (PQsendQuery(conn->pg, sql) != 1)
		return fail_with(error, TALLY_E_IO, "the database",
		    PQerrorMessage(conn->pg));
	result = take_results(conn, PGRES_COMMAND_OK, &got, error);
	PQclear(got);
	return result;
}

int
tally_pg_conn_query(struct tally_pg_conn *conn, const char *sql, int nparams,
    const char *const *params, PGresult **out, struct tally_error *error)
{
	int result;

	*out = NULL;
	if (PQsendQueryParams(conn->pg, sql, nparams, NULL, params, NULL, NULL,
		0) != 1)
		return fail_with(error, TALLY_E_IO, "the database",
		    PQerrorMessage(conn->pg));
	result = take_results(conn, PGRES_TUPLES_OK, out, error);
	if (result == 0 && *out == NULL)
		result = tally_fail(error, TALLY_E_IO,
		    "the database: no result");
	if (result != 0) {
		PQclear(*out);
		*out = NULL;
	}
	return result;
}

int
tally_pg_conn_copy(struct tally_pg_conn *conn, const char *sql,
    struct tally_error *error)
{
	PGresult *got = NULL;
	int result;

	if (PQsendQuery(conn->pg, sql) != 1)
		return fail_with(error, TALLY_E_IO, "the database",
		    PQerrorMessage(conn->pg));
	result = take_results(conn, PGRES_COPY_OUT, &got, error);
	PQclear(got);
	return result;
}

/* The COPY has come to an end: was it a good one? */
static int
end_copy(struct tally_pg_conn *conn, struct tally_error *error)
{
	PGresult *got = NULL;
	int result = take_results(conn, PGRES_COMMAND_OK, &got, error);

	PQclear(got);
	return result != 0 ? result : TALLY_END;
}

int
tally_pg_conn_next(struct tally_pg_conn *conn, char **out_row, size_t *out_len,
    struct tally_error *error)
{
	int result;
	int len;

	if (conn->row != NULL)
		PQfreemem(conn->row);
	conn->row = NULL;
	for (;;) {
		len = PQgetCopyData(conn->pg, &conn->row, 1);
		if (len > 0) {
			*out_row = conn->row;
			*out_len = (size_t)len;
			return 0;
		}
		if (len == -1)
			return end_copy(conn, error);
		if (len < 0)
			return fail_with(error, TALLY_E_IO, "the database",
			    PQerrorMessage(conn->pg));
		result = wait_for(conn, error);
		if (result != 0)
			return result;
	}
}

bool
tally_pg_conn_is_well(const struct tally_pg_conn *conn)
{
	return conn->pg != NULL && PQstatus(conn->pg) == CONNECTION_OK &&
	    conn->sqlstate[0] != '\0' &&
	    strncmp(conn->sqlstate, "57", 2) != 0 &&
	    strncmp(conn->sqlstate, "08", 2) != 0 &&
	    strncmp(conn->sqlstate, "40", 2) != 0;
}
