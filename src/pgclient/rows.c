/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of attached tables, rendered in the forms of their source.
 *
 * A form is rendered on the tables that it was sealed of.  Only if none of
 * them is there any more, every table of the source is tried: it may have been
 * dropped and restored.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/attached.h"
#include "pgclient/condition.h"
#include "pgclient/match.h"
#include "pgclient/render.h"
#include "pgclient/retired.h"
#include "pgclient/rows.h"
#include "pgclient/shape.h"

/* What stands before the columns: ctid and xmin. */
#define FIELDS_BEFORE 2

/* A form on a table. */
struct view {
	struct tally_pg_form *form;
	struct tally_pg_renderer renderer;
};

/* An epoch's only_when on a table. */
struct cover {
	const struct tally_pg_use *use;
	int field;
};

/* A table of a source: itself, or a partition. */
struct table {
	struct tally_pg_source *source;
	uint32_t relation;
	uint64_t blocks;
	int nviews;
	struct view *views;
	int nclasses;
	int ncovers;
	struct cover *covers;
	int nfields;
	struct tally_pg_text sql; /* up to where ranges are named */
	struct table *next;
};

struct tally_pg_rows {
	struct table *tables;
	struct table **last;
};

/* ---- preparing -------------------------------------------------------- */

static void
make_blind(struct tally_pg_verifier *v, struct tally_pg_source *source,
    const char *why)
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

static int
add_view(struct tally_pg_verifier *v, struct table *table,
    struct columns *columns, struct tally_pg_form *form)
{
	struct view *view = &table->views[table->nviews];
	const char *why = NULL;
	int *fields = find_fields(v, columns, form->epoch, &why);
	int i;

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
	return tally_pg_renderer_init(&view->renderer, &v->arena, form->epoch,
	    fields);
}

