/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of attached tables, rendered in the forms of their source.
 *
 * A form is rendered on the tables that it was sealed of.  Only if none of
 * them is there any more, every table of the source is tried: it may have been
 * dropped and restored.
 */
#include "postgres.h"

#include "condition.h"
#include "hasher.h"
#include "render.h"
#include "verify_chains.h"
#include "verify_match.h"
#include "verify_retired.h"
#include "verify_rewritten.h"
#include "verify_rows.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/pg_inherits.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* A form on a table. */
struct view
{
	struct tally_form *form;
	struct tally_renderer *renderer;
};

/* An epoch's only_when on a table. */
struct cover
{
	const struct tally_use *use;
	struct tally_condition *condition;	/* NULL: its columns are gone */
};

/* A walk over one table. */
struct walk
{
	struct tally_verifier *v;
	struct tally_source *source;
	Relation	rel;
	Oid			root;			/* that it is, or a partition of it */
	bool		is_sum;
	int			nviews;
	struct view *views;
	int			nclasses;
	int			ncovers;
	struct cover *covers;
	struct tally_rendered row;
	ItemPointerData tid;		/* of the row at hand */
};

/* ---- preparing -------------------------------------------------------- */

bool
tally_rows_is_root_of(const struct tally_source *source,
					  const struct tally_form *form, Oid root)
{
	bool		has_root = false;
	ListCell   *cell;

	foreach(cell, source->uses)
	{
		const struct tally_use *use = lfirst(cell);

		if (use->form != form || !OidIsValid(use->root))
			continue;
		if (use->root == root)
			return true;
		has_root = true;
	}
	return !has_root;
}

struct tally_epoch *
tally_rows_move_epoch(const struct tally_epoch *epoch, Oid root, bool is_told)
{
	struct tally_epoch *moved = palloc(sizeof(*moved));

	*moved = *epoch;
	moved->relation = root;
	moved->is_elsewhere = !is_told;
	return moved;
}

static void
add_view(struct walk *walk, struct tally_form *form, Oid root)
{
	struct tally_renderer *renderer;
	struct tally_epoch *epoch;
	char	   *why;
	int			i;

	epoch = tally_rows_move_epoch(form->part != NULL ? form->part :
								  form->epoch, root, form->is_told);
	renderer = tally_renderer_new(epoch, walk->rel, true, &why);
	if (renderer == NULL)
	{
		form->why = MemoryContextStrdup(walk->v->context, why);
		return;
	}
	form->is_rendered = true;
	for (i = 0; i < walk->nviews; i++)
	{
		if (walk->views[i].form->key_class == form->key_class)
			break;
	}
	if (i == walk->nviews)
		walk->nclasses++;
	walk->views[walk->nviews].form = form;
	walk->views[walk->nviews++].renderer = renderer;
}

static void
prepare(struct walk *walk)
{
	struct tally_source *source = walk->source;
	Oid			root = walk->root;
	ListCell   *cell;

	walk->views = palloc(list_length(source->forms) * sizeof(*walk->views));
	walk->covers = palloc(list_length(source->uses) * sizeof(*walk->covers));
	foreach(cell, source->forms)
	{
		if (tally_rows_is_root_of(source, lfirst(cell), root))
			add_view(walk, lfirst(cell), root);
	}
	foreach(cell, source->uses)
	{
		const struct tally_use *use = lfirst(cell);
		struct cover *cover;

		if (use->epoch->only_when == NULL ||
			!tally_rows_is_root_of(source, use->form, root))
			continue;
		cover = &walk->covers[walk->ncovers++];
		cover->use = use;
		tally_condition_new_if(tally_rows_move_epoch(use->epoch, root,
													 use->is_told),
							   walk->rel, &cover->condition);
	}
	tally_rendered_init(&walk->row);
}

/* ---- a row ------------------------------------------------------------ */

/* The epoch's only_when; NULL: it has none. */
static const struct cover *
find_cover(const struct walk *walk, const struct tally_use *use)
{
	int			i;

	for (i = 0; i < walk->ncovers; i++)
	{
		if (walk->covers[i].use == use)
			return &walk->covers[i];
	}
	return NULL;
}

