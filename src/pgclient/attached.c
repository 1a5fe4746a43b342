/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/attached.h"
#include "pgclient/shape.h"

/* ---- the extension's own tables --------------------------------------- */

/* What each table is to have; a table may have more. */
static const char columns_sql[] =
    "SELECT w.tab, w.col, w.typ, c.oid, c.relkind, c.relpersistence,"
    " a.attname IS NOT NULL, a.atttypid = w.typ::pg_catalog.regtype,"
    " pg_catalog.has_table_privilege(c.oid, 'SELECT')"
    " FROM (VALUES ('chain','id','bigint'),('chain','name','text'),"
    "('event','id','bigint'),('event','event','text'),"
    "('record','chain_id','bigint'),('record','seq','bigint'),"
    "('record','time','timestamptz'),('record','epoch','bigint'),"
    "('record','event_id','bigint'),('record','digest','bytea'),"
    "('record','prev','bytea'),('record','hash','bytea'),"
    "('record','key','text'),('record','id','text'),"
    "('record','salt','bytea'),('attachment','relation','regclass'),"
    "('attachment','epoch','bigint'),('attachment','label','text'))"
    " AS w(tab, col, typ)"
    " LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'tally'"
    " LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid"
    " AND c.relname = w.tab"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid"
    " AND a.attname = w.col AND NOT a.attisdropped";

/*
 * The triggers that the extension makes on its tables, and any other: is it
 * gone, disabled, right, one of the extension's?  Types: BEFORE, per statement
 * INSERT, DELETE, UPDATE, TRUNCATE; BEFORE, per row, the first three.
 */
static const char guards_sql[] =
    "WITH tab AS (SELECT c.oid, c.relname, c.relnamespace"
    " FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = 'tally' AND c.relname IN"
    " ('chain', 'event', 'record', 'attachment', 'origin')),"
    " made (name, type, always) AS"
    " (VALUES ('guard'::name, 62, false), ('arrival'::name, 31, true))"
    " SELECT tab.relname, made.name, t.oid IS NULL,"
    " t.tgenabled IN ('D', 'R') OR t.tgenabled <> 'A' AND made.always,"
    " t.tgtype = made.type AND t.tgqual IS NULL AND p.proname = made.name"
    " AND p.pronamespace = tab.relnamespace, true"
    " FROM tab CROSS JOIN made LEFT JOIN pg_catalog.pg_trigger t"
    " ON t.tgrelid = tab.oid AND t.tgname = made.name"
    " AND NOT t.tgisinternal"
    " LEFT JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid"
    " UNION ALL SELECT tab.relname, t.tgname, false,"
    " t.tgenabled IN ('D', 'R'), false, false"
    " FROM tab JOIN pg_catalog.pg_trigger t ON t.tgrelid = tab.oid"
    " WHERE NOT t.tgisinternal AND t.tgname NOT IN (SELECT name FROM made)"
    " ORDER BY 1, 2";

/* The event triggers that the extension made, as it made them. */
static const char event_triggers_sql[] =
    "SELECT w.name, CASE WHEN t.oid IS NULL THEN 'is gone'"
    " WHEN t.evtenabled = 'D' THEN 'is disabled'"
    " WHEN t.evtenabled <> 'A' THEN 'does not fire always'"
    " WHEN t.evtevent <> w.event OR p.proname <> w.function"
    " OR n.nspname <> 'tally' OR t.evttags IS DISTINCT FROM w.tags"
    " THEN 'is not the one that the extension made' END"
    " FROM (VALUES ('tally_ddl_start'::pg_catalog.name, 'ddl_start',"
    " 'ddl_command_start', '{ALTER TABLE,DROP INDEX,DROP EXTENSION,"
    "DROP SCHEMA,DROP OWNED}'::pg_catalog.text[]),"
    " ('tally_ddl_end', 'ddl_end', 'ddl_command_end', '{ALTER TABLE,"
    "ALTER INDEX,ALTER TRIGGER,CREATE TRIGGER,CREATE TABLE,"
    "CREATE FOREIGN TABLE,ALTER FOREIGN TABLE,ALTER TYPE,ALTER DOMAIN,"
    "ALTER SCHEMA,CREATE SCHEMA}'),"
    " ('tally_ddl_drop', 'ddl_drop', 'sql_drop', NULL),"
    " ('tally_ddl_rewrite', 'ddl_rewrite', 'table_rewrite', NULL))"
    " AS w (name, function, event, tags)"
    " LEFT JOIN pg_catalog.pg_event_trigger t ON t.evtname = w.name"
    " LEFT JOIN pg_catalog.pg_proc p ON p.oid = t.evtfoid"
    " LEFT JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace";

