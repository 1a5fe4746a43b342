/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this transaction captured and has not sealed.
 */
#include "postgres.h"

#include "pending.h"
#include "settings.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "utils/memutils.h"

/* Where a savepoint of this nesting level began. */
struct mark
{
	int			level;
	uint64		count;
	uint64		used;
	uint32		nchains;
};

/* Everything lives in one context, a child of TopTransactionContext. */
static MemoryContext context;

static struct tally_pending *entries;
static uint64 count;
static uint64 capacity;

/* The last command that a row was captured of; is anything out of order? */
static CommandId latest;
static bool is_disordered;

static uint8 *bytes;
static uint64 used;
static uint64 size;

static struct tally_pending_chain *chains;
static uint32 nchains;
static uint32 chains_capacity;
static uint32 last_chain;

/* Open addressing: position among the chains + 1; 0: free. */
static uint32 *buckets;
static uint32 nbuckets;

static struct mark *marks;
static int	nmarks;
static int	marks_capacity;

/*
 * Whoever runs out of memory inside a savepoint may go on after it: here and
 * where something grows, nothing is said to be there before it is.
 */
static void
begin(void)
{
	MemoryContext fresh = AllocSetContextCreate(TopTransactionContext,
												"tally pending",
												ALLOCSET_DEFAULT_SIZES);

	capacity = 8;
	entries = MemoryContextAlloc(fresh, capacity * sizeof(*entries));
	size = 512;
	bytes = MemoryContextAlloc(fresh, size);
	chains_capacity = 2;
	chains = MemoryContextAlloc(fresh, chains_capacity * sizeof(*chains));
	nbuckets = 8;
	buckets = MemoryContextAllocZero(fresh, nbuckets * sizeof(*buckets));
	marks_capacity = 4;
	marks = MemoryContextAlloc(fresh, marks_capacity * sizeof(*marks));
	context = fresh;
}

void
tally_pending_reset(void)
{
	if (context == NULL)
		return;
	MemoryContextDelete(context);
	context = NULL;
	count = used = 0;
	nchains = last_chain = 0;
	nmarks = 0;
	latest = FirstCommandId;
	is_disordered = false;
}

static void
put_bucket(uint32 position)
{
	uint32		at = (uint32) chains[position].hash & (nbuckets - 1);

	while (buckets[at] != 0)
		at = (at + 1) & (nbuckets - 1);
	buckets[at] = position + 1;
}