/* Does the epoch's only_when leave the row out, for all that is known? */
static bool
is_left_out(const struct walk *walk, const struct tally_use *use,
			TupleTableSlot *slot)
{
	const struct cover *cover = find_cover(walk, use);

	return cover != NULL && cover->condition != NULL &&
		!tally_condition_holds(cover->condition, slot);
}

/* Can nobody tell any more? */
static bool
is_cover_lost(const struct walk *walk, const struct tally_use *use)
{
	const struct cover *cover = find_cover(walk, use);

	return cover != NULL && cover->condition == NULL;
}

/*
 * A row that is left out: would it have been sealed before that epoch (NULL:
 * in any)?  Whoever narrows
 * only_when for a while can write rows that nobody sees.
 */
static bool
was_covered(const struct walk *walk, const struct tally_use *use,
			TupleTableSlot *slot)
{
	ListCell   *cell;

	foreach(cell, walk->source->uses)
	{
		if (lfirst(cell) == use)
			return false;
		if (!is_left_out(walk, lfirst(cell), slot))
			return true;
	}
	return false;
}

static enum tally_age
judge_age(struct walk *walk, TupleTableSlot *slot, struct tally_use **out_use)
{
	bool		should_free;
	HeapTuple	tuple = ExecFetchSlotHeapTuple(slot, false, &should_free);
	enum tally_age age = tally_age_judge(walk->source, walk->root, tuple,
										 out_use);
	bool		is_rewritten = age == TALLY_AGE_SEALED &&
	tally_rewritten_is(walk->v, RelationGetRelid(walk->rel), *out_use,
					   tuple);

	if (should_free)
		heap_freetuple(tuple);
	if (age == TALLY_AGE_UNKNOWN && !was_covered(walk, NULL, slot))
		return TALLY_AGE_LEFT_OUT;
	/* Where old rows are sealed it leaves out some of them as well. */
	if (age == TALLY_AGE_LEGACY && walk->source->eras != NIL &&
		!was_covered(walk, NULL, slot))
		return TALLY_AGE_LEFT_OUT;
	if (age == TALLY_AGE_SEALED && is_cover_lost(walk, *out_use))
		return TALLY_AGE_UNKNOWN;
	if (age == TALLY_AGE_SEALED && is_rewritten &&
		!is_left_out(walk, *out_use, slot))
		return TALLY_AGE_REWRITTEN;
	if (age != TALLY_AGE_SEALED || !is_left_out(walk, *out_use, slot))
		return age;
	return was_covered(walk, *out_use, slot) ? TALLY_AGE_NARROWED :
		TALLY_AGE_LEFT_OUT;
}

static void
add_up(struct walk *walk, const struct tally_match_row *row)
{
	struct tally_sum *sum = &walk->source->rows;
	const struct tally_hash *digest = &row->digest;

	if (row->age == TALLY_AGE_NARROWED)
		row->use->narrowed++;
	if (row->age == TALLY_AGE_LEFT_OUT || row->age == TALLY_AGE_NARROWED ||
		row->age == TALLY_AGE_AFTER)
		return;
	if (row->age == TALLY_AGE_LEGACY)
	{
		sum = &walk->source->old_rows;
		digest = &row->backfill;
	}
	tally_sum_add(sum, tally_sources_hash(walk->v, row->chain_id, digest,
										  row->key, row->key_len));
}

/* What the digest of its record can be, unless that has a salt. */
static void
make_digests(const struct walk *walk, const struct tally_form *form,
			 const StringInfoData *event, struct tally_match_row *row)
{
	bool		is_old = walk->is_sum && row->age == TALLY_AGE_LEGACY;

	if (!form->is_unsalted)
		return;
	if (!is_old)
		row->digest = tally_hash_commitment(tally_hasher_get(), NULL,
											event->data, event->len);
	if (form->has_updates)
		row->update = tally_match_hash(TALLY_MATCH_UPDATE, NULL, event->data,
									   event->len);
	if (form->has_backfill && (is_old || !walk->is_sum))
		row->backfill = tally_match_hash(TALLY_MATCH_BACKFILL, NULL,
										 event->data, event->len);
}

