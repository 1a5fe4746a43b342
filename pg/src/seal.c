/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing.
 *
 * Before the locks: which chains, their escaped names, the ids of those that
 * are known.  Under them: heads, and for each row a header, its hash and an
 * insertion.  Everything else was done at capture.
 *
 * Why the head is read with SnapshotSelf (P4).  Session A seals seq 7 and
 * commits; it leaves the proc array, then releases the lock.  Session B takes
 * the lock.  B's transaction may have begun long before, under REPEATABLE
 * READ: its own snapshot still shows seq 6, and B would fork the chain.
 * SnapshotSelf asks whether A's transaction committed, which it has, since A
 * left the proc array before B could have the lock.
 *
 * The first transaction of a database also writes where that is (origin.c),
 * under a lock on tally.origin.  Whoever waits for that lock holds no chain,
 * and whoever has it waits for chains only: no cycle.
 */
#include "postgres.h"

#include "hasher.h"
#include "lock.h"
#include "origin.h"
#include "pending.h"
#include "seal.h"
#include "store.h"

#include "core/record.h"

#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Microseconds between 1970-01-01 and PostgreSQL's epoch. */
#define EPOCH_SHIFT_US \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* Look for interrupts this often while sealing. */
#define INTERRUPT_EVERY 256

/*
 * The benchmark's comparator: renders, hashes and writes the same bytes, but
 * to a chain that no other backend uses, so it needs no lock and reads no
 * head.  What is left out is what chaining costs.
 */
#ifdef TALLY_UNCHAINED
static const bool is_unchained = true;
#else
static const bool is_unchained = false;
#endif

static struct tally_sealed receipt;
static uint64 gone;

const struct tally_sealed *
tally_seal_receipt(void)
{
	return &receipt;
}

uint64
tally_seal_gone(void)
{
	return gone;
}

static void
note_receipt(const struct tally_pending *entry, uint64 seq,
			 const struct tally_hash *hash, TimestampTz time)
{
	if (!entry->wants_receipt)
		return;
	receipt.seq = seq;
	receipt.hash = *hash;
	receipt.time = time;
}

static int
compare_slots(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

/* Takes every slot of the transaction's chains, once, in ascending order. */
static void
lock_chains(const struct tally_pending_chain *chains, uint32 nchains)
{
	int			slots[TALLY_LOCK_SLOTS];
	bool		wanted[TALLY_LOCK_SLOTS] = {false};
	int			nslots = 0;
	uint32		i;

	for (i = 0; i < nchains; i++)
	{
		int			slot = tally_lock_slot(chains[i].hash);

		if (chains[i].count == 0 || wanted[slot])
			continue;
		wanted[slot] = true;
		slots[nslots++] = slot;
	}
	qsort(slots, nslots, sizeof(int), compare_slots);
	tally_lock_acquire(slots, nslots);
}

/* What can be known of the chains before they are locked. */
static void
prepare_chains(struct tally_pending_chain *chains, uint32 nchains)
{
	const char *what;
	uint32		i;

	for (i = 0; i < nchains; i++)
	{
		struct tally_pending_chain *chain = &chains[i];

		if (chain->count == 0)
			continue;
		if (tally_name_escape(chain->name, chain->name_len, TALLY_CHAIN_MAX,
							  chain->escaped, &chain->escaped_len, &what) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("the chain's name %s", what)));
		if (!is_unchained)
			chain->id = tally_store_known_chain(chain->name, chain->name_len);
	}
}

/* With the lock: nobody else can make this chain, or has its head. */
static void
open_chain(struct tally_pending_chain *chain,
		   struct tally_store_writer *writer)
{
	struct tally_stored_head head;

	if (chain->id == 0)
		chain->id = tally_store_find_chain(chain->name, chain->name_len,
										   SnapshotSelf);
	if (chain->id == 0)
	{
		chain->id = tally_store_make_chain(chain->name, chain->name_len);
		chain->seq = 0;
		memset(&chain->head, 0, sizeof(chain->head));
		return;
	}
	tally_store_writer_head(writer, chain->id, tally_lock_hint(chain->hash),
							&head);
	/* Honest hands would need thousands of years to come here. */
	if (head.seq > TALLY_SEQ_MAX - chain->count)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("chain \"%.*s\" ends with number %lld, after which there is none",
						(int) chain->name_len, chain->name,
						(long long) head.seq),
				 errhint("Somebody has changed \"tally.record\"; tally.verify() says more.")));
	chain->seq = head.seq;
	chain->head = head.hash;
}

/* The comparator's; chains of the same backend are not told apart. */
static void
open_private_chain(struct tally_pending_chain *chain)
{
	static int64 number;
	static uint64 seq;
	char	   *name;

	if (number == 0)
	{
		name = psprintf("private/%d", MyProcPid);
		number = tally_store_make_chain(name, strlen(name));
	}
	chain->id = number;
	chain->seq = seq;
	seq += chain->count;
}

static void
open_chains(struct tally_pending_chain *chains, uint32 nchains,
			struct tally_store_writer *writer)
{
	uint32		i;

