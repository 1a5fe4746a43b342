/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of attached tables, rendered in the forms of their source.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/match.h"
#include "pgclient/retired.h"
#include "pgclient/tables.h"
#include "pgclient/wanted.h"

/* ---- a row ------------------------------------------------------------ */

/* A task: some blocks of a table. */
struct part {
	struct tally_pg_table *table;
	struct tally_pg_range range;
	bool by_key; /* and those rows alone that are wanted */
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
	const struct tally_pg_table *table;
	bool put;
	struct tally_pg_rendered row;
	struct tally_pg_chain *chain; /* of the last row */
	struct tally_sum rows;
	struct tally_sum old_rows;
};

static bool
is_left_out(const struct tally_pg_table *table, const struct tally_pg_use *use,
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
was_covered(const struct tally_pg_table *table, const struct tally_pg_use *use,
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
	const struct tally_pg_table *table = reading->table;
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
		    ? TALLY_PG_AGE_NARROWED
		    : TALLY_PG_AGE_LEFT_OUT;
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
take_view(struct reading *reading, const struct tally_pg_view *view,
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
	const struct tally_pg_table *table = reading->table;
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

/* Only the rows that are wanted, if they can be asked for by key. */
static bool
put_keys(const struct tally_pg_table *table, struct tally_pg_text *sql)
{
	const struct tally_pg_wanted *wanted = table->source->wanted;

	return wanted != NULL && table->key_column != NULL &&
	    tally_pg_wanted_put(wanted, table->key_column, table->key_type,
		sql);
}

/*
 * An index may be used: what it hides has no event in the copy, and what it
 * shows is held against the record.
 */
static int
read_by_key(struct reading *reading, struct tally_error *error)
{
	struct tally_pg_worker *worker = reading->worker;
	int result = tally_pg_worker_run(worker, "SET enable_indexscan = on",
	    error);

	if (result == 0)
		result = read_rows(reading, error);
	if (result == 0)
		result = tally_pg_worker_run(worker,
		    "SET enable_indexscan = off", error);
	return result;
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
	if (part->by_key)
		(void)put_keys(part->table, sql);
	else
		tally_pg_range_put(sql, "t", &part->range);
	tally_pg_text_put(sql, ") AS r) TO STDOUT");
	result = part->by_key ? read_by_key(&reading, error)
			      : read_rows(&reading, error);
	tally_pg_rendered_wipe(&reading.row);
	(void)pthread_mutex_lock(&walk->v->lock);
	tally_sum_join(&source->rows, &reading.rows);
	tally_sum_join(&source->old_rows, &reading.old_rows);
	(void)pthread_mutex_unlock(&walk->v->lock);
	/* What the server would not give is no reason to give up (O4). */
	if ((result == TALLY_E_IO || result == TALLY_E_ACCESS) &&
	    tally_pg_conn_is_well(&worker->conn)) {
		tally_pg_table_make_blind(walk->v, source, error->message);
		worker->lost = true;
		return 0;
	}
	return result;
}

/* The table's parts, from *count on; parts NULL: only counted. */
static void
add_parts(struct walk *walk, struct tally_pg_table *table, size_t *count)
{
	struct tally_pg_text sql = { 0 };
	bool by_key = put_keys(table, &sql);
	size_t n = by_key ? 1 : tally_pg_range_count(walk->v, table->blocks);

	tally_pg_text_wipe(&sql);
	for (size_t i = 0; walk->parts != NULL && i < n; i++) {
		struct part *part = &walk->parts[*count + i];

		part->table = table;
		part->by_key = by_key;
		if (!by_key)
			part->range = tally_pg_range_get(walk->v, table->blocks,
			    i);
	}
	*count += n;
}

static size_t
add_tables(struct walk *walk, const struct tally_pg_rows *rows)
{
	size_t count = 0;

	for (struct tally_pg_table *table = rows->tables; table != NULL;
	     table = table->next)
		if (table->source->is_sorted == walk->put && table->nviews > 0)
			add_parts(walk, table, &count);
	return count;
}

int
tally_pg_rows_read(struct tally_pg_verifier *v, struct tally_pg_rows *rows,
    bool put, struct tally_error *error)
{
	struct walk walk = { .v = v, .put = put };
	size_t count = add_tables(&walk, rows);
	int result = 0;

	walk.parts = calloc(count + 1, sizeof(*walk.parts));
	if (walk.parts == NULL)
		return tally_pg_no_memory(error);
	(void)add_tables(&walk, rows);
	if (count > 0)
		result = tally_pg_pool_run(&v->pool, read_part, &walk, count,
		    error);
	free(walk.parts);
	return result;
}
