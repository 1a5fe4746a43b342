/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration in force for a relation: found once, kept until something
 * changes that it was made of.
 *
 * The tables are read with SnapshotSelf, not with the transaction's snapshot.
 * Session A attaches a table and commits; B, in REPEATABLE READ, has a snapshot
 * from before and inserts a row: the trigger fires, for triggers are found as
 * of now, and must find the attachment.  Session C attaches and inserts within
 * one transaction: what it did itself must count as well.  A fresh MVCC
 * snapshot would do for both, but under SERIALIZABLE it would leave predicate
 * locks on the extension's tables, and writers would fail for an attach of
 * another table.  That SnapshotSelf is no one moment does not matter: attach
 * and detach hold a lock on the table, with its partitions, that excludes
 * everybody for whom a row trigger could be running.
 */
#include "postgres.h"

#include "attachment.h"
#include "condition.h"
#include "origin.h"
#include "render.h"
#include "shape.h"
#include "store.h"

#include "catalog/partition.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/*
 * All of it, with whatever hangs on it, lives in one context of its own.
 */
struct entry
{
	MemoryContext context;
	struct tally_attachment attachment;
	Oid			attached;		/* the relation, or the ancestor that is */
	bool		stale;			/* not to be found again */
	int			ntypes;
	uint32	   *types;			/* hash values as the syscache has them */
	struct tally_shape shape;	/* of all columns */
};

struct slot
{
	Oid			relation;		/* the key */
	struct entry *entry;
};

static HTAB *slots;

/* Counts what was invalidated, to notice it while an entry is being made. */
static uint64 invalidations;

/*
 * tally_store_tables() must not be asked here: a callback reads no catalog.
 * Attach and detach invalidate the table itself; whoever changed
 * tally.attachment by hand has changed no configuration, only broken it.
 */
static void
on_relcache(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS scan;
	struct slot *slot;

	invalidations++;
	hash_seq_init(&scan, slots);
	while ((slot = hash_seq_search(&scan)) != NULL)
	{
		if (relation == InvalidOid || relation == slot->relation ||
			relation == slot->entry->attached ||
			list_member_oid(slot->entry->shape.relations, relation))
			slot->entry->stale = true;
	}
}

static bool
has_type(const struct entry *entry, uint32 type)
{
	int			i;

	for (i = 0; i < entry->ntypes; i++)
	{
		if (entry->types[i] == type)
			return true;
	}
	return false;
}

/* Every CREATE TEMPORARY TABLE makes types; ours are meant only. */
static void
on_type(Datum arg, int cache, uint32 type)
{
	HASH_SEQ_STATUS scan;
	struct slot *slot;

	invalidations++;
	hash_seq_init(&scan, slots);
	while ((slot = hash_seq_search(&scan)) != NULL)
	{
		if (type == 0 || has_type(slot->entry, type))
			slot->entry->stale = true;
	}
}

/* Of an enum's value is only known that there is one. */
static void
on_enum(Datum arg, int cache, uint32 value)
{
	HASH_SEQ_STATUS scan;
	struct slot *slot;

	invalidations++;
	hash_seq_init(&scan, slots);
	while ((slot = hash_seq_search(&scan)) != NULL)
	{
		if (slot->entry->shape.has_enum)
			slot->entry->stale = true;
	}
}

void
tally_attachment_init(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(struct slot);
	slots = hash_create("tally attachments", 64, &ctl,
						HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, on_type, (Datum) 0);
	CacheRegisterSyscacheCallback(ENUMOID, on_enum, (Datum) 0);
}

/*
 * Drops the stale entries.  Not at once: further up the stack a trigger may be
 * at work with one of them, so their memory goes when the transaction ends.
 */
static void
drop_stale(void)
{
	HASH_SEQ_STATUS scan;
	struct slot *slot;

	hash_seq_init(&scan, slots);
	while ((slot = hash_seq_search(&scan)) != NULL)
	{
		if (!slot->entry->stale)
			continue;
		MemoryContextSetParent(slot->entry->context, TopTransactionContext);
		hash_search(slots, &slot->relation, HASH_REMOVE, NULL);
	}
}

/*
 * The attached one among the relation and its ancestors, the topmost if there
 * should be several.  A partition counts also while it is being detached
 * concurrently: its trigger is still there.
 */