static void
take_row(struct walk *walk, const struct view *view, TupleTableSlot *slot,
		 struct tally_match_row *row)
{
	struct tally_rendered *rendered = &walk->row;
	const struct tally_chain *chain;

	tally_render_row(view->renderer, slot, TALLY_OP_INSERT, rendered);
	chain = tally_chains_find(walk->v, rendered->chain.data);
	row->form = view->form;
	row->chain_id = chain == NULL ? 0 : chain->seen.id;
	row->key = rendered->key.data;
	row->key_len = rendered->key.len;
	row->event = NULL;
	row->event_len = rendered->event.len;
	if (view->form->is_salted)
		row->event = rendered->event.data;
	make_digests(walk, view->form, &rendered->event, row);
	if (walk->is_sum)
		add_up(walk, row);
	else
		tally_match_put_row(walk->v, row);
}

static void
walk_rows(struct walk *walk)
{
	TupleTableSlot *slot = table_slot_create(walk->rel, NULL);
	TableScanDesc scan = table_beginscan(walk->rel, walk->v->snapshot, 0,
										 NULL);
	MemoryContext saved = MemoryContextSwitchTo(walk->v->scratch);
	struct tally_match_row row;
	struct tally_use *use;
	int			i;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		walk->tid = slot->tts_tid;
		memset(&row, 0, sizeof(row));
		row.relation = RelationGetRelid(walk->rel);
		tally_retiring_take_row(walk->v, row.relation);
		row.tid = slot->tts_tid;
		row.age = judge_age(walk, slot, &use);
		row.use = use;
		row.nclasses = walk->nclasses;
		for (i = 0; i < walk->nviews; i++)
			take_row(walk, &walk->views[i], slot, &row);
		MemoryContextReset(walk->v->scratch);
	}
	MemoryContextSwitchTo(saved);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	tally_hasher_check();
}

/* ---- tables ----------------------------------------------------------- */

/* A row that cannot be rendered ends the verification; this says which. */
static void
add_context(void *arg)
{
	struct walk *walk = arg;

	errcontext("while rendering the row at (%u,%u) of table \"%s\" to verify it",
			   ItemPointerGetBlockNumberNoCheck(&walk->tid),
			   ItemPointerGetOffsetNumberNoCheck(&walk->tid),
			   RelationGetRelationName(walk->rel));
}

static void
walk_table(struct tally_verifier *v, struct tally_source *source, Oid root,
		   Relation rel, bool is_sum)
{
	struct walk walk = {v, source, rel, root, is_sum};
	ErrorContextCallback callback = {error_context_stack, add_context, &walk};
	MemoryContext context = AllocSetContextCreate(v->context, "tally table",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext saved = MemoryContextSwitchTo(context);

	prepare(&walk);
	error_context_stack = &callback;
	if (walk.nviews > 0)
		walk_rows(&walk);
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(context);
}

static void
walk_root(struct tally_verifier *v, struct tally_source *source, Oid root,
		  bool is_sum)
{
	ListCell   *cell;

	foreach(cell, find_all_inheritors(root, AccessShareLock, NULL))
	{
		Relation	rel = try_relation_open(lfirst_oid(cell), AccessShareLock);

		if (rel == NULL)
			continue;
		if (rel->rd_rel->relkind == RELKIND_RELATION)
			walk_table(v, source, root, rel, is_sum);
		relation_close(rel, NoLock);
	}
}

static void
walk_source(struct tally_verifier *v, struct tally_source *source, bool is_sum)
{
	ListCell   *cell;

	foreach(cell, source->roots)
		walk_root(v, source, lfirst_oid(cell), is_sum);
}

void
tally_rows_sum(struct tally_verifier *v, struct tally_source *source)
{
	walk_source(v, source, true);
}

void
tally_rows_put(struct tally_verifier *v, struct tally_source *source)
{
	walk_source(v, source, false);
}
