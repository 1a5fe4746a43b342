/* SPDX-License-Identifier: Apache-2.0 */
/* Records and rows as they are sorted, and whether one holds for another. */
#include <stdlib.h>
#include <string.h>

#include "pgclient/key.h"
#include "pgclient/render.h"

int
tally_pg_item_put(struct tally_sort *sort, const struct tally_sort_key *at,
    const struct tally_pg_item *item, const char *key, const char *event,
    struct tally_error *error)
{
	size_t len = sizeof(*item) + item->key_len + item->event_len;
	char small[2048];
	char *room = len <= sizeof(small) ? small : malloc(len);
	int result;

	if (room == NULL)
		return tally_pg_no_memory(error);
	memcpy(room, item, sizeof(*item));
	if (item->key_len > 0)
		memcpy(room + sizeof(*item), key, item->key_len);
	if (item->event_len > 0)
		memcpy(room + sizeof(*item) + item->key_len, event,
		    item->event_len);
	result = tally_sort_put(sort, at, room, len, error);
	if (room != small)
		free(room);
	return result;
}

uint64_t
tally_pg_item_order(const struct tally_pg_item *row)
{
	uint64_t chain = row->chain == NULL ? 0 : (uint64_t)row->chain->seen.id;

	return chain << 20 | (uint64_t)row->form->number;
}

bool
tally_pg_key_holds_old(struct tally_pg_verifier *v,
    const struct tally_pg_item *record, const struct tally_pg_member *row)
{
	struct tally_hash hash;

	/* What was not made of the row is zero, and no digest is. */
	if (tally_hash_is_zero(&record->digest) || !row->item.form->has_eras)
		return false;
	if ((record->flags & TALLY_PG_HAS_SALT) == 0)
		return tally_hash_equal(&record->digest, &row->item.old);
	if (row->event == NULL)
		return false;
	hash = tally_pg_op_commitment(&v->hasher, TALLY_PG_BACKFILL,
	    record->salt, row->event, row->item.event_len);
	return tally_hash_equal(&record->digest, &hash);
}

bool
tally_pg_key_holds(struct tally_pg_verifier *v,
    const struct tally_pg_item *record, const struct tally_pg_member *row)
{
	const struct tally_hash *digest = &record->digest;
	struct tally_hash hash;

	if (tally_hash_is_zero(digest))
		return false;
	if ((record->flags & TALLY_PG_HAS_SALT) == 0)
		return tally_hash_equal(digest, &row->item.digest) ||
		    tally_hash_equal(digest, &row->item.update);
	if (row->event == NULL)
		return false;
	hash = tally_hash_commitment(&v->hasher, record->salt, row->event,
	    row->item.event_len);
	if (tally_hash_equal(digest, &hash))
		return true;
	hash = tally_pg_op_commitment(&v->hasher, TALLY_PG_UPDATE, record->salt,
	    row->event, row->item.event_len);
	return tally_hash_equal(digest, &hash);
}

bool
tally_pg_key_is_same(const struct tally_pg_member *a,
    const struct tally_pg_member *b)
{
	return a->item.key_len == b->item.key_len &&
	    memcmp(a->key, b->key, a->item.key_len) == 0;
}

bool
tally_pg_key_is_same_line(const struct tally_pg_member *a,
    const struct tally_pg_member *b)
{
	return a->item.chain == b->item.chain && tally_pg_key_is_same(a, b);
}
