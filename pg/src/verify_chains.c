/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chains.
 *
 * Which of them is tally:log decides which configuration everything else is
 * judged by.  So it is not left to its row in tally.chain alone: if no chain
 * has that name, or no record of the one that has it holds under it, it is
 * looked for among the first records of the others.
 */
#include "postgres.h"

#include "hasher.h"
#include "store.h"
#include "verify_chains.h"
#include "verify_record.h"

#include "core/text.h"

#include "access/table.h"
#include "access/tableam.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/rel.h"

struct by_name
{
	const char *name;			/* the key is the pointer, by what it shows */
	struct tally_chain *chain;
};

struct by_number
{
	int64		id;				/* the key */
	struct tally_chain *chain;
};

struct tally_chains
{
	HTAB	   *names;
	HTAB	   *numbers;
	struct tally_chain **all;
	int			count;
	int			capacity;
	struct tally_chain *last;	/* that was asked for */
	struct tally_chain *log;
	struct tally_chain *only;
};

static uint32
hash_name(const void *key, Size size)
{
	const char *name = *(const char *const *) key;

	return hash_bytes((const unsigned char *) name, (int) strlen(name));
}

static int
compare_names(const void *a, const void *b, Size size)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
make_tables(struct tally_verifier *v)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(const char *);
	ctl.entrysize = sizeof(struct by_name);
	ctl.hash = hash_name;
	ctl.match = compare_names;
	ctl.hcxt = v->context;
	v->chains->names = hash_create("tally chains by name", 256, &ctl,
								   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE |
								   HASH_CONTEXT);
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(struct by_number);
	v->chains->numbers = hash_create("tally chains by number", 256, &ctl,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static struct tally_chain *
make_chain(struct tally_verifier *v, int64 id)
{
	struct tally_chains *chains = v->chains;
	struct tally_chain *chain;

	chain = MemoryContextAllocZero(v->context, sizeof(*chain));
	chain->seen.id = id;
	if (chains->all == NULL)
	{
		chains->capacity = 256;
		chains->all = MemoryContextAlloc(v->context,
										 256 * sizeof(*chains->all));
	}
	else if (chains->count == chains->capacity)
	{
		chains->capacity *= 2;
		chains->all = repalloc_huge(chains->all, chains->capacity *
									sizeof(*chains->all));
	}
	chains->all[chains->count++] = chain;
	return chain;
}

struct tally_chain *
tally_chains_get(struct tally_verifier *v, int64 id)
{
	struct tally_chains *chains = v->chains;
	struct by_number *entry;
	bool		found;

	if (chains->last != NULL && chains->last->seen.id == id)
		return chains->last;
	entry = hash_search(chains->numbers, &id, HASH_ENTER, &found);
	if (!found)
		entry->chain = make_chain(v, id);
	chains->last = entry->chain;
	return entry->chain;
}

struct tally_chain *
tally_chains_find(struct tally_verifier *v, const char *name)
{
	struct by_name *entry = hash_search(v->chains->names, &name, HASH_FIND,
										NULL);

	return entry == NULL ? NULL : entry->chain;
}

struct tally_chain *
tally_chains_log(struct tally_verifier *v)
{
	return v->chains->log;
}

struct tally_chain *
tally_chains_only(struct tally_verifier *v)
{
	return v->chains->only;
}

struct tally_chain *
tally_chains_next(struct tally_verifier *v, int *position)
{
	return *position < v->chains->count ? v->chains->all[(*position)++] : NULL;
}

int64
tally_chains_count(struct tally_verifier *v)
{
	struct tally_chain *only = v->chains->only;
	struct tally_chain *chain;
	int64		count = 0;
	int			position = 0;

	while ((chain = tally_chains_next(v, &position)) != NULL)
		count += chain->seen.records > 0 && (only == NULL || chain == only);
	return count;
}

static void
take_name(struct tally_verifier *v, struct tally_chain *chain,
		  const char *name)
{
	char		escaped[TALLY_CHAIN_TEXT_MAX];
	struct by_name *entry;
	const char *what;
	size_t		len;
	bool		found;

	chain->seen.name = MemoryContextStrdup(v->context, name);
	chain->seen.escaped = NULL;
	if (tally_name_escape(name, strlen(name), TALLY_CHAIN_MAX, escaped, &len,
						  &what) == 0)
	{
		chain->seen.escaped = memcpy(MemoryContextAlloc(v->context, len),
									 escaped, len);
		chain->seen.escaped_len = len;
	}
	entry = hash_search(v->chains->names, &chain->seen.name, HASH_ENTER,
						&found);
	if (!found)
		entry->chain = chain;
}

/* Why the row is none that we wrote, or NULL. */
static const char *
row_fault(struct tally_verifier *v, TupleTableSlot *slot, int64 *out_id,
		  char **out_name)
{
	bool		no_id;
	bool		no_name;
	Datum		id = slot_getattr(slot, TALLY_CHAIN_ID, &no_id);
	Datum		name = slot_getattr(slot, TALLY_CHAIN_NAME, &no_name);
	struct tally_chain *chain;

	*out_name = no_name ? NULL : TextDatumGetCString(name);
	*out_id = no_id ? 0 : DatumGetInt64(id);
	if (*out_id <= 0)
		return "its number is null, or none";
	if (no_name)
		return "its name is null";
	chain = tally_chains_get(v, *out_id);
	if (chain->seen.name != NULL)
		return "another row has its number";
	if (tally_chains_find(v, *out_name) != NULL)
		return "another row has its name";
	return NULL;
}

static void
take_row(struct tally_verifier *v, TupleTableSlot *slot)
{
	struct tally_subject subject = {0};
	const char *fault;
	char	   *name;
	int64		id;

	fault = row_fault(v, slot, &id, &name);
	subject.chain = name;
	if (fault != NULL)
		tally_report_tell(v, TALLY_DAMAGED, &subject,
						  "a row of tally.chain is none: %s", fault);
	if (name == NULL || id <= 0 || tally_chains_get(v, id)->seen.name != NULL)
		return;
	take_name(v, tally_chains_get(v, id), name);
	if (fault == NULL && tally_chains_get(v, id)->seen.escaped == NULL)
		tally_report_tell(v, TALLY_DAMAGED, &subject,
						  "no chain has such a name");
}

static void
load_rows(struct tally_verifier *v)
{
	TupleTableSlot *slot = table_slot_create(v->chain, NULL);
	TableScanDesc scan = table_beginscan(v->chain, v->snapshot, 0, NULL);
	MemoryContext saved = MemoryContextSwitchTo(v->scratch);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		take_row(v, slot);
		MemoryContextReset(v->scratch);
	}
	MemoryContextSwitchTo(saved);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/* ---- the log's own chain ---------------------------------------------- */

struct search
{
	struct tally_chain log;		/* its name, and no more */
	struct tally_chain *found;
};

/* A record that holds under the log's name: of which chain? */
static bool
try_record(struct tally_verifier *v, const struct tally_sealed *record,
		   void *arg)
{
	struct search *search = arg;
	struct tally_hash hash;

	if (!record->has_chain || !record->has_prev || !record->has_hash ||
		!tally_record_hash(record, &search->log, record->seq, &record->prev,
						   &hash) ||
		!tally_hash_equal(&hash, &record->hash))
		return true;
	search->found = tally_chains_get(v, record->chain_id);
	return false;
}

static bool
try_first(struct tally_verifier *v, const struct tally_sealed *record,
		  void *arg)
{
	return record->seq != 1 || try_record(v, record, arg);
}

/* The name in tally.chain is not what its records are sealed under. */
static void
rename_to_log(struct tally_verifier *v, struct tally_chain *chain)
{
	struct tally_subject subject = {TALLY_LOG_CHAIN};
	const char *name = TALLY_LOG_CHAIN;

	if (chain->seen.name == NULL)
		tally_report_tell(v, TALLY_LINK_ALTERED, &subject,
						  "tally.chain has no row for it");
	else
		tally_report_tell(v, TALLY_LINK_ALTERED, &subject,
						  "tally.chain calls it \"%s\"", chain->seen.name);
	/* Another chain that was given its name is told for that later. */
	(void) hash_search(v->chains->names, &name, HASH_REMOVE, NULL);
	take_name(v, chain, TALLY_LOG_CHAIN);
	v->chains->log = chain;
}

static void
find_log(struct tally_verifier *v)
{
	struct search search = {0};

	v->chains->log = tally_chains_find(v, TALLY_LOG_CHAIN);
	search.log.seen.escaped = TALLY_LOG_CHAIN;
	search.log.seen.escaped_len = strlen(TALLY_LOG_CHAIN);
	if (v->chains->log != NULL)
		tally_record_walk(v, v->chains->log->seen.id, try_record, &search);
	if (search.found != NULL)
		return;
	tally_record_walk(v, 0, try_first, &search);
	if (search.found != NULL)
		rename_to_log(v, search.found);
}

static void
find_only(struct tally_verifier *v)
{
	struct tally_subject subject = {v->scope.chain};

	if (v->scope.chain == NULL)
		return;
	v->chains->only = tally_chains_find(v, v->scope.chain);
	if (v->chains->only != NULL)
		return;
	/* Only a head that was kept elsewhere shows that there was one. */
	tally_report_tell(v, TALLY_NOT_JUDGED, &subject,
					  "there is no such chain: either there never was, or it is gone");
	/* A chain that no record is of. */
	v->chains->only = MemoryContextAllocZero(v->context,
											 sizeof(struct tally_chain));
}

void
tally_chains_load(struct tally_verifier *v)
{
	v->chains = MemoryContextAllocZero(v->context, sizeof(*v->chains));
	make_tables(v);
	load_rows(v);
	find_log(v);
	find_only(v);
}