static void
grow_chains(void)
{
	uint32		wanted = chains_capacity * 2;
	uint32	   *fresh;
	uint32		i;

	chains = repalloc_huge(chains, wanted * sizeof(*chains));
	fresh = MemoryContextAllocExtended(context, wanted * 4 * sizeof(*fresh),
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	pfree(buckets);
	buckets = fresh;
	nbuckets = wanted * 4;
	chains_capacity = wanted;
	for (i = 0; i < nchains; i++)
		put_bucket(i);
}

/* The chains from this one on, which came last. */
static void
forget_chains(uint32 from)
{
	while (nchains > from)
	{
		uint32		at = (uint32) chains[--nchains].hash & (nbuckets - 1);

		while (buckets[at] != nchains + 1)
			at = (at + 1) & (nbuckets - 1);
		/* Only chains that came later were put beyond it. */
		buckets[at] = 0;
		pfree(chains[nchains].name);
	}
}

static bool
is_chain(const struct tally_pending_chain *chain, const char *name, Size len)
{
	return chain->name_len == len && memcmp(chain->name, name, len) == 0;
}

static uint32
add_chain(const char *name, Size len, uint64 hash)
{
	struct tally_pending_chain *chain;

	if (nchains == chains_capacity)
		grow_chains();
	chain = &chains[nchains];
	memset(chain, 0, sizeof(*chain));
	chain->name = MemoryContextAlloc(context, len);
	memcpy(chain->name, name, len);
	chain->name_len = len;
	chain->hash = hash;
	put_bucket(nchains);
	return nchains++;
}

static uint32
find_chain(const char *name, Size len)
{
	uint64		hash;
	uint32		at;

	/* Rows of one statement mostly go to the chain of the one before. */
	if (last_chain < nchains && is_chain(&chains[last_chain], name, len))
		return last_chain;
	hash = DatumGetUInt64(hash_any_extended((const unsigned char *) name,
											(int) len, 0));
	for (at = (uint32) hash & (nbuckets - 1); buckets[at] != 0;
		 at = (at + 1) & (nbuckets - 1))
	{
		if (is_chain(&chains[buckets[at] - 1], name, len))
			return buckets[at] - 1;
	}
	return add_chain(name, len, hash);
}

/* Remembers where a savepoint began whose first capture this is. */
static void
mark_level(void)
{
	int			level = GetCurrentTransactionNestLevel();

	if (level == 1 || (nmarks > 0 && marks[nmarks - 1].level == level))
		return;
	if (nmarks == marks_capacity)
	{
		marks = repalloc(marks, 2 * marks_capacity * sizeof(*marks));
		marks_capacity *= 2;
	}
	marks[nmarks].level = level;
	marks[nmarks].count = count;
	marks[nmarks].used = used;
	marks[nmarks].nchains = nchains;
	nmarks++;
}

static void
put_bytes(const void *from, Size len)
{
	if (len > 0)
		memcpy(bytes + used, from, len);
	used += len;
}

static void
reserve(Size len)
{
	if (count == capacity)
	{
		entries = repalloc_huge(entries, 2 * capacity * sizeof(*entries));
		capacity *= 2;
	}
	if (size - used < len)
	{
		uint64		wanted = Max(size * 2, used + len);

		bytes = repalloc_huge(bytes, wanted);
		size = wanted;
	}
}

/*
 * A savepoint that is rolled back takes back neither: what is in order may be
 * put in order.
 */
static void
note_command(const struct tally_pending_request *request)
{
	if (request->key == NULL)
		return;
	if (request->before <= latest)
		is_disordered = true;
	latest = Max(latest, request->made_by);
}

bool
tally_pending_is_disordered(void)
{
	return is_disordered;
}

void
tally_pending_add(const struct tally_pending_request *request)
{
	struct tally_pending *entry;

	if (count >= (uint64) tally_max_rows_per_transaction)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a transaction seals at most %d rows",
						tally_max_rows_per_transaction),
				 errhint("Commit in between, or have a superuser raise tally.max_rows_per_transaction; each row takes some 120 bytes of memory until the commit.")));
	if (context == NULL)
		begin();
	mark_level();
	reserve(TALLY_SALT_SIZE + request->key_len + request->id_len +
			sizeof(*request->version));
	entry = &entries[count];
	memset(entry, 0, sizeof(*entry));
	entry->chain = last_chain = find_chain(request->chain, request->chain_len);
	entry->epoch = request->epoch;
	entry->event_id = request->event_id;
	entry->only_first = request->only_first;
	entry->wants_receipt = request->wants_receipt;
	entry->digest = *request->digest;
	entry->bytes = used;
	entry->made_by = request->made_by;
	entry->before = request->before;
	entry->has_salt = request->salt != NULL;
	entry->has_key = request->key != NULL;
	entry->has_id = request->id != NULL;
	entry->has_version = request->version != NULL;
	entry->key_len = (uint16) request->key_len;
	entry->id_len = (uint16) request->id_len;
	if (entry->has_salt)
		put_bytes(request->salt, TALLY_SALT_SIZE);
	put_bytes(request->key, request->key_len);
	put_bytes(request->id, request->id_len);
	if (entry->has_version)
		put_bytes(request->version, sizeof(*request->version));
	note_command(request);
	count++;
}

uint64
tally_pending_count(void)
{
	return count;
}

struct tally_pending *
tally_pending_get(uint64 position)
{
	Assert(position < count);
	return &entries[position];
}

struct tally_pending_chain *
tally_pending_chains(uint32 *out_count)
{
	*out_count = nchains;
	return chains;
}

void
tally_pending_count_chains(void)
{
	uint64		i;

	for (i = 0; i < nchains; i++)
		chains[i].count = 0;
	for (i = 0; i < count; i++)
		chains[entries[i].chain].count += !entries[i].is_gone;
}

const uint8 *
tally_pending_salt(const struct tally_pending *entry)
{
	return entry->has_salt ? bytes + entry->bytes : NULL;
}

const char *
tally_pending_key(const struct tally_pending *entry)
{
	Size		before = entry->has_salt ? TALLY_SALT_SIZE : 0;

	return entry->has_key ? (const char *) bytes + entry->bytes + before : NULL;
}

const char *
tally_pending_id(const struct tally_pending *entry)
{
	Size		before = entry->has_salt ? TALLY_SALT_SIZE : 0;

	before += entry->key_len;
	return entry->has_id ? (const char *) bytes + entry->bytes + before : NULL;
}

void
tally_pending_version(const struct tally_pending *entry,
					  struct tally_version *out)
{
	Size		before = entry->has_salt ? TALLY_SALT_SIZE : 0;

	before += entry->key_len + entry->id_len;
	memcpy(out, bytes + entry->bytes + before, sizeof(*out));
}

void
tally_pending_commit_sub(int level)
{
	if (nmarks == 0 || marks[nmarks - 1].level < level)
		return;
	/* What the savepoint captured now belongs to the one around it. */
	if (level - 1 <= 1 ||
		(nmarks > 1 && marks[nmarks - 2].level == level - 1))
		nmarks--;
	else
		marks[nmarks - 1].level = level - 1;
}

void
tally_pending_abort_sub(int level)
{
	while (nmarks > 0 && marks[nmarks - 1].level >= level)
	{
		nmarks--;
		count = marks[nmarks].count;
		used = marks[nmarks].used;
		forget_chains(marks[nmarks].nchains);
	}
}
