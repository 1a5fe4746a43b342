/* SPDX-License-Identifier: Apache-2.0 */
/* Records that were named. */
#include "postgres.h"

#include "verify_accused.h"

#include "miscadmin.h"
#include "utils/hsearch.h"

/* Of more than these, what follows from one finding may be told as another. */
#define ACCUSED_MAX 100000

struct accused
{
	ItemPointerData tid;		/* the key */
	struct tally_chain *chain;	/* where it belongs; NULL: nobody knows */
	int64		seq;
};

void
tally_accused_open(struct tally_verifier *v)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(ItemPointerData);
	ctl.entrysize = sizeof(struct accused);
	ctl.hcxt = v->context;
	v->accused = hash_create("tally accused", 64, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
tally_accused_add(struct tally_verifier *v, const ItemPointerData * tid,
				  struct tally_chain *chain, int64 seq)
{
	struct accused *entry;
	bool		found;

	if (hash_get_num_entries(v->accused) >= ACCUSED_MAX)
		return;
	entry = hash_search(v->accused, tid, HASH_ENTER, &found);
	entry->chain = chain;
	entry->seq = seq;
}

bool
tally_accused_is(struct tally_verifier *v, const ItemPointerData * tid)
{
	return hash_get_num_entries(v->accused) > 0 &&
		hash_search(v->accused, tid, HASH_FIND, NULL) != NULL;
}

bool
tally_accused_place(struct tally_verifier *v, const ItemPointerData * tid,
					struct tally_chain **out_chain, int64 *out_seq)
{
	struct accused *entry;

	if (hash_get_num_entries(v->accused) == 0)
		return false;
	entry = hash_search(v->accused, tid, HASH_FIND, NULL);
	if (entry == NULL || entry->chain == NULL)
		return false;
	*out_chain = entry->chain;
	*out_seq = entry->seq;
	return true;
}

void
tally_accused_walk(struct tally_verifier *v, tally_record_fn fn,
				   void *arg)
{
	HASH_SEQ_STATUS scan;
	struct accused *entry;

	hash_seq_init(&scan, v->accused);
	while ((entry = hash_seq_search(&scan)) != NULL)
		(void) tally_record_fetch(v, &entry->tid, fn, arg);
}
