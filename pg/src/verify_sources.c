/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From tally:log's events to sources, epochs and forms.
 *
 * An epoch counts if its attach event hashes to the digest of a record of
 * tally:log.  The record names the event (event_id), but that is not hashed:
 * if the event that it names does not hold, the others that are named by
 * records of rows or by tally.attachment are tried.  So whoever breaks that
 * link breaks one record, not everything that was sealed under the epoch.
 */
#include "postgres.h"

#include "hasher.h"
#include "store.h"
#include "verify_accused.h"
#include "verify_chains.h"
#include "verify_events.h"
#include "verify_links.h"
#include "verify_sources.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* A record of tally:log. */
struct entry
{
	ItemPointerData tid;
	int64		seq;
	int64		event_id;
	struct tally_hash digest;
	const char *event;			/* that holds; NULL: none found */
};

struct tally_sources
{
	HTAB	   *uses;			/* of struct tally_use */
	struct tally_use *last;		/* that was asked for */
	int			nentries;
	int			capacity;
	struct entry *entries;
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

static struct tally_use *
get_use(struct tally_verifier *v, int64 id)
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
	return tally_sum_hash(v->seed, bytes,
						  sizeof(chain_id) + TALLY_HASH_SIZE + key_len);
}

void
tally_sources_take(struct tally_verifier *v, const struct tally_sealed *record)
{
	struct tally_use *use;

	if (record->epoch == 0)
		return;
	use = get_use(v, record->epoch);
	use->total++;
	use->records++;
	/* Where sums are compared no record has a salt: one spoils the sum. */
	tally_sum_add(&use->sum,
				  tally_sources_hash(v, record->salt == NULL ?
									 record->chain_id : -record->chain_id,
									 &record->digest, record->key,
									 record->key_len));
}

void
tally_sources_take_log(struct tally_verifier *v,
					   const struct tally_sealed *record)
{
	struct tally_sources *sources = v->sources;
	struct entry *entry;
	MemoryContext saved = MemoryContextSwitchTo(v->context);

	if (sources->capacity == 0)
	{
		sources->capacity = 64;
		sources->entries = palloc(64 * sizeof(*entry));
	}
	else if (sources->nentries == sources->capacity)
	{
		sources->capacity *= 2;
		sources->entries = repalloc_huge(sources->entries,
										 sources->capacity * sizeof(*entry));
	}
	MemoryContextSwitchTo(saved);
	entry = &sources->entries[sources->nentries++];
	memset(entry, 0, sizeof(*entry));
	entry->tid = record->tid;
	entry->seq = record->seq;
	entry->event_id = record->event_id;
	entry->digest = record->digest;
}

/* ---- which records, which events -------------------------------------- */

/* A record that was named: perhaps it belongs to tally:log, and is not there. */
static bool
take_stray(struct tally_verifier *v, const struct tally_sealed *record,
		   void *arg)
{
	struct tally_chain *chain;
	int64		seq;

	if (record->chain_id != tally_chains_log(v)->id &&
		tally_accused_place(v, &record->tid, &chain,
							&seq) &&
		chain == tally_chains_log(v))
		tally_sources_take_log(v, record);
	return true;
}

static int
compare_entries(const void *a, const void *b)
{
	int64		x = ((const struct entry *) a)->seq;
	int64		y = ((const struct entry *) b)->seq;

	return x < y ? -1 : x > y;
}

/* Where the links say that each record belongs, not where it stands. */
static void
order_entries(struct tally_verifier *v)
{
	struct tally_sources *sources = v->sources;
	struct tally_chain *log = tally_chains_log(v);
	struct tally_chain *chain;
	int64		seq;
	int			i;

	if (log == NULL)
		return;
	tally_accused_walk(v, take_stray, NULL);
	for (i = 0; i < sources->nentries; i++)
	{
		if (tally_accused_place(v, &sources->entries[i].tid, &chain, &seq) &&
			chain == log)
			sources->entries[i].seq = seq;
	}
	if (sources->nentries > 0)
		qsort(sources->entries, sources->nentries, sizeof(struct entry),
			  compare_entries);
}

