/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session of the database: settings pinned, read only, every wait can be
 * interrupted.  One thread at a time.
 */
#ifndef TALLY_PGCLIENT_CONN_H
#define TALLY_PGCLIENT_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libpq-fe.h>

#include <tally/error.h>

struct tally_pg_conn {
	PGconn *pg;
	/* Asked about ten times a second while waiting; not 0: give up. */
	int (*tick)(void *arg);
	void *tick_arg;
	char *row;        /* of the COPY, the last one */
	char sqlstate[6]; /* of the last error of the server, or "" */
};

/*
 * Connects and pins the settings.  TALLY_E_IO if the server cannot be reached
 * or refuses, TALLY_E_USAGE if conninfo is none.
 */
TALLY_MUST_CHECK int
tally_pg_conn_open(struct tally_pg_conn *conn, const char *conninfo,
    struct tally_error *error);
void
tally_pg_conn_close(struct tally_pg_conn *conn);

/* Statements without a result. */
TALLY_MUST_CHECK int
tally_pg_conn_run(struct tally_pg_conn *conn, const char *sql,
    struct tally_error *error);

/*
 * One query with up to a few text parameters; the result, in text, is the
 * caller's to clear.
 */
TALLY_MUST_CHECK int
tally_pg_conn_query(struct tally_pg_conn *conn, const char *sql, int nparams,
    const char *const *params, PGresult **out, struct tally_error *error);

/* COPY (...) TO STDOUT; then next until it gives TALLY_END or an error. */
TALLY_MUST_CHECK int
tally_pg_conn_copy(struct tally_pg_conn *conn, const char *sql,
    struct tally_error *error);

/* The next message, which lives until the one after it is asked for. */
TALLY_MUST_CHECK int
tally_pg_conn_next(struct tally_pg_conn *conn, char **out_row, size_t *out_len,
    struct tally_error *error);

/*
 * Was the last error about what was asked (a right, a row, a function), on a
 * connection that goes on?
 */
bool
tally_pg_conn_is_well(const struct tally_pg_conn *conn);

#endif