static bool
is_true(const PGresult *rows, int row, int column)
{
	return !PQgetisnull(rows, row, column) &&
	    PQgetvalue(rows, row, column)[0] == 't';
}

static int
judge_tables(struct tally_pg_verifier *v, struct tally_error *error)
{
	PGresult *rows;
	int result = tally_pg_conn_query(&v->pool.first, columns_sql, 0, NULL,
	    &rows, error);
	bool any = false;

	for (int i = 0; result == 0 && i < PQntuples(rows); i++)
		any |= !PQgetisnull(rows, i, 3);
	if (result == 0 && !any)
		result = tally_fail(error, TALLY_E_NO_LOG,
		    "database \"%s\" has no tables of tally; \"CREATE EXTENSION"
		    " tally\" makes them",
		    v->server.database);
	for (int i = 0; result == 0 && i < PQntuples(rows); i++) {
		const char *table = PQgetvalue(rows, i, 0);

		if (PQgetisnull(rows, i, 3))
			result = tally_fail(error, TALLY_E_DAMAGED,
			    "table \"tally.%s\" is gone", table);
		else if (PQgetvalue(rows, i, 4)[0] != 'r' ||
		    !is_true(rows, i, 6) || !is_true(rows, i, 7))
			result = tally_fail(error, TALLY_E_DAMAGED,
			    "table \"tally.%s\" is not the one that was made:"
			    " it has no column \"%s\" of type %s",
			    table, PQgetvalue(rows, i, 1),
			    PQgetvalue(rows, i, 2));
		else if (!is_true(rows, i, 8))
			result = tally_fail(error, TALLY_E_ACCESS,
			    "no right to read table \"tally.%s\": GRANT SELECT"
			    " ON ALL TABLES IN SCHEMA tally TO the role, and on"
			    " the attached tables",
			    table);
	}
	PQclear(rows);
	return result;
}

/* What is wrong with the trigger of that row, or NULL. */
static const char *
guard_fault(const struct tally_pg_verifier *v, const PGresult *rows, int row)
{
	const char *name = PQgetvalue(rows, row, 1);

	/* Plain SQL has the one, and may have others. */
	if (!v->server.has_extension && strcmp(name, "guard") != 0)
		return is_true(rows, row, 3) && !is_true(rows, row, 2) &&
			!is_true(rows, row, 5)
		    ? "is disabled"
		    : NULL;
	if (is_true(rows, row, 2))
		return "is gone";
	if (is_true(rows, row, 3))
		return "is disabled";
	if (!v->server.has_extension)
		return NULL;
	if (!is_true(rows, row, 5))
		return "is not the extension's";
	return is_true(rows, row, 4) ? NULL
				     : "is not the one that the extension made";
}

static int
judge_event_triggers(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct tally_pg_subject nothing = { 0 };
	PGresult *rows;
	int result;

	if (!v->server.has_extension)
		return 0;
	result = tally_pg_conn_query(&v->pool.first, event_triggers_sql, 0,
	    NULL, &rows, error);
	if (result != 0)
		return result;
	for (int i = 0; i < PQntuples(rows); i++)
		if (!PQgetisnull(rows, i, 1))
			tally_pg_tell(v, TALLY_CONTENT_ALTERED, &nothing,
			    "event trigger \"%s\" %s", PQgetvalue(rows, i, 0),
			    PQgetvalue(rows, i, 1));
	PQclear(rows);
	return 0;
}

int
tally_pg_catalog_judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct tally_pg_subject nothing = { 0 };
	PGresult *rows;
	int result = judge_tables(v, error);

	if (result == 0)
		result = tally_pg_conn_query(&v->pool.first, guards_sql, 0,
		    NULL, &rows, error);
	if (result != 0)
		return result;
	for (int i = 0; i < PQntuples(rows); i++) {
		const char *fault = guard_fault(v, rows, i);

		if (fault != NULL)
			tally_pg_tell(v, TALLY_CONTENT_ALTERED, &nothing,
			    "trigger \"%s\" of table \"tally.%s\" %s",
			    PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 0),
			    fault);
	}
	PQclear(rows);
	return judge_event_triggers(v, error);
}

/* ---- roots ------------------------------------------------------------ */

