/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A form is rendered on the tables that it was sealed of.  Only if none of
 * them is there any more, every table of the source is tried: it may have been
 * dropped and restored.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/attached.h"
#include "pgclient/condition.h"
#include "pgclient/shape.h"
#include "pgclient/tables.h"

void
tally_pg_table_make_blind(struct tally_pg_verifier *v,
    struct tally_pg_source *source, const char *why)
{
	(void)pthread_mutex_lock(&v->lock);
	if (source->blind == NULL)
		source->blind = tally_pg_arena_string(&v->arena, why);
	if (source->blind == NULL)
		source->blind = "its rows could not be read";
	(void)pthread_mutex_unlock(&v->lock);
}

static bool
is_root_of(const struct tally_pg_source *source,
    const struct tally_pg_form *form, uint32_t root)
{
	bool has_root = false;

	for (const struct tally_pg_use *use = source->uses; use != NULL;
	     use = use->next) {
		if (use->form != form || use->root == 0)
			continue;
		if (use->root == root)
			return true;
		has_root = true;
	}
	return !has_root;
}

/* The columns of a table, and which of them are asked for. */
struct columns {
	struct tally_pg_live_column *root;
	int nroot;
	struct tally_pg_live_column *live;
	int nlive;
	int *field; /* of each live one: its number in a row, or 0 */
	int nfields;
};

/* The fields of the epoch's columns; NULL: no memory, or why it is not so. */
static int *
find_fields(struct tally_pg_verifier *v, struct columns *columns,
    const struct tally_pg_epoch *epoch, const char **out_why)
{
	int *fields = tally_pg_arena_get(&v->arena,
	    (size_t)epoch->ncolumns * sizeof(*fields));

	for (int i = 0; fields != NULL && i < epoch->ncolumns; i++) {
		const struct tally_pg_live_column *found = tally_pg_column_find(
		    v, epoch, i, columns->root, columns->nroot, columns->live,
		    columns->nlive, out_why);
		int *field;

		if (found != NULL)
			*out_why = tally_pg_shape_fault(v, epoch, i, found);
		if (found == NULL || *out_why != NULL)
			return NULL;
		field = &columns->field[found - columns->live];
		if (*field == 0)
			*field = columns->nfields++;
		fields[i] = *field;
	}
	return fields;
}

static bool
are_events_kept(const struct tally_pg_form *form)
{
	for (const struct tally_pg_use *use = form->source->uses; use != NULL;
	     use = use->next)
		if (use->form == form && use->epoch->keep_event)
			return true;
	return false;
}

static bool
is_column_same(struct tally_pg_verifier *v, struct columns *columns,
    const struct tally_pg_epoch *epoch, int position)
{
	struct tally_pg_epoch one = *epoch;
	const char *why = NULL;

	one.columns = &epoch->columns[position];
	one.ncolumns = 1;
	return find_fields(v, columns, &one, &why) != NULL;
}

/* As events name them. */
static const char **
quote_names(struct tally_pg_verifier *v, const struct tally_pg_epoch *part)
{
	const char **names = tally_pg_arena_get(&v->arena,
	    (size_t)(part->ncolumns + 1) * sizeof(*names));
	struct tally_pg_text text = { 0 };

	for (int i = 0; names != NULL && i < part->ncolumns; i++) {
		const char *name = part->columns[i].name;

		tally_pg_text_reset(&text);
		(void)tally_pg_text_quote(&text, name, strlen(name));
		names[i] = text.failed
		    ? NULL
		    : tally_pg_arena_string(&v->arena, text.at);
		if (names[i] == NULL)
			names = NULL;
	}
	tally_pg_text_wipe(&text);
	return names;
}

/*
 * Where a column's type was changed, and events are kept, the columns that did
 * not change are compared: rows are rendered with these alone, and of a
 * record's event the others are left out (kept.c).  Not where it needs others
 * to find its rows.
 */
static int
find_part(struct tally_pg_verifier *v, struct columns *columns,
    struct tally_pg_form *form)
{
	const struct tally_pg_epoch *epoch = form->epoch;
	struct tally_pg_epoch *part = tally_pg_arena_get(&v->arena,
	    sizeof(*part));
	int *places = tally_pg_arena_get(&v->arena,
	    (size_t)epoch->ncolumns * sizeof(*places));

	if (part == NULL || places == NULL)
		return TALLY_E_MEMORY;
	*part = *epoch;
	part->ncolumns = 0;
	part->columns = tally_pg_arena_get(&v->arena,
	    (size_t)epoch->ncolumns * sizeof(*part->columns));
	for (int i = 0; part->columns != NULL && i < epoch->ncolumns; i++) {
		places[i] = -1;
		if (!is_column_same(v, columns, epoch, i))
			continue;
		places[i] = part->ncolumns;
		part->columns[part->ncolumns++] = epoch->columns[i];
	}
	for (int i = 0; i < epoch->nkeys; i++) {
		part->keys[i] = places[epoch->keys[i]];
		if (part->keys[i] < 0)
			return 0;
	}
	if (epoch->chain_by >= 0)
		part->chain_by = places[epoch->chain_by];
	if (epoch->chain_by >= 0 && part->chain_by < 0)
		return 0;
	form->names = quote_names(v, part);
	form->part = form->names != NULL ? part : NULL;
	return form->part != NULL ? 0 : TALLY_E_MEMORY;
}

