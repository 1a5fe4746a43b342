/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "pgclient/accused.h"

static size_t
slot_of(const struct tally_pg_accused *accused, uint64_t tid)
{
	size_t at = (size_t)(tid * UINT64_C(0x9e3779b97f4a7c15) >> 32);

	for (at &= accused->size - 1;
	     accused->slots[at].tid != 0 && accused->slots[at].tid != tid;
	     at = (at + 1) & (accused->size - 1))
		;
	return at;
}

static bool
grow(struct tally_pg_accused *accused)
{
	struct tally_pg_accused more = { NULL,
		accused->size > 0 ? accused->size * 2 : 64, accused->count };

	more.slots = calloc(more.size, sizeof(*more.slots));
	if (more.slots == NULL)
		return false;
	for (size_t i = 0; i < accused->size; i++) {
		if (accused->slots[i].tid != 0)
			more.slots[slot_of(&more, accused->slots[i].tid)] =
			    accused->slots[i];
	}
	free(accused->slots);
	*accused = more;
	return true;
}

void
tally_pg_accused_add(struct tally_pg_accused *accused, uint64_t tid,
    struct tally_pg_chain *chain, int64_t seq)
{
	struct tally_pg_accusation *slot;

	if (tid == 0 || accused->count >= TALLY_PG_ACCUSED_MAX ||
	    (accused->count * 2 >= accused->size && !grow(accused)))
		return;
	slot = &accused->slots[slot_of(accused, tid)];
	if (slot->tid == 0)
		accused->count++;
	slot->tid = tid;
	slot->chain = chain;
	slot->seq = seq;
}

void
tally_pg_accused_wipe(struct tally_pg_accused *accused)
{
	free(accused->slots);
	accused->slots = NULL;
	accused->size = accused->count = 0;
}

const struct tally_pg_accusation *
tally_pg_accused_find(const struct tally_pg_accused *accused, uint64_t tid)
{
	const struct tally_pg_accusation *slot;

	if (accused->size == 0)
		return NULL;
	slot = &accused->slots[slot_of(accused, tid)];
	return slot->tid == 0 ? NULL : slot;
}