/* Does the header hold if its digest is that of the event? */
struct repair
{
	struct tally_chain *log;
	int64		seq;
	struct tally_hash digest;
	bool		holds;
};

static bool
try_digest(struct tally_verifier *v, const struct tally_sealed *record,
		   void *arg)
{
	struct repair *repair = arg;
	struct tally_sealed repaired = *record;
	struct tally_hash hash;

	repaired.has_digest = true;
	repaired.digest = repair->digest;
	repair->holds = record->has_prev && record->has_hash &&
		tally_record_hash(&repaired, repair->log, repair->seq, &record->prev,
						  &hash) &&
		tally_hash_equal(&hash, &record->hash);
	return false;
}

/*
 * Is the event what the record sealed?  One of which only the digest was
 * changed, which was told, still shows it by its hash.
 */
static bool
holds(struct tally_verifier *v, const struct entry *entry, const char *event)
{
	struct repair repair = {tally_chains_log(v), entry->seq};

	if (event == NULL)
		return false;
	repair.digest = tally_hash_commitment(tally_hasher_get(), NULL, event,
										  strlen(event));
	if (tally_hash_equal(&repair.digest, &entry->digest))
		return true;
	if (tally_accused_is(v, &entry->tid))
		(void) tally_record_fetch(v, &entry->tid, try_digest, &repair);
	return repair.holds;
}

/* Is the event one of those that the log's records do not name (any more)? */
static void
offer_event(struct tally_verifier *v, int64 id)
{
	struct tally_sources *sources = v->sources;
	const char *event = NULL;
	int			i;

	for (i = 0; i < sources->nentries; i++)
	{
		struct entry *entry = &sources->entries[i];

		if (entry->event != NULL)
		{
			if (entry->event_id == id)
				return;
			continue;
		}
		if (event == NULL)
			event = tally_events_read(v, id);
		if (!holds(v, entry, event))
			continue;
		entry->event_id = id;
		entry->event = event;
		return;
	}
}

static void
load_attached(struct tally_verifier *v)
{
	TupleTableSlot *slot = table_slot_create(v->attachment, NULL);
	TableScanDesc scan = table_beginscan(v->attachment, v->snapshot, 0, NULL);
	struct tally_attached_row *row;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		row = palloc0(sizeof(*row));
		if (!slot->tts_isnull[TALLY_ATTACHMENT_RELATION - 1])
			row->relation =
				DatumGetObjectId(slot->tts_values[TALLY_ATTACHMENT_RELATION - 1]);
		if (!slot->tts_isnull[TALLY_ATTACHMENT_EPOCH - 1])
			row->epoch =
				DatumGetInt64(slot->tts_values[TALLY_ATTACHMENT_EPOCH - 1]);
		row->label = slot->tts_isnull[TALLY_ATTACHMENT_LABEL - 1] ? "" :
			TextDatumGetCString(slot->tts_values[TALLY_ATTACHMENT_LABEL - 1]);
		v->sources->attached = lappend(v->sources->attached, row);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

static void
find_events(struct tally_verifier *v)
{
	struct tally_sources *sources = v->sources;
	bool		all = true;
	HASH_SEQ_STATUS scan;
	struct tally_use *use;
	ListCell   *cell;
	int			i;

	for (i = 0; i < sources->nentries; i++)
	{
		struct entry *entry = &sources->entries[i];
		char	   *event = tally_events_read(v, entry->event_id);

		CHECK_FOR_INTERRUPTS();
		get_use(v, entry->event_id)->is_named = true;
		if (holds(v, entry, event))
			entry->event = event;
		else
			all = false;
	}
	if (all)
		return;
	foreach(cell, sources->attached)
		offer_event(v, ((struct tally_attached_row *) lfirst(cell))->epoch);
	hash_seq_init(&scan, sources->uses);
	while ((use = hash_seq_search(&scan)) != NULL)
		offer_event(v, use->id);
}

/* ---- epochs and sources ----------------------------------------------- */

static bool
is_same_source(const struct tally_epoch *a, const struct tally_epoch *b)
{
	return strcmp(a->label, b->label) == 0 ||
		(a->relation == b->relation && a->cluster == b->cluster &&
		 strcmp(a->database, b->database) == 0);
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
			!is_same_source(use->epoch, epoch))
			continue;
		use->detach_seq = seq;
		use->detach_xid = epoch->xid;
	}
}