static int
add_view(struct tally_pg_verifier *v, struct tally_pg_table *table,
    struct columns *columns, struct tally_pg_form *form)
{
	struct tally_pg_view *view = &table->views[table->nviews];
	const struct tally_pg_epoch *epoch = form->part != NULL ? form->part
								: form->epoch;
	const char *why = NULL;
	int *fields = find_fields(v, columns, epoch, &why);
	int i;

	if (fields == NULL && why != NULL && form->part == NULL &&
	    !form->is_rendered && are_events_kept(form)) {
		form->why = why;
		if (find_part(v, columns, form) != 0)
			return TALLY_E_MEMORY;
		epoch = form->part;
		if (epoch != NULL)
			fields = find_fields(v, columns, epoch, &why);
	}
	if (fields == NULL) {
		form->why = why;
		return why == NULL ? TALLY_E_MEMORY : 0;
	}
	form->is_rendered = true;
	for (i = 0; i < table->nviews; i++)
		if (table->views[i].form->key_class == form->key_class)
			break;
	table->nclasses += i == table->nviews;
	view->form = form;
	table->nviews++;
	return tally_pg_renderer_init(&view->renderer, &v->arena, epoch,
	    fields);
}

/* (SELECT (condition) IS TRUE FROM (SELECT r.c AS "name", ...) AS e) */
static int
add_cover(struct tally_pg_verifier *v, struct tally_pg_table *table,
    struct columns *columns, const struct tally_pg_use *use,
    struct tally_pg_text *list, struct tally_error *error)
{
	const struct tally_pg_epoch *epoch = use->epoch;
	const char *why = NULL;
	int *fields = find_fields(v, columns, epoch, &why);
	int result;

	if (fields == NULL)
		return why == NULL ? tally_pg_no_memory(error) : 0;
	result = tally_pg_condition_judge(v, epoch->only_when, &why, error);
	if (result != 0)
		return result;
	if (why != NULL) {
		char text[256];

		snprintf(text, sizeof(text),
		    "only_when cannot be evaluated from outside: %s", why);
		tally_pg_table_make_blind(v, table->source, text);
		return 0;
	}
	tally_pg_text_format(list, ", (SELECT (%s) IS TRUE FROM (SELECT",
	    epoch->only_when);
	for (int i = 0; i < epoch->ncolumns; i++) {
		tally_pg_text_format(list, "%s r.c%d AS ", i == 0 ? "" : ",",
		    fields[i]);
		tally_pg_text_name(list, epoch->columns[i].name);
	}
	tally_pg_text_put(list, ") AS e)");
	table->covers[table->ncovers].use = use;
	/* Fields are numbered when all columns are known. */
	table->covers[table->ncovers].field = table->ncovers;
	table->ncovers++;
	return 0;
}

/* COPY (SELECT ... FROM (SELECT ctid, xmin, "a" AS c2, ... FROM ONLY t ... */
static void
put_sql(struct tally_pg_table *table, const struct columns *columns,
    const char *name, const struct tally_pg_text *covers)
{
	struct tally_pg_text *sql = &table->sql;

	tally_pg_text_put(sql, "COPY (SELECT r.c0, r.c1");
	for (int i = FIELDS_BEFORE; i < columns->nfields; i++)
		tally_pg_text_format(sql, ", r.c%d", i);
	if (covers->len > 0)
		tally_pg_text_put(sql, covers->at);
	tally_pg_text_put(sql, " FROM (SELECT t.ctid AS c0, t.xmin AS c1");
	for (int i = 0; i < columns->nlive; i++) {
		if (columns->field[i] == 0)
			continue;
		tally_pg_text_put(sql, ", t.");
		tally_pg_text_name(sql, columns->live[i].name);
		tally_pg_text_format(sql, " AS c%d", columns->field[i]);
	}
	tally_pg_text_format(sql, " FROM ONLY %s AS t", name);
	for (int i = 0; i < table->ncovers; i++)
		table->covers[i].field += columns->nfields;
	table->nfields = columns->nfields + table->ncovers;
}

/* Where rows can be asked for by their keys. */
static void
find_key(struct tally_pg_table *table, const struct columns *columns)
{
	int field = 0;

	for (int i = 0; i < table->nviews; i++) {
		const struct tally_pg_epoch *epoch = table->views[i]
							 .form->epoch;
		int key = table->views[i].renderer.fields[epoch->keys[0]];

		if (epoch->nkeys != 1 || (field != 0 && field != key))
			return;
		field = key;
		table->key_type = epoch->columns[epoch->keys[0]].type;
	}
	for (int i = 0; i < columns->nlive; i++)
		if (field != 0 && columns->field[i] == field)
			table->key_column = columns->live[i].name;
}