	for (i = 0; i < nchains; i++)
	{
		if (chains[i].count == 0)
			continue;
		if (is_unchained)
			open_private_chain(&chains[i]);
		else
			open_chain(&chains[i], writer);
		if (i % INTERRUPT_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Is the entry one that must not be written again?  An id whose record came
 * to be while this transaction was open, with the same event: it is there,
 * which is what was asked for.  Or the first record of the log's own chain,
 * which another transaction has written meanwhile.
 */
static bool
is_there_already(const struct tally_pending *entry,
				 const struct tally_pending_chain *chain)
{
	const char *id = tally_pending_id(entry);
	struct tally_stored_head found;
	struct tally_hash digest;

	if (entry->only_first)
		return chain->seq > 0;
	if (id == NULL || !tally_store_find_id(chain->id, id, entry->id_len,
										   SnapshotSelf, &found, &digest))
		return false;
	if (!tally_hash_equal(&digest, &entry->digest))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("id \"%.*s\" of chain \"%.*s\" has another event already",
						(int) entry->id_len, id,
						(int) chain->name_len, chain->name)));
	note_receipt(entry, found.seq, &found.hash, found.time);
	return true;
}

/* The next record of the chain. */
static void
seal_entry(const struct tally_pending *entry,
		   struct tally_pending_chain *chain, TimestampTz now,
		   struct tally_store_writer *writer)
{
	char text[	TALLY_HEADER_MAX];
	char		id[TALLY_ID_TEXT_MAX];
	struct tally_header header = {0};
	struct tally_stored_record record = {0};
	struct tally_hash hash;
	const char *what;

	record.id = tally_pending_id(entry);
	record.id_len = entry->id_len;
	if (record.id != NULL &&
		tally_name_escape(record.id, record.id_len, TALLY_ID_MAX, id,
						  &header.id_len, &what) != 0)
		elog(ERROR, "the id %s", what);
	header.id = id;
	header.chain = chain->escaped;
	header.chain_len = chain->escaped_len;
	header.digest = entry->digest;
	header.prev = chain->head;
	header.seq = chain->seq + 1;
	header.time_us = now + EPOCH_SHIFT_US;
	hash = tally_hash_leaf(tally_hasher_get(), text,
						   tally_header_encode(&header, text));

	record.chain_id = chain->id;
	record.seq = header.seq;
	record.time = now;
	record.epoch = entry->epoch;
	record.event_id = entry->event_id;
	record.digest = &entry->digest;
	record.prev = &chain->head;
	record.hash = &hash;
	record.key = tally_pending_key(entry);
	record.key_len = entry->key_len;
	record.salt = tally_pending_salt(entry);
	tally_store_append(writer, &record);

	chain->seq = header.seq;
	chain->head = hash;
	note_receipt(entry, header.seq, &hash, now);
}

static void
seal_entries(struct tally_pending_chain *chains,
			 struct tally_store_writer *writer)
{
	TimestampTz now = GetCurrentTimestamp();
	uint64		count = tally_pending_count();
	uint64		i;

	for (i = 0; i < count; i++)
	{
		const struct tally_pending *entry = tally_pending_get(i);
		struct tally_pending_chain *chain = &chains[entry->chain];

		if (i % INTERRUPT_EVERY == 0)
			CHECK_FOR_INTERRUPTS();
		if (entry->is_gone)
			continue;
		if (entry->has_id || entry->only_first)
		{
			/* This transaction may itself have written the id before. */
			tally_store_flush(writer);
			if (is_there_already(entry, chain))
			{
				if (entry->event_id != 0)
					tally_store_forget_event(entry->event_id);
				continue;
			}
		}
		seal_entry(entry, chain, now, writer);
	}
	/* Before anything of it is written for good. */
	tally_hasher_check();
}

/* For the next one who locks these chains. */
static void
leave_hints(const struct tally_pending_chain *chains, uint32 nchains)
{
	uint32		i;

	for (i = 0; i < nchains; i++)
	{
		if (chains[i].count > 0)
			tally_lock_set_hint(chains[i].hash, chains[i].seq);
	}
}

void
tally_seal(void)
{
	struct tally_pending_chain *chains;
	struct tally_store_writer *writer;
	uint32		nchains;
	MemoryContext saved;
	MemoryContext context;

	chains = tally_pending_chains(&nchains);
	if (tally_pending_count() == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "tally seal",
									ALLOCSET_DEFAULT_SIZES);
	saved = MemoryContextSwitchTo(context);
	/* Whoever touches a table that has a TOAST table must have a snapshot. */
	PushActiveSnapshot(GetTransactionSnapshot());
	tally_origin_settle();
	tally_pending_put_in_order();
	tally_pending_count_chains();
	writer = tally_store_open();
	prepare_chains(chains, nchains);
	if (!is_unchained)
		lock_chains(chains, nchains);
	gone = tally_pending_leave_gone();
	open_chains(chains, nchains, writer);
	seal_entries(chains, writer);
	tally_store_close(writer);
	leave_hints(chains, nchains);
	PopActiveSnapshot();
	MemoryContextSwitchTo(saved);
	MemoryContextDelete(context);
	/* The last chance: from here on the commit cannot be taken back (P8). */
	CHECK_FOR_INTERRUPTS();
}