/* Restored elsewhere, a table has another oid: then the name counts. */
static int
find_root(struct tally_pg_verifier *v, struct tally_pg_use *use,
    struct tally_error *error)
{
	static const char sql[] =
	    "SELECT c.oid FROM pg_catalog.pg_class c WHERE c.oid = CASE WHEN"
	    " $3 THEN $1::pg_catalog.oid ELSE"
	    " pg_catalog.to_regclass($2)::pg_catalog.oid END"
	    " AND c.relkind IN ('r', 'p')";
	char oid[16];
	const char *params[] = { oid, use->epoch->table,
		tally_pg_age_is_here(v, use->epoch) ? "true" : "false" };
	PGresult *rows;
	int result;

	snprintf(oid, sizeof(oid), "%u", (unsigned)use->epoch->relation);
	result = tally_pg_conn_query(&v->pool.first, sql, 3, params, &rows,
	    error);
	if (result != 0)
		return result;
	if (PQntuples(rows) == 1)
		use->root = (uint32_t)strtoul(PQgetvalue(rows, 0, 0), NULL, 10);
	PQclear(rows);
	return 0;
}

static int
find_roots(struct tally_pg_verifier *v, struct tally_pg_source *source,
    struct tally_error *error)
{
	for (struct tally_pg_use *use = source->uses; use != NULL;
	     use = use->next) {
		uint32_t *roots;
		int result = find_root(v, use, error);
		int i;

		if (result != 0)
			return result;
		for (i = 0; i < source->nroots; i++)
			if (source->roots[i] == use->root)
				break;
		if (use->root == 0 || i < source->nroots)
			continue;
		roots = realloc(source->roots,
		    (size_t)(source->nroots + 1) * sizeof(*roots));
		if (roots == NULL)
			return tally_pg_no_memory(error);
		source->roots = roots;
		roots[source->nroots++] = use->root;
	}
	return 0;
}

/* ---- columns ---------------------------------------------------------- */

#define TYPE TALLY_PG_TYPE_NAME("a.atttypid", "NULL")

static const char live_sql[] =
    "SELECT a.attnum, a.attname," TYPE ", a.atttypmod"
    " FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0"
    " AND NOT a.attisdropped ORDER BY 1";

int
tally_pg_columns_read(struct tally_pg_verifier *v, uint32_t relation,
    struct tally_pg_live_column **out, int *out_count,
    struct tally_error *error)
{
	char oid[16];
	const char *params[] = { oid };
	PGresult *rows;
	int result;

	snprintf(oid, sizeof(oid), "%u", (unsigned)relation);
	result = tally_pg_conn_query(&v->pool.first, live_sql, 1, params, &rows,
	    error);
	if (result != 0)
		return result;
	*out_count = PQntuples(rows);
	*out = tally_pg_arena_get(&v->arena,
	    (size_t)(*out_count + 1) * sizeof(**out));
	for (int i = 0; *out != NULL && i < *out_count; i++) {
		struct tally_pg_live_column *column = &(*out)[i];

		column->number = atoi(PQgetvalue(rows, i, 0));
		column->name = tally_pg_arena_string(&v->arena,
		    PQgetvalue(rows, i, 1));
		column->type = tally_pg_arena_string(&v->arena,
		    PQgetvalue(rows, i, 2));
		column->typmod = atoi(PQgetvalue(rows, i, 3));
		if (column->name == NULL || column->type == NULL)
			*out = NULL;
	}
	PQclear(rows);
	return *out == NULL
	    ? tally_pg_no_memory(error)
	    : tally_pg_shapes_read(v, relation, *out, *out_count, error);
}

const struct tally_pg_live_column *
tally_pg_column_find(struct tally_pg_verifier *v,
    const struct tally_pg_epoch *epoch, int position,
    const struct tally_pg_live_column *root, int nroot,
    const struct tally_pg_live_column *live, int nlive, const char **out_why)
{
	const struct tally_pg_column *was = &epoch->columns[position];
	const struct tally_pg_live_column *found = NULL;
	const struct tally_pg_live_column *column = NULL;

	bool is_here = tally_pg_age_is_here(v, epoch);

	/* A dump leaves out columns that were dropped: then names count. */
	for (int i = 0; i < nroot; i++)
		if (is_here ? root[i].number == was->number
			    : strcmp(root[i].name, was->name) == 0)
			found = &root[i];
	/* A partition has the same names, not the same numbers. */
	for (int i = 0; found != NULL && i < nlive; i++)
		if (strcmp(live[i].name, found->name) == 0)
			column = &live[i];
	if (column == NULL)
		*out_why = tally_pg_arena_format(&v->arena,
		    "column \"%s\" of table \"%s\" is gone", was->name,
		    epoch->table);
	else if (strcmp(column->type, was->type) == 0 &&
	    column->typmod == was->typmod)
		return column;
	else
		*out_why = tally_pg_arena_format(&v->arena,
		    "column \"%s\" of table \"%s\" is of type %s (modifier"
		    " %lld) now, was %s (%lld)",
		    was->name, epoch->table, column->type,
		    (long long)column->typmod, was->type,
		    (long long)was->typmod);
	if (*out_why == NULL)
		*out_why = "a column is not what it was";
	return NULL;
}