static Oid
find_attached(Oid relation, int64 *out_epoch, char **out_label)
{
	Oid			attached = InvalidOid;

	for (;;)
	{
		if (tally_store_find_attachment(relation, SnapshotSelf, out_epoch,
										out_label))
			attached = relation;
		if (!get_rel_relispartition(relation))
			return attached;
		relation = get_partition_parent(relation, true);
	}
}

/* The epoch as its event states it, in the current memory context. */
static struct tally_epoch *
read_epoch(Oid attached, int64 id, const char *label)
{
	char	   *event = tally_store_read_event(id, SnapshotSelf);
	struct tally_epoch *epoch;

	epoch = event == NULL ? NULL : tally_epoch_parse(id, event);
	if (epoch == NULL && event != NULL)
		epoch = tally_track_parse(id, event);
	if (epoch == NULL || epoch->relation != attached ||
		strcmp(epoch->label, label) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the configuration of table \"%s\" cannot be read",
						get_rel_name(attached)),
				 errdetail("Event %lld in \"tally.event\" is not the one that attached it.",
						   (long long) id),
				 errhint("Somebody has changed it; tally.verify() says more.  tally.detach() and tally.attach() begin a new epoch.")));
	pfree(event);
	return epoch;
}

/*
 * Its rows would be lost in a crash, and their records would stay.
 */
static void
check_persistence(Relation rel)
{
	if (rel->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is attached but not permanent",
						RelationGetRelationName(rel)),
				 errhint("Use ALTER TABLE ... SET LOGGED.")));
}

static void
note_types(struct entry *entry, TupleDesc desc)
{
	Oid			type;
	int			i;

	entry->types = palloc(desc->natts * sizeof(*entry->types));
	for (i = 0; i < desc->natts; i++)
	{
		type = TupleDescAttr(desc, i)->atttypid;
		if (!OidIsValid(type))	/* the column was dropped */
			continue;
		entry->types[entry->ntypes++] =
			GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(type));
		tally_shape_add(&entry->shape, type);
	}
}

/* In the current memory context; NULL if there is no attachment. */
static struct entry *
make_entry(Relation rel)
{
	struct entry *entry = palloc0(sizeof(*entry));
	struct tally_attachment *attachment = &entry->attachment;
	char	   *label;
	int64		id;

	entry->context = CurrentMemoryContext;
	entry->attached = find_attached(RelationGetRelid(rel), &id, &label);
	if (!OidIsValid(entry->attached))
		return NULL;
	check_persistence(rel);
	note_types(entry, RelationGetDescr(rel));
	attachment->relation = RelationGetRelid(rel);
	attachment->epoch = read_epoch(entry->attached, id, label);
	attachment->renderer = tally_renderer_new(attachment->epoch, rel, false,
											  NULL);
	if (attachment->epoch->only_when != NULL)
		attachment->condition =
			tally_condition_new(attachment->epoch, rel);
	return entry;
}

/*
 * Makes an entry and keeps it.  What is invalidated meanwhile cannot concern
 * this call, which holds a lock on the relation, but the next one should look
 * again.
 */
static const struct tally_attachment *
make_slot(Relation rel)
{
	MemoryContext context;
	MemoryContext saved;
	struct entry *entry;
	struct slot *slot;
	uint64		before = invalidations;
	Oid			relation = RelationGetRelid(rel);

	context = AllocSetContextCreate(CurrentMemoryContext, "tally attachment",
									ALLOCSET_SMALL_SIZES);
	saved = MemoryContextSwitchTo(context);
	entry = make_entry(rel);
	MemoryContextSwitchTo(saved);
	if (entry == NULL)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	slot = hash_search(slots, &relation, HASH_ENTER, NULL);
	slot->entry = entry;
	entry->stale = invalidations != before;
	MemoryContextSetParent(context, TopMemoryContext);
	return &entry->attachment;
}

const struct tally_attachment *
tally_attachment_find(Relation rel)
{
	Oid			relation = RelationGetRelid(rel);
	struct slot *slot;

	slot = hash_search(slots, &relation, HASH_FIND, NULL);
	if (slot != NULL && !slot->entry->stale)
		return &slot->entry->attachment;
	drop_stale();
	/* In a copy it could not be read, which is not the first thing to say. */
	tally_origin_require();
	return make_slot(rel);
}