/* (SELECT (condition) IS TRUE FROM (SELECT r.c AS "name", ...) AS e) */
static int
add_cover(struct tally_pg_verifier *v, struct table *table,
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
		make_blind(v, table->source, text);
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
put_sql(struct table *table, const struct columns *columns, const char *name,
    const struct tally_pg_text *covers)
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

static int
prepare(struct tally_pg_verifier *v, struct table *table, uint32_t root,
    const char *name, struct tally_error *error)
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
	struct table *table = tally_pg_arena_get(&v->arena, sizeof(*table));
	const char *name = PQgetvalue(leaf, i, 1);
	char why[512];

	if (table == NULL)
		return tally_pg_no_memory(error);
	if (PQgetvalue(leaf, i, 3)[0] != 't') {
		snprintf(why, sizeof(why),
		    "no right to read its rows: GRANT SELECT ON %.300s", name);
		make_blind(v, source, why);
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
	for (struct table *table = rows->tables; table != NULL;
	     table = table->next)
		tally_pg_text_wipe(&table->sql);
	free(rows);
}

/* ---- a row ------------------------------------------------------------ */

/* A task: some blocks of a table. */
struct part {
	struct table *table;
	struct tally_pg_range range;
};

struct walk {
	struct tally_pg_verifier *v;
	struct part *parts;
	bool put;
};

/* One part at hand. */
struct reading {
	struct tally_pg_verifier *v;
	struct tally_pg_worker *worker;
	const struct table *table;
	bool put;
	struct tally_pg_rendered row;
	struct tally_pg_chain *chain; /* of the last row */
	struct tally_sum rows;
	struct tally_sum old_rows;
};

static bool
is_left_out(const struct table *table, const struct tally_pg_use *use,
    const struct tally_pg_field *fields)
{
	for (int i = 0; i < table->ncovers; i++)
		if (table->covers[i].use == use)
			return fields[table->covers[i].field].at == NULL ||
			    fields[table->covers[i].field].at[0] != 't';
	return false;
}

/*
 * A row that is left out: would it have been sealed before?  Whoever narrows
 * only_when for a while can write rows that nobody sees.
 */
static bool
was_covered(const struct table *table, const struct tally_pg_use *use,
    const struct tally_pg_field *fields)
{
	for (const struct tally_pg_use *before = table->source->uses;
	     before != use; before = before->next)
		if (!is_left_out(table, before, fields))
			return true;
	return false;
}

static enum tally_pg_age
judge_age(const struct reading *reading, const struct tally_pg_field *fields,
    struct tally_pg_use **out_use)
{
	const struct table *table = reading->table;
	char xmin[16] = "";
	enum tally_pg_age age;
	uint32_t xid;

	if (fields[1].at != NULL && fields[1].len < sizeof(xmin))
		memcpy(xmin, fields[1].at, fields[1].len);
	xid = (uint32_t)strtoul(xmin, NULL, 10);
	age = tally_pg_age_judge(reading->v, table->source, xid, out_use);
	/* Where old rows are sealed it leaves out some of them as well. */
	if (age == TALLY_PG_AGE_LEGACY && table->source->eras != NULL &&
	    !was_covered(table, NULL, fields))
		return TALLY_PG_AGE_LEFT_OUT;
	if (age == TALLY_PG_AGE_SEALED && is_left_out(table, *out_use, fields))
		return was_covered(table, *out_use, fields)
		    ? TALLY_PG_AGE_NARROWED : TALLY_PG_AGE_LEFT_OUT;
	return tally_pg_rewritten_age(reading->v, table->relation, xid,
	    *out_use, age);
}

static void
add_up(struct reading *reading, const struct tally_pg_item *item)
{
	const struct tally_hash *digest = &item->digest;
	struct tally_sum *sum = &reading->rows;

	if (item->age == TALLY_PG_AGE_NARROWED)
		atomic_fetch_add(&item->use->narrowed, 1);
	if (item->age == TALLY_PG_AGE_LEFT_OUT ||
	    item->age == TALLY_PG_AGE_NARROWED ||
	    item->age == TALLY_PG_AGE_AFTER)
		return;
	if (item->age == TALLY_PG_AGE_LEGACY) {
		sum = &reading->old_rows;
		digest = &item->old;
	}
	tally_sum_add(sum,
	    tally_pg_sources_hash(reading->v,
		item->chain == NULL ? 0 : item->chain->seen.id, digest,
		reading->row.key.at, reading->row.key.len));
}

static int
take_view(struct reading *reading, const struct view *view,
    const struct tally_pg_field *fields, struct tally_pg_item *item,
    struct tally_error *error)
{
	struct tally_pg_rendered *row = &reading->row;
	struct tally_hasher *hasher = &reading->worker->hasher;
	bool wants_event = view->form->is_salted || reading->v->is_exporting;

	if (tally_pg_render(&view->renderer, hasher, fields, row) != 0)
		return tally_pg_no_memory(error);
	/* Rows of one chain mostly stand together. */
	if (reading->chain == NULL ||
	    strcmp(reading->chain->seen.name, row->chain.at) != 0)
		reading->chain = tally_pg_chains_find(reading->v, row->chain.at,
		    row->chain.len);
	item->form = view->form;
	item->chain = reading->chain;
	memset(&item->digest, 0, sizeof(item->digest));
	memset(&item->update, 0, sizeof(item->update));
	memset(&item->old, 0, sizeof(item->old));
	if (view->form->is_unsalted)
		item->digest = tally_hash_commitment(hasher, NULL,
		    row->event.at, row->event.len);
	if (view->form->is_unsalted && view->form->has_updates)
		item->update = tally_pg_op_commitment(hasher, TALLY_PG_UPDATE,
		    NULL, row->event.at, row->event.len);
	if (view->form->is_unsalted && view->form->has_eras)
		item->old = tally_pg_op_commitment(hasher, TALLY_PG_BACKFILL,
		    NULL, row->event.at, row->event.len);
	item->key_len = (uint32_t)row->key.len;
	item->event_len = wants_event ? (uint32_t)row->event.len : 0;
	if (reading->put)
		return tally_pg_match_put(reading->v, item, row->key.at,
		    row->event.at, error);
	add_up(reading, item);
	return 0;
}

static int
take_row(struct reading *reading, const struct tally_pg_field *fields,
    struct tally_error *error)
{
	const struct table *table = reading->table;
	struct tally_pg_item item;
	int result = 0;

	memset(&item, 0, sizeof(item));
	item.relation = table->relation;
	item.tid = tally_pg_tid_parse(&fields[0]);
	item.age = judge_age(reading, fields, &item.use);
	item.nclasses = table->nclasses;
	for (int i = 0; result == 0 && i < table->nviews; i++)
		result = take_view(reading, &table->views[i], fields, &item,
		    error);
	return result;
}

static int
read_rows(struct reading *reading, struct tally_error *error)
{
	struct tally_pg_conn *conn = &reading->worker->conn;
	struct tally_pg_verifier *v = reading->v;
	struct tally_pg_field *fields;
	int nfields = reading->table->nfields;
	char *row;
	size_t len;
	int result = tally_pg_worker_copy(reading->worker, error);

	fields = calloc((size_t)nfields + 1, sizeof(*fields));
	if (fields == NULL)
		return tally_pg_no_memory(error);
	while (result == 0) {
		result = tally_pg_conn_next(conn, &row, &len, error);
		if (result != 0)
			break;
		if (tally_pg_row_split(row, len, fields, nfields) != nfields)
			result = tally_fail(error, TALLY_E_IO,
			    "the database sent what is no row");
		else
			result = take_row(reading, fields, error);
		atomic_fetch_add_explicit(&v->bytes, len, memory_order_relaxed);
	}
	free(fields);
	return result == TALLY_END ? 0 : result;
}

static int
read_part(struct tally_pg_worker *worker, void *arg, size_t number,
    struct tally_error *error)
{
	struct walk *walk = arg;
	struct part *part = &walk->parts[number];
	struct tally_pg_source *source = part->table->source;
	struct reading reading = { .v = walk->v,
		.worker = worker,
		.table = part->table,
		.put = walk->put };
	struct tally_pg_text *sql = &worker->sql;
	int result;

	tally_pg_text_reset(sql);
	tally_pg_text_add(sql, part->table->sql.at, part->table->sql.len);
	tally_pg_range_put(sql, "t", &part->range);
	tally_pg_text_put(sql, ") AS r) TO STDOUT");
	result = read_rows(&reading, error);
	tally_pg_rendered_wipe(&reading.row);
	(void)pthread_mutex_lock(&walk->v->lock);
	tally_sum_join(&source->rows, &reading.rows);
	tally_sum_join(&source->old_rows, &reading.old_rows);
	(void)pthread_mutex_unlock(&walk->v->lock);
	/* What the server would not give is no reason to give up (O4). */
	if ((result == TALLY_E_IO || result == TALLY_E_ACCESS) &&
	    tally_pg_conn_is_well(&worker->conn)) {
		make_blind(walk->v, source, error->message);
		worker->lost = true;
		return 0;
	}
	return result;
}

int
tally_pg_rows_read(struct tally_pg_verifier *v, struct tally_pg_rows *rows,
    bool put, struct tally_error *error)
{
	struct walk walk = { .v = v, .put = put };
	size_t count = 0;
	int result;

	for (struct table *table = rows->tables; table != NULL;
	     table = table->next)
		if (table->source->is_sorted == put && table->nviews > 0)
			count += tally_pg_range_count(v, table->blocks);
	walk.parts = calloc(count + 1, sizeof(*walk.parts));
	if (walk.parts == NULL)
		return tally_pg_no_memory(error);
	count = 0;
	for (struct table *table = rows->tables; table != NULL;
	     table = table->next) {
		if (table->source->is_sorted != put || table->nviews == 0)
			continue;
		for (size_t i = 0; i < tally_pg_range_count(v, table->blocks);
		     i++) {
			walk.parts[count].table = table;
			walk.parts[count++].range = tally_pg_range_get(v,
			    table->blocks, i);
		}
	}
	result = count == 0
	    ? 0
	    : tally_pg_pool_run(&v->pool, read_part, &walk, count, error);
	free(walk.parts);
	return result;
}