int
tally_pg_columns_judge(struct tally_pg_verifier *v,
    const struct tally_pg_epoch *epoch, uint32_t root,
    const struct tally_pg_subject *subject, struct tally_error *error)
{
	struct tally_pg_live_column *live;
	int count;
	int result = tally_pg_columns_read(v, root, &live, &count, error);
	const char *shape = NULL;

	for (int i = 0; result == 0 && i < epoch->ncolumns; i++) {
		const struct tally_pg_live_column *column;
		const char *why = NULL;

		column = tally_pg_column_find(v, epoch, i, live, count, live,
		    count, &why);
		if (column == NULL) {
			tally_pg_tell(v, TALLY_CONTENT_ALTERED, subject, "%s",
			    why);
			break;
		}
		if (shape == NULL)
			shape = tally_pg_shape_fault(v, epoch, i, column);
		if (strcmp(column->name, epoch->columns[i].name) != 0)
			tally_pg_tell(v, TALLY_CONTENT_ALTERED, subject,
			    "column \"%s\" of table \"%s\" was renamed to"
			    " \"%s\"",
			    epoch->columns[i].name, epoch->table, column->name);
	}
	if (result == 0 && shape != NULL && !epoch->is_tracked)
		tally_pg_tell(v, TALLY_NOT_JUDGED, subject, "%s", shape);
	return result;
}

/* ---- triggers --------------------------------------------------------- */

/* Every table of the tree, and its triggers that call something of ours. */
static const char triggers_sql[] =
    "WITH RECURSIVE tree AS (SELECT $1::pg_catalog.oid AS oid UNION"
    " SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i"
    " ON i.inhparent = tree.oid)"
    " SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' ||"
    " pg_catalog.quote_ident(c.relname), c.relpersistence, t.tgname,"
    " t.proname, t.tgenabled, t.tgtype, t.tgqual IS NOT NULL,"
    " t.tgattr::pg_catalog.text <> '', t.tgdeferrable"
    " FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN (SELECT g.*, p.proname FROM pg_catalog.pg_trigger g"
    " JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid"
    " JOIN pg_catalog.pg_namespace m ON m.oid = p.pronamespace"
    " WHERE m.nspname = 'tally') t ON t.tgrelid = c.oid ORDER BY 1, 4";

/* Row level, INSERT, DELETE, UPDATE; and BEFORE TRUNCATE. */
#define CAPTURE_TYPE 29
#define TRUNCATE_TYPE 34

static const char *
trigger_fault(const struct tally_pg_verifier *v, const PGresult *rows, int i)
{
	const char *function = PQgetvalue(rows, i, 4);
	int type = atoi(PQgetvalue(rows, i, 6));
	int expected = strcmp(function, "capture") == 0 ? CAPTURE_TYPE
	    : strcmp(function, "refuse_truncate") == 0  ? TRUNCATE_TYPE
							: type;

	if (PQgetvalue(rows, i, 5)[0] == 'D')
		return "is disabled";
	if (PQgetvalue(rows, i, 5)[0] == 'R')
		return "fires on replicas only";
	if (!v->server.has_extension)
		return NULL;
	if (type != expected)
		return "fires at other events than it should";
	if (is_true(rows, i, 7))
		return "has a condition";
	if (is_true(rows, i, 8))
		return "looks at some columns only";
	if (is_true(rows, i, 9))
		return "is deferrable";
	return NULL;
}

/* The rows of one table, from *row on, which is moved behind them. */
static void
judge_table_triggers(struct tally_pg_verifier *v,
    const struct tally_pg_subject *subject, const PGresult *rows, int *row,
    bool is_root)
{
	const char *oid = PQgetvalue(rows, *row, 0);
	const char *table = PQgetvalue(rows, *row, 1);
	bool captures = false;
	/* A partition may lack it: only event triggers make it there. */
	bool refuses = !is_root;

	if (PQgetvalue(rows, *row, 2)[0] != 'p')
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, subject,
		    "table \"%s\" is unlogged now", table);
	for (; *row < PQntuples(rows) &&
	     strcmp(PQgetvalue(rows, *row, 0), oid) == 0;
	     ++*row) {
		const char *function = PQgetvalue(rows, *row, 4);
		const char *fault = NULL;

		captures |= strncmp(function, "capture", 7) == 0;
		refuses |= strcmp(function, "refuse_truncate") == 0;
		if (!PQgetisnull(rows, *row, 3))
			fault = trigger_fault(v, rows, *row);
		if (fault != NULL)
			tally_pg_tell(v, TALLY_CONTENT_ALTERED, subject,
			    "trigger \"%s\" of table \"%s\" %s",
			    PQgetvalue(rows, *row, 3), table, fault);
	}
	if (!captures)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, subject,
		    "trigger \"!tally_capture\" of table \"%s\" is gone",
		    table);
	if (!refuses)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, subject,
		    "trigger \"!tally_truncate\" of table \"%s\" is gone",
		    table);
}

