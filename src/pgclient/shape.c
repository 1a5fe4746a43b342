/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pgclient/shape.h"

/* As the format names types. */
#define TYPE TALLY_PG_TYPE_NAME("t.oid", "NULL")
#define MODIFIER "CASE WHEN a.atttypmod >= 0 THEN a.atttypmod END"
#define ATTRIBUTE TALLY_PG_TYPE_NAME("a.atttypid", MODIFIER)

/*
 * From each column to every type that its own leads to: through domains,
 * arrays, ranges and composites.  Multiranges came with PostgreSQL 14.
 */
static const char reach_sql[] =
    "WITH RECURSIVE reach (col, typ) AS (SELECT a.attnum, a.atttypid"
    " FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::pg_catalog.oid"
    " AND a.attnum > 0 AND NOT a.attisdropped UNION SELECT r.col, n.typ"
    " FROM reach r JOIN pg_catalog.pg_type t ON t.oid = r.typ"
    " CROSS JOIN LATERAL ("
    "SELECT t.typbasetype AS typ WHERE t.typtype = 'd'"
    " UNION ALL SELECT t.typelem WHERE t.typtype = 'b' AND t.typlen = -1"
    " AND t.typelem <> 0"
    " UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g"
    " WHERE g.rngtypid = t.oid%s"
    " UNION ALL SELECT b.atttypid FROM pg_catalog.pg_attribute b"
    " WHERE t.typtype = 'c' AND b.attrelid = t.typrelid AND b.attnum > 0"
    " AND NOT b.attisdropped) n)"
    " SELECT r.col, e.oid::pg_catalog.text || ' ' || e.enumlabel, 0"
    " FROM reach r JOIN pg_catalog.pg_enum e ON e.enumtypid = r.typ"
    " UNION ALL SELECT r.col, " TYPE " || '(' ||"
    " (SELECT pg_catalog.string_agg(a.attnum || ' ' || " ATTRIBUTE
    ", ',' ORDER BY a.attnum) FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = t.typrelid AND a.attnum > 0"
    " AND NOT a.attisdropped) || ')', 1"
    " FROM reach r JOIN pg_catalog.pg_type t ON t.oid = r.typ"
    " AND t.typtype = 'c' ORDER BY 1, 3, 2";

static int
add_fact(struct tally_pg_verifier *v, struct tally_pg_live_column *column,
    const char *text)
{
	struct tally_pg_fact *fact = tally_pg_arena_get(&v->arena,
	    sizeof(*fact));

	if (fact == NULL)
		return TALLY_E_MEMORY;
	fact->text = tally_pg_arena_string(&v->arena, text);
	fact->next = column->shape;
	column->shape = fact;
	return fact->text == NULL ? TALLY_E_MEMORY : 0;
}

int
tally_pg_shapes_read(struct tally_pg_verifier *v, uint32_t relation,
    struct tally_pg_live_column *live, int count, struct tally_error *error)
{
	char oid[16];
	const char *params[] = { oid };
	const char *sql = tally_pg_arena_format(&v->arena, reach_sql,
	    v->server.version < 140000
		? ""
		: " UNION ALL SELECT g.rngtypid FROM pg_catalog.pg_range g"
		  " WHERE g.rngmultitypid = t.oid");
	PGresult *rows;
	int result;

	if (sql == NULL)
		return tally_pg_no_memory(error);
	snprintf(oid, sizeof(oid), "%u", (unsigned)relation);
	result = tally_pg_conn_query(&v->pool.first, sql, 1, params, &rows,
	    error);
	if (result != 0)
		return result;
	for (int i = 0; result == 0 && i < PQntuples(rows); i++) {
		int number = atoi(PQgetvalue(rows, i, 0));

		for (int j = 0; result == 0 && j < count; j++)
			if (live[j].number == number &&
			    add_fact(v, &live[j], PQgetvalue(rows, i, 1)) != 0)
				result = tally_pg_no_memory(error);
	}
	PQclear(rows);
	return result;
}

/* ---- comparing -------------------------------------------------------- */

static bool
is_of_enum(const char *fact)
{
	return *fact >= '0' && *fact <= '9';
}

/* What of a value's fact means something in another database: its name. */
static const char *
label_of(const char *fact)
{
	const char *space = strchr(fact, ' ');

	return space == NULL ? fact : space + 1;
}

static bool
is_fact(const struct tally_pg_fact *now, const char *fact, bool is_here)
{
	for (; now != NULL; now = now->next)
		if (strcmp(now->text, fact) == 0 ||
		    (!is_here && is_of_enum(fact) && is_of_enum(now->text) &&
			strcmp(label_of(now->text), label_of(fact)) == 0))
			return true;
	return false;
}

/* The fact of now about the same enum value or composite, or NULL. */
static const char *
find_about(const struct tally_pg_fact *now, const char *fact)
{
	size_t len = strcspn(fact, is_of_enum(fact) ? " " : "(") + 1;

	for (; now != NULL; now = now->next)
		if (strncmp(now->text, fact, len) == 0)
			return now->text;
	return NULL;
}

static const char *
describe(struct tally_pg_verifier *v, const struct tally_pg_epoch *epoch,
    const char *column, const char *fact, const char *now)
{
	const char *why;

	if (!is_of_enum(fact))
		why = tally_pg_arena_format(&v->arena,
		    "the type of column \"%s\" of table \"%s\" is %s now, was"
		    " %s",
		    column, epoch->table, now != NULL ? now : "without it",
		    fact);
	else if (now == NULL)
		why = tally_pg_arena_format(&v->arena,
		    "the type of column \"%s\" of table \"%s\" has no value"
		    " \"%s\" any more",
		    column, epoch->table, label_of(fact));
	else
		why = tally_pg_arena_format(&v->arena,
		    "the type of column \"%s\" of table \"%s\" calls \"%s\""
		    " now what was \"%s\"",
		    column, epoch->table, label_of(now), label_of(fact));
	return why != NULL ? why : "the type of a column is not what it was";
}

const char *
tally_pg_shape_fault(struct tally_pg_verifier *v,
    const struct tally_pg_epoch *epoch, int position,
    const struct tally_pg_live_column *live)
{
	const struct tally_pg_column *was = &epoch->columns[position];
	bool is_here = tally_pg_age_is_here(v, epoch);

	for (const struct tally_pg_fact *fact = was->shape; fact != NULL;
	     fact = fact->next)
		if (!is_fact(live->shape, fact->text, is_here))
			return describe(v, epoch, was->name, fact->text,
			    find_about(live->shape, fact->text));
	return NULL;
}

static bool
shape_is_same(const struct tally_pg_fact *a, const struct tally_pg_fact *b)
{
	for (; a != NULL && b != NULL; a = a->next, b = b->next)
		if (strcmp(a->text, b->text) != 0)
			return false;
	return a == b;
}

bool
tally_pg_column_is_same(const struct tally_pg_column *a,
    const struct tally_pg_column *b)
{
	return a->number == b->number && a->typmod == b->typmod &&
	    strcmp(a->name, b->name) == 0 && strcmp(a->type, b->type) == 0 &&
	    shape_is_same(a->shape, b->shape);
}
