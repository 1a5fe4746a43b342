/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres.h"

#include "columns.h"
#include "hasher.h"
#include "verify_parts.h"
#include "verify_rows.h"

#include "core/jcs.h"
#include "core/row_event.h"

#include "access/relation.h"
#include "utils/rel.h"

/* Is there something to compare with? */
static bool
are_events_kept(const struct tally_form *form)
{
	ListCell   *cell;

	foreach(cell, form->source->uses)
	{
		const struct tally_use *use = lfirst(cell);

		if (use->form == form && use->epoch->keep_event)
			return true;
	}
	return false;
}

/* Why it cannot be rendered, or NULL. */
static char *
fault_of(const struct tally_epoch *epoch, Relation rel)
{
	char	   *why = NULL;
	AttrNumber *numbers = tally_columns_find(epoch, rel, &why);

	return numbers == NULL ? why :
		tally_columns_shape_fault(epoch, rel, numbers);
}

static bool
is_column_same(const struct tally_epoch *epoch, int position, Relation rel)
{
	struct tally_epoch one = *epoch;

	one.columns = &epoch->columns[position];
	one.ncolumns = 1;
	one.nkeys = 0;
	one.chain_by = -1;
	return fault_of(&one, rel) == NULL;
}

/* The epoch with these columns; NULL: it needs others to find its rows. */
static struct tally_epoch *
make_part(const struct tally_epoch *epoch, Relation rel)
{
	struct tally_epoch *part = palloc(sizeof(*part));
	int		   *places = palloc_array(int, epoch->ncolumns);
	int			i;

	*part = *epoch;
	part->columns = palloc_array(struct tally_column, epoch->ncolumns);
	part->ncolumns = 0;
	for (i = 0; i < epoch->ncolumns; i++)
	{
		places[i] = -1;
		if (!is_column_same(epoch, i, rel))
			continue;
		places[i] = part->ncolumns;
		part->columns[part->ncolumns++] = epoch->columns[i];
	}
	part->keys = palloc_array(int, epoch->nkeys);
	for (i = 0; i < epoch->nkeys; i++)
	{
		part->keys[i] = places[epoch->keys[i]];
		if (part->keys[i] < 0)
			return NULL;
	}
	if (epoch->chain_by >= 0)
		part->chain_by = places[epoch->chain_by];
	return epoch->chain_by >= 0 && part->chain_by < 0 ? NULL : part;
}

/* The part's columns, as events name them. */
static const char **
quote_names(const struct tally_epoch *part)
{
	const char **names = palloc_array(const char *, part->ncolumns);
	char	   *quoted;
	int			i;

	for (i = 0; i < part->ncolumns; i++)
	{
		const char *name = part->columns[i].name;
		Size		len = strlen(name);

		quoted = palloc(tally_jcs_measure(name, len) + 1);
		quoted[tally_jcs_quote(name, len, quoted)] = '\0';
		names[i] = quoted;
	}
	return names;
}

static void
look_at_form(struct tally_form *form, Oid root)
{
	Relation	rel = try_relation_open(root, AccessShareLock);
	struct tally_epoch *epoch;

	if (rel == NULL)
		return;
	epoch = tally_rows_move_epoch(form->epoch, root, form->is_told);
	form->why = fault_of(epoch, rel);
	if (form->why != NULL)
		form->part = make_part(epoch, rel);
	if (form->part != NULL)
		form->names = quote_names(form->part);
	relation_close(rel, NoLock);
}

void
tally_parts_find(struct tally_verifier *v, struct tally_source *source)
{
	MemoryContext saved = MemoryContextSwitchTo(v->context);
	ListCell   *cell;
	ListCell   *inner;

	foreach(cell, source->forms)
	{
		struct tally_form *form = lfirst(cell);

		if (!are_events_kept(form))
			continue;
		foreach(inner, source->roots)
		{
			if (form->part == NULL &&
				tally_rows_is_root_of(source, form, lfirst_oid(inner)))
				look_at_form(form, lfirst_oid(inner));
		}
	}
	MemoryContextSwitchTo(saved);
}

void
tally_parts_take(struct tally_match_record *record, const char *event)
{
	struct tally_form *form = record->use->form;
	Size		len = strlen(event);
	char	   *part;

	if (form->part == NULL)
		return;
	part = palloc(len + 1);
	len = tally_row_event_reduce(event, len, form->names,
								 form->part->ncolumns, part);
	if (len > 0)
	{
		record->digest = tally_hash_commitment(tally_hasher_get(),
											   record->salt, part, len);
		record->is_part = true;
		form->parts++;
	}
	pfree(part);
}
