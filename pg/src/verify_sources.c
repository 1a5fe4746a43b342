/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources, epochs and forms: what the records and tally:log's events make of
 * them, and what is asked of them.
 */
#include "postgres.h"

#include "shape.h"
#include "store.h"
#include "verify_entries.h"
#include "verify_moves.h"
#include "verify_origin.h"
#include "verify_sources.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

struct tally_sources
{
	HTAB	   *uses;			/* of struct tally_use */
	struct tally_use *last;		/* that was asked for */
	List	   *all;			/* of struct tally_source */
	List	   *forms;
	List	   *attached;		/* of struct tally_attached_row */
};

void
tally_sources_open(struct tally_verifier *v)
{
	HASHCTL		ctl = {0};

	v->sources = palloc0(sizeof(*v->sources));
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(struct tally_use);
	ctl.hcxt = v->context;
	v->sources->uses = hash_create("tally epochs", 64, &ctl,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* ---- while records pass ----------------------------------------------- */

struct tally_use *
tally_sources_get(struct tally_verifier *v, int64 id)
{
	struct tally_sources *sources = v->sources;
	struct tally_use *use;
	bool		found;

	if (sources->last != NULL && sources->last->id == id)
		return sources->last;
	use = hash_search(sources->uses, &id, HASH_ENTER, &found);
	if (!found)
	{
		memset(use, 0, sizeof(*use));
		use->id = id;
	}
	sources->last = use;
	return use;
}

uint64
tally_sources_hash(struct tally_verifier *v, int64 chain_id,
				   const struct tally_hash *digest, const char *key,
				   Size key_len)
{
	char		bytes[sizeof(chain_id) + TALLY_HASH_SIZE + TALLY_KEY_MAX];

	key_len = Min(key_len, TALLY_KEY_MAX);
	memcpy(bytes, &chain_id, sizeof(chain_id));
	memcpy(bytes + sizeof(chain_id), digest->b, TALLY_HASH_SIZE);
	memcpy(bytes + sizeof(chain_id) + TALLY_HASH_SIZE, key, key_len);
	return tally_sip(&v->seed, bytes,
					 sizeof(chain_id) + TALLY_HASH_SIZE + key_len);
}

void
tally_sources_take(struct tally_verifier *v, const struct tally_sealed *record)
{
	struct tally_use *use;

	if (record->epoch == 0)
		return;
	use = tally_sources_get(v, record->epoch);
	use->total++;
	use->records++;
	/* Where sums are compared no record has a salt: one spoils the sum. */
	tally_sum_add(&use->sum,
				  tally_sources_hash(v, record->salt == NULL ?
									 record->chain_id : -record->chain_id,
									 &record->digest, record->key,
									 record->key_len));
}

/* ---- tally.attachment ------------------------------------------------- */

void
tally_sources_load_attached(struct tally_verifier *v)
{
	TupleTableSlot *slot = table_slot_create(v->attachment, NULL);
	TableScanDesc scan = table_beginscan(v->attachment, v->snapshot, 0, NULL);
	struct tally_attached_row *row;
	Datum	   *values = slot->tts_values;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		row = palloc0(sizeof(*row));
		if (!slot->tts_isnull[TALLY_ATTACHMENT_RELATION - 1])
			row->relation =
				DatumGetObjectId(values[TALLY_ATTACHMENT_RELATION - 1]);
		if (!slot->tts_isnull[TALLY_ATTACHMENT_EPOCH - 1])
			row->epoch =
				DatumGetInt64(values[TALLY_ATTACHMENT_EPOCH - 1]);
		row->label = slot->tts_isnull[TALLY_ATTACHMENT_LABEL - 1] ? "" :
			TextDatumGetCString(values[TALLY_ATTACHMENT_LABEL - 1]);
		v->sources->attached = lappend(v->sources->attached, row);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/* ---- the events of tally:log ------------------------------------------ */

void
tally_sources_offer(struct tally_verifier *v)
{
	HASH_SEQ_STATUS scan;
	struct tally_use *use;
	ListCell   *cell;

	foreach(cell, v->sources->attached)
	{
		const struct tally_attached_row *row = lfirst(cell);

		tally_entries_offer(v, row->epoch);
	}
	hash_seq_init(&scan, v->sources->uses);
	while ((use = hash_seq_search(&scan)) != NULL)
		tally_entries_offer(v, use->id);
}

/* ---- epochs and sources ----------------------------------------------- */

/* Is the table that was attached still there, under its oid? */
static bool
is_there(const struct tally_epoch *epoch)
{
	return tally_epoch_is_here(epoch) && get_rel_name(epoch->relation) != NULL;
}

/*
 * A label that went from one table to another makes one source of both only if
 * the other may be what became of the one, restored from a dump.
 */
static bool
is_same_source(const struct tally_epoch *a, const struct tally_epoch *b)
{
	return tally_epoch_is_same_table(a, b) ||
		(strcmp(a->label, b->label) == 0 && !(is_there(a) && is_there(b)));
}

static bool
has_epoch_like(const struct tally_source *source,
			   const struct tally_epoch *epoch)
{
	ListCell   *cell;

	foreach(cell, source->uses)
	{
		if (is_same_source(((struct tally_use *) lfirst(cell))->epoch, epoch))
			return true;
	}
	return false;
}

/* The source that the epoch belongs to; it may make one of several. */
static struct tally_source *
find_source(struct tally_verifier *v, const struct tally_epoch *epoch)
{
	struct tally_source *found = NULL;
	ListCell   *cell;

	foreach(cell, v->sources->all)
	{
		struct tally_source *source = lfirst(cell);

		if (!has_epoch_like(source, epoch))
			continue;
		if (found == NULL)
		{
			found = source;
			continue;
		}
		found->uses = list_concat(found->uses, source->uses);
		v->sources->all = foreach_delete_current(v->sources->all, cell);
	}
	if (found == NULL)
	{
		found = palloc0(sizeof(*found));
		v->sources->all = lappend(v->sources->all, found);
	}
	return found;
}

/* Of one label, and of one table, one epoch is in force. */
static void
end_epochs_like(struct tally_verifier *v, const struct tally_epoch *epoch,
				int64 seq)
{
	HASH_SEQ_STATUS scan;
	struct tally_use *use;

	hash_seq_init(&scan, v->sources->uses);
	while ((use = hash_seq_search(&scan)) != NULL)
	{
		if (use->epoch == NULL || use->detach_seq != 0 ||
			!(tally_epoch_is_same_table(use->epoch, epoch) ||
			  strcmp(use->epoch->label, epoch->label) == 0))
			continue;
		use->detach_seq = seq;
		use->detach_moment = &epoch->moment;
	}
}

static void
begin_epoch(struct tally_verifier *v, const struct tally_entry *entry,
			struct tally_epoch *epoch)
{
	struct tally_use *use = tally_sources_get(v, entry->event_id);
	struct tally_source *source;

	if (use->epoch != NULL)
		return;
	epoch->is_elsewhere = !tally_origins_is_here(v, entry->seq, epoch);
	/* If the detach in between cannot be read, that was told. */
	end_epochs_like(v, epoch, entry->seq);
	use->epoch = epoch;
	use->attach_seq = entry->seq;
	source = find_source(v, epoch);
	source->uses = lappend(source->uses, use);
}

/* The epoch in force that has the label ends. */
static void
end_epoch(struct tally_verifier *v, const struct tally_entry *entry,
		  const struct tally_detach *detach)
{
	HASH_SEQ_STATUS scan;
	struct tally_use *use;

	hash_seq_init(&scan, v->sources->uses);
	while ((use = hash_seq_search(&scan)) != NULL)
	{
		if (use->epoch == NULL || use->detach_seq != 0 ||
			strcmp(use->epoch->label, detach->label) != 0)
			continue;
		use->detach_seq = entry->seq;
		use->detach_moment = &detach->moment;
	}
}

bool
tally_sources_replay(struct tally_verifier *v, const struct tally_entry *entry)
{
	struct tally_epoch *epoch = tally_epoch_parse(entry->event_id,
												  entry->event);
	struct tally_detach *detach;

	if (epoch != NULL)
	{
		begin_epoch(v, entry, epoch);
		return true;
	}
	detach = tally_detach_parse(entry->event);
	if (detach == NULL)
		return false;
	end_epoch(v, entry, detach);
	return true;
}

/* ---- forms ------------------------------------------------------------ */

static bool
is_like_column(const struct tally_column *a, const struct tally_column *b)
{
	return a->number == b->number && a->typmod == b->typmod &&
		strcmp(a->name, b->name) == 0 &&
		strcmp(a->type_name, b->type_name) == 0 &&
		tally_shape_is_compatible(a, b);
}

static bool
is_same_column(const struct tally_column *a, const struct tally_column *b)
{
	return is_like_column(a, b) && tally_shape_is_same(a, b);
}

static bool
has_same_key(const struct tally_epoch *a, const struct tally_epoch *b)
{
	int			i;

	if (a->nkeys != b->nkeys)
		return false;
	for (i = 0; i < a->nkeys; i++)
	{
		if (!is_like_column(&a->columns[a->keys[i]], &b->columns[b->keys[i]]))
			return false;
	}
	return true;
}

static bool
has_same_form(const struct tally_epoch *a, const struct tally_epoch *b)
{
	int			i;

	if (a->ncolumns != b->ncolumns || a->chain_by != b->chain_by ||
		strcmp(a->label, b->label) != 0 ||
		strcmp(a->prefix, b->prefix) != 0 || !has_same_key(a, b))
		return false;
	for (i = 0; i < a->ncolumns; i++)
	{
		if (!is_same_column(&a->columns[i], &b->columns[i]))
			return false;
	}
	return true;
}

static int
find_key_class(struct tally_source *source, const struct tally_epoch *epoch)
{
	ListCell   *cell;

	foreach(cell, source->forms)
	{
		struct tally_form *form = lfirst(cell);

		if (has_same_key(form->epoch, epoch))
			return form->key_class;
	}
	return source->nclasses++;
}

static struct tally_form *
find_form(struct tally_verifier *v, struct tally_source *source,
		  const struct tally_epoch *epoch)
{
	struct tally_form *form;
	ListCell   *cell;

	foreach(cell, source->forms)
	{
		form = lfirst(cell);
		if (has_same_form(form->epoch, epoch))
			return form;
	}
	form = palloc0(sizeof(*form));
	form->number = list_length(v->sources->forms);
	form->source = source;
	form->epoch = epoch;
	form->key_class = find_key_class(source, epoch);
	source->forms = lappend(source->forms, form);
	v->sources->forms = lappend(v->sources->forms, form);
	return form;
}

static int
compare_uses(const ListCell *a, const ListCell *b)
{
	int64		x = ((const struct tally_use *) lfirst(a))->attach_seq;
	int64		y = ((const struct tally_use *) lfirst(b))->attach_seq;

	return x < y ? -1 : x > y;
}

/* Does the epoch seal rows in this chain? */
static bool
is_of_chain(const struct tally_use *use, const char *chain)
{
	Size		len = strlen(use->epoch->prefix);

	return use->total > 0 ||
		(strncmp(chain, use->epoch->prefix, len) == 0 &&
		 (chain[len] == '\0' || chain[len] == '/' || chain[len] == '#'));
}

static void
finish_source(struct tally_verifier *v, struct tally_source *source)
{
	ListCell   *cell;

	list_sort(source->uses, compare_uses);
	tally_moves_translate(source->uses);
	foreach(cell, source->uses)
	{
		struct tally_use *use = lfirst(cell);

		use->source = source;
		use->form = find_form(v, source, use->epoch);
		if (use->epoch->salted)
			use->form->is_salted = true;
		else
			use->form->is_unsalted = true;
		if (!use->epoch->append_only)
			use->form->has_updates = true;
		if (use->detach_seq == 0)
			source->live = use;
		use->is_here = !use->epoch->is_elsewhere;
		if (use->is_told)
			use->form->is_told = true;
		if (!use->is_here)
			source->is_moved = true;
		if (v->scope.chain == NULL || is_of_chain(use, v->scope.chain))
			source->is_relevant = true;
		source->label = use->epoch->label;
	}
}

void
tally_sources_finish(struct tally_verifier *v)
{
	ListCell   *cell;
	int			number = 0;

	foreach(cell, v->sources->all)
	{
		struct tally_source *source = lfirst(cell);

		source->number = number++;
		finish_source(v, source);
	}
}

/* ---- asking ----------------------------------------------------------- */

List *
tally_sources_all(struct tally_verifier *v)
{
	return v->sources->all;
}

struct tally_use *
tally_sources_find(struct tally_verifier *v, int64 epoch)
{
	return hash_search(v->sources->uses, &epoch, HASH_FIND, NULL);
}

struct tally_form *
tally_sources_form(struct tally_verifier *v, int number)
{
	return list_nth(v->sources->forms, number);
}

List *
tally_sources_attached(struct tally_verifier *v)
{
	return v->sources->attached;
}

/* Do records name it, though tally:log does not seal it? */
static bool
is_unknown(const struct tally_use *use)
{
	return use->epoch == NULL && !use->is_tracked && use->records > 0;
}

bool
tally_sources_has_unknown(struct tally_verifier *v)
{
	HASH_SEQ_STATUS scan;
	struct tally_use *use;
	bool		found = false;

	hash_seq_init(&scan, v->sources->uses);
	while ((use = hash_seq_search(&scan)) != NULL)
		found |= is_unknown(use);
	return found;
}

void
tally_sources_tell_unknown(struct tally_verifier *v)
{
	HASH_SEQ_STATUS scan;
	struct tally_use *use;

	hash_seq_init(&scan, v->sources->uses);
	while ((use = hash_seq_search(&scan)) != NULL)
	{
		if (is_unknown(use))
			tally_report_tell_general(v, TALLY_NOT_JUDGED,
									  "%lld records of rows name event %lld as their table's attach event, which tally:log does not seal",
									  (long long) use->records,
									  (long long) use->id);
	}
}