static int
judge_triggers(struct tally_pg_verifier *v, const struct tally_pg_use *use,
    const struct tally_pg_subject *subject, struct tally_error *error)
{
	char oid[16];
	const char *params[] = { oid };
	PGresult *rows;
	int row = 0;
	int result;

	snprintf(oid, sizeof(oid), "%u", (unsigned)use->root);
	result = tally_pg_conn_query(&v->pool.first, triggers_sql, 1, params,
	    &rows, error);
	if (result != 0)
		return result;
	while (row < PQntuples(rows))
		judge_table_triggers(v, subject, rows, &row,
		    strcmp(PQgetvalue(rows, row, 0), oid) == 0);
	PQclear(rows);
	return 0;
}

/* ---- tally.attachment ------------------------------------------------- */

const struct tally_pg_attached *
tally_pg_attached_find(const struct tally_pg_verifier *v, int64_t epoch)
{
	for (const struct tally_pg_attached *row = v->sources->attached;
	     row != NULL; row = row->next)
		if (row->epoch == epoch)
			return row;
	return NULL;
}

static int
judge_use(struct tally_pg_verifier *v, const struct tally_pg_use *use,
    struct tally_error *error)
{
	const struct tally_pg_attached *row = tally_pg_attached_find(v,
	    use->id);
	struct tally_pg_subject subject = {
		.chain = TALLY_PG_LOG_CHAIN,
		.seq = use->attach_seq,
		.source = use->epoch->label,
	};
	int result;

	if (row == NULL)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "tally.attachment has no row for it, though it was not"
		    " detached");
	else if (strcmp(row->label, use->epoch->label) != 0)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "tally.attachment calls it \"%s\"", row->label);
	else if (use->root != 0 && row->relation != use->root)
		tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
		    "tally.attachment says that it is of another table than"
		    " %s",
		    use->epoch->table);
	if (!tally_pg_age_is_here(v, use->epoch))
		tally_pg_tell(v, TALLY_NOT_JUDGED, &subject,
		    "it was attached in database \"%s\" of another cluster or"
		    " another name, so nobody knows how old its rows are",
		    use->epoch->database);
	/* That a table is gone is told where its rows are missed. */
	if (use->root == 0)
		return 0;
	result = tally_pg_columns_judge(v, use->epoch, use->root, &subject,
	    error);
	return result != 0 ? result : judge_triggers(v, use, &subject, error);
}

/* Rows of tally.attachment that belong to no epoch in force. */
static void
judge_others(struct tally_pg_verifier *v)
{
	for (const struct tally_pg_attached *row = v->sources->attached;
	     row != NULL; row = row->next) {
		const struct tally_pg_use *use = tally_pg_sources_find(v,
		    row->epoch);
		struct tally_pg_subject subject = { .chain = TALLY_PG_LOG_CHAIN,
			.source = row->label };

		if (use != NULL && use->tracked != NULL)
			continue; /* tracked.c judges it */
		if (use != NULL && use->epoch == NULL && use->is_named)
			continue; /* that its event does not hold was told */
		if (use == NULL || use->epoch == NULL)
			tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
			    "tally.attachment has a row for event %lld, which"
			    " is no attach event that tally:log seals",
			    (long long)row->epoch);
		else if (use->detach_seq != 0)
			tally_pg_tell(v, TALLY_CONTENT_ALTERED, &subject,
			    "tally.attachment has a row for it, though it was"
			    " detached by tally:log/%lld",
			    (long long)use->detach_seq);
	}
}

int
tally_pg_attached_judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	for (struct tally_pg_source *source = v->sources->all; source != NULL;
	     source = source->next) {
		int result = find_roots(v, source, error);

		for (struct tally_pg_use *use = source->uses;
		     result == 0 && use != NULL; use = use->next)
			if (use->detach_seq == 0)
				result = judge_use(v, use, error);
		if (result != 0)
			return result;
	}
	judge_others(v);
	return 0;
}