static int
prepare(struct tally_pg_verifier *v, struct tally_pg_table *table,
    uint32_t root, const char *name, struct tally_error *error)
{
	struct tally_pg_source *source = table->source;
	struct columns columns = { .nfields = FIELDS_BEFORE };
	struct tally_pg_text covers = { 0 };
	size_t nuses = 0;
	int result;

	for (struct tally_pg_use *use = source->uses; use != NULL;
	     use = use->next)
		nuses++;
	table->views = tally_pg_arena_get(&v->arena,
	    (size_t)source->nforms * sizeof(*table->views));
	table->covers = tally_pg_arena_get(&v->arena,
	    nuses * sizeof(*table->covers));
	result = tally_pg_columns_read(v, root, &columns.root, &columns.nroot,
	    error);
	if (result == 0)
		result = tally_pg_columns_read(v, table->relation,
		    &columns.live, &columns.nlive, error);
	if (result != 0)
		return result;
	columns.field = tally_pg_arena_get(&v->arena,
	    (size_t)(columns.nlive + 1) * sizeof(int));
	if (table->views == NULL || table->covers == NULL ||
	    columns.field == NULL)
		return tally_pg_no_memory(error);
	for (struct tally_pg_form *form = source->forms; form != NULL;
	     form = form->next)
		if (is_root_of(source, form, root) &&
		    add_view(v, table, &columns, form) != 0)
			return tally_pg_no_memory(error);
	for (struct tally_pg_use *use = source->uses;
	     result == 0 && use != NULL; use = use->next)
		if (use->epoch->only_when != NULL && use->form->is_rendered &&
		    is_root_of(source, use->form, root))
			result = add_cover(v, table, &columns, use, &covers,
			    error);
	find_key(table, &columns);
	put_sql(table, &columns, name, &covers);
	if (result == 0 && (covers.failed || table->sql.failed))
		result = tally_pg_no_memory(error);
	tally_pg_text_wipe(&covers);
	return result;
}

/* The table and its partitions that hold rows. */
static const char leaves_sql[] =
    "WITH RECURSIVE tree AS (SELECT $1::pg_catalog.oid AS oid UNION"
    " SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i"
    " ON i.inhparent = tree.oid)"
    " SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' ||"
    " pg_catalog.quote_ident(c.relname),"
    " pg_catalog.pg_relation_size(c.oid, 'main'),"
    " pg_catalog.has_table_privilege(c.oid, 'SELECT')"
    " AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
    " FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' ORDER BY 1";

static int
add_table(struct tally_pg_verifier *v, struct tally_pg_rows *rows,
    struct tally_pg_source *source, uint32_t root, const PGresult *leaf, int i,
    struct tally_error *error)
{
	struct tally_pg_table *table = tally_pg_arena_get(&v->arena,
	    sizeof(*table));
	const char *name = PQgetvalue(leaf, i, 1);
	char why[512];

	if (table == NULL)
		return tally_pg_no_memory(error);
	if (PQgetvalue(leaf, i, 3)[0] != 't') {
		snprintf(why, sizeof(why),
		    "no right to read its rows: GRANT SELECT ON %.300s", name);
		tally_pg_table_make_blind(v, source, why);
		return 0;
	}
	table->source = source;
	table->relation = (uint32_t)strtoul(PQgetvalue(leaf, i, 0), NULL, 10);
	table->blocks = strtoull(PQgetvalue(leaf, i, 2), NULL, 10) /
	    v->server.block_size;
	*rows->last = table;
	rows->last = &table->next;
	return prepare(v, table, root, name, error);
}

static int
add_root(struct tally_pg_verifier *v, struct tally_pg_rows *rows,
    struct tally_pg_source *source, uint32_t root, struct tally_error *error)
{
	char oid[16];
	const char *params[] = { oid };
	PGresult *leaves;
	int result;

	snprintf(oid, sizeof(oid), "%u", (unsigned)root);
	result = tally_pg_conn_query(&v->pool.first, leaves_sql, 1, params,
	    &leaves, error);
	for (int i = 0; result == 0 && i < PQntuples(leaves); i++)
		result = add_table(v, rows, source, root, leaves, i, error);
	PQclear(leaves);
	return result;
}

int
tally_pg_rows_open(struct tally_pg_verifier *v, struct tally_pg_rows **out,
    struct tally_error *error)
{
	struct tally_pg_rows *rows = calloc(1, sizeof(*rows));
	int result = 0;

	if (rows == NULL)
		return tally_pg_no_memory(error);
	rows->last = &rows->tables;
	*out = rows;
	for (struct tally_pg_source *source = v->sources->all;
	     result == 0 && source != NULL; source = source->next)
		for (int i = 0; result == 0 && i < source->nroots; i++)
			result = add_root(v, rows, source, source->roots[i],
			    error);
	return result;
}

void
tally_pg_rows_close(struct tally_pg_rows *rows)
{
	if (rows == NULL)
		return;
	for (struct tally_pg_table *table = rows->tables; table != NULL;
	     table = table->next)
		tally_pg_text_wipe(&table->sql);
	free(rows);
}
