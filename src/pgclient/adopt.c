/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally_pg_adopt: a table whose rows are somebody else's chain is attached, its
 * rows of before are sealed, and what was found in the old chain is, too.  The
 * one call of this library that writes.
 *
 * Each step looks whether it was done before, so the same call goes on where
 * it was interrupted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/pg.h>

#include "core/fail.h"
#include "pgclient/conn.h"

struct adopting {
	struct tally_pg_conn conn;
	const struct tally_pg_adoption *adoption;
	struct tally_pg_adopted *out;
	struct tally_error *error;
};

static int
tick(void *arg)
{
	const struct tally_pg_adoption *adoption = arg;

	return adoption->interrupted != NULL &&
	    adoption->interrupted(adoption->arg) != 0;
}

static int
connect_to(struct adopting *a, const char *conninfo)
{
	int r;

	a->conn.tick = tick;
	a->conn.tick_arg = (void *)(uintptr_t)a->adoption;
	r = tally_pg_conn_open(&a->conn, conninfo, a->error);
	/* What a reader's session pins is not for one that writes. */
	return r == 0 ? tally_pg_conn_run(&a->conn, "RESET ALL", a->error) : r;
}

/* One row, one column; an empty text for null or no row. */
static int
ask(struct adopting *a, const char *sql, int nparams, const char *const *params,
    char *out, size_t size)
{
	PGresult *result;
	int r = tally_pg_conn_query(&a->conn, sql, nparams, params, &result,
	    a->error);

	if (r != 0)
		return r;
	out[0] = '\0';
	if (PQntuples(result) > 0 && PQnfields(result) > 0)
		(void)snprintf(out, size, "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	return 0;
}

static int
do_it(struct adopting *a, const char *sql, int nparams,
    const char *const *params)
{
	char nothing[8];

	return ask(a, sql, nparams, params, nothing, sizeof(nothing));
}

/* ---- what there is ---------------------------------------------------- */

/*
 * When what was found was sealed, and how much it was.  Nobody but tally_admin
 * appends to that chain; what is there is told all the same only if it is what
 * we tell, and no event of another kind makes the question fail.
 */
static int
look_told(struct adopting *a)
{
	static const char sql[] =
	    "SELECT pg_catalog.to_char(r.\"time\" AT TIME ZONE 'UTC',"
	    " 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), (SELECT"
	    " coalesce(sum(f.value::bigint), 0) FROM"
	    " pg_catalog.json_each_text(e.event::json #>"
	    " '{adopted,findings}') f WHERE f.value ~ '^[0-9]{1,18}$')"
	    " FROM tally.chain c JOIN tally.record r ON r.chain_id = c.id"
	    " JOIN tally.event e ON e.id = r.event_id"
	    " WHERE c.name = $1 AND pg_catalog.json_typeof(e.event::json #>"
	    " '{adopted,findings}') = 'object' AND e.event::json #>>"
	    " '{adopted,profile,digest}' ~ '^[0-9a-f]{64}$'"
	    " ORDER BY r.seq LIMIT 1";
	const char *params[] = { a->out->chain };
	PGresult *result;
	int r = tally_pg_conn_query(&a->conn, sql, 1, params, &result,
	    a->error);

	if (r != 0)
		return r;
	a->out->told = PQntuples(result) > 0;
	if (a->out->told) {
		(void)snprintf(a->out->time, sizeof(a->out->time), "%s",
		    PQgetvalue(result, 0, 0));
		a->out->findings = strtoull(PQgetvalue(result, 0, 1), NULL, 10);
	}
	PQclear(result);
	return 0;
}

static int
look(struct adopting *a)
{
	const char *table[] = { a->adoption->table };
	struct tally_pg_adopted *out = a->out;
	char answer[64];
	int r = ask(a,
	    "SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'tally'", 0,
	    NULL, answer, sizeof(answer));

	if (r == 0 && answer[0] == '\0')
		return tally_fail(a->error, TALLY_E_NO_LOG,
		    "the database has no extension tally: CREATE EXTENSION"
		    " tally");
	if (r == 0)
		r = ask(a,
		    "SELECT label FROM tally.attachment"
		    " WHERE relation = $1::pg_catalog.regclass AND epoch > 0",
		    1, table, out->label, sizeof(out->label));
	if (r != 0)
		return r;
	out->attached = out->label[0] != '\0';
	r = ask(a,
	    "SELECT 1 FROM tally.backfill"
	    " WHERE relation = $1::pg_catalog.regclass AND is_finished",
	    1, table, answer, sizeof(answer));
	if (r != 0)
		return r;
	out->sealed = answer[0] != '\0';
	if (!out->attached)
		return 0;
	(void)snprintf(out->chain, sizeof(out->chain), "adopted/%s",
	    out->label);
	return look_told(a);
}

/* ---- the steps -------------------------------------------------------- */

static int
attach(struct adopting *a)
{
	const char *params[] = { a->adoption->table, a->adoption->chain_by };

	return do_it(a,
	    "SELECT tally.attach($1::pg_catalog.regclass, chain_by => $2)", 2,
	    params);
}

static int
seal_rows(struct adopting *a)
{
	const char *params[] = { a->adoption->table };
	char *literal = PQescapeLiteral(a->conn.pg, params[0],
	    strlen(params[0]));
	char sql[1200];
	int n, r;

	if (literal == NULL)
		return tally_fail(a->error, TALLY_E_USAGE,
		    "the table's name is no text of the database's encoding");
	/* A procedure that commits takes no parameters of the protocol's. */
	n = snprintf(sql, sizeof(sql), "CALL tally.backfill(%s)", literal);
	PQfreemem(literal);
	if (n < 0 || (size_t)n >= sizeof(sql))
		return tally_fail(a->error, TALLY_E_USAGE,
		    "the table's name is too long");
	r = tally_pg_conn_run(&a->conn, sql, a->error);
	return r;
}

static int
tell(struct adopting *a)
{
	const char *params[] = { a->out->chain, a->adoption->event };

	return do_it(a, "SELECT tally.append($1, $2::pg_catalog.json)", 2,
	    params);
}

static int
apply(struct adopting *a)
{
	int r = a->out->attached ? 0 : attach(a);

	/* The label is known now. */
	if (r == 0)
		r = look(a);
	if (r == 0 && !a->out->told)
		r = tell(a);
	if (r == 0 && !a->out->sealed)
		r = seal_rows(a);
	return r == 0 ? look(a) : r;
}

int
tally_pg_adopt(const char *conninfo, const struct tally_pg_adoption *adoption,
    struct tally_pg_adopted *out, struct tally_error *error)
{
	struct adopting a = {
		.adoption = adoption, .out = out, .error = error
	};
	int r;

	memset(out, 0, sizeof(*out));
	r = connect_to(&a, conninfo);
	if (r == 0)
		r = look(&a);
	if (r == 0 && adoption->event != NULL)
		r = apply(&a);
	tally_pg_conn_close(&a.conn);
	return r;
}