static void
begin_epoch(struct tally_verifier *v, const struct entry *entry,
			struct tally_epoch *epoch)
{
	struct tally_use *use = get_use(v, entry->event_id);
	struct tally_source *source;

	if (use->epoch != NULL)
		return;
	/* If the detach in between cannot be read, that was told. */
	end_epochs_like(v, epoch, entry->seq);
	use->epoch = epoch;
	use->attach_seq = entry->seq;
	source = find_source(v, epoch);
	source->uses = lappend(source->uses, use);
}

/* The epoch in force that has the label ends. */
static void
end_epoch(struct tally_verifier *v, const struct entry *entry,
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
		use->detach_xid = detach->xid;
	}
}

static void
replay(struct tally_verifier *v)
{
	struct tally_sources *sources = v->sources;
	int			i;

	for (i = 0; i < sources->nentries; i++)
	{
		const struct entry *entry = &sources->entries[i];
		struct tally_epoch *epoch;
		struct tally_detach *detach;

		if (entry->event == NULL)
			continue;
		epoch = tally_epoch_parse(entry->event_id, entry->event);
		if (epoch != NULL)
		{
			begin_epoch(v, entry, epoch);
			continue;
		}
		detach = tally_detach_parse(entry->event);
		if (detach != NULL)
			end_epoch(v, entry, detach);
	}
}

/* ---- forms ------------------------------------------------------------ */

static bool
is_same_column(const struct tally_column *a, const struct tally_column *b)
{
	return a->number == b->number && a->typmod == b->typmod &&
		strcmp(a->name, b->name) == 0 &&
		strcmp(a->type_name, b->type_name) == 0;
}

static bool
has_same_key(const struct tally_epoch *a, const struct tally_epoch *b)
{
	int			i;

	if (a->nkeys != b->nkeys)
		return false;
	for (i = 0; i < a->nkeys; i++)
	{
		if (!is_same_column(&a->columns[a->keys[i]], &b->columns[b->keys[i]]))
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

static void
finish_source(struct tally_verifier *v, struct tally_source *source)
{
	ListCell   *cell;

	list_sort(source->uses, compare_uses);
	source->is_here = true;
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
		if (!tally_age_is_here(use->epoch))
			source->is_here = false;
		source->label = use->epoch->label;
	}
}

void
tally_sources_load(struct tally_verifier *v)
{
	MemoryContext saved = MemoryContextSwitchTo(v->context);
	ListCell   *cell;
	int			number = 0;

	order_entries(v);
	load_attached(v);
	find_events(v);
	replay(v);
	foreach(cell, v->sources->all)
	{
		struct tally_source *source = lfirst(cell);

		source->number = number++;
		finish_source(v, source);
	}
	MemoryContextSwitchTo(saved);
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

bool
tally_sources_has_unknown(struct tally_verifier *v)
{
	HASH_SEQ_STATUS scan;
	struct tally_use *use;
	bool		found = false;

	hash_seq_init(&scan, v->sources->uses);
	while ((use = hash_seq_search(&scan)) != NULL)
		found |= use->epoch == NULL && use->records > 0;
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
		if (use->epoch == NULL && use->records > 0)
			tally_report_tell_general(v, TALLY_NOT_JUDGED,
									  "%lld records of rows name event %lld as their table's attach event, which tally:log does not seal",
									  (long long) use->records,
									  (long long) use->id);
	}
}
