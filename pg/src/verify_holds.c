/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a record hold for a row?  The events of one row differ in what was done
 * to it, which stands before the rest.
 */
#include "postgres.h"

#include "hasher.h"
#include "verify_backfill.h"
#include "verify_match.h"

bool
tally_match_holds(const struct tally_hash *digest, const uint8 *salt,
				  const struct tally_match_row *row)
{
	static const char head[] = "{\"op\":\"update\",";
	struct tally_hasher *hasher = tally_hasher_get();
	static const uint8 domain = 0x02;
	struct tally_hash hash;

	/* What was not made of the row is zero, and no digest is. */
	if (tally_hash_is_zero(digest))
		return false;
	if (salt == NULL)
		return tally_hash_equal(digest, &row->digest) ||
			tally_hash_equal(digest, &row->update);
	if (row->event == NULL)
		return false;
	hash = tally_hash_commitment(hasher, salt, row->event, row->event_len);
	if (tally_hash_equal(digest, &hash))
		return true;
	/* An update is written like an insertion, but for one member before. */
	tally_hash_begin(hasher);
	tally_hash_add(hasher, &domain, 1);
	tally_hash_add(hasher, salt, TALLY_SALT_SIZE);
	tally_hash_add(hasher, head, sizeof(head) - 1);
	tally_hash_add(hasher, row->event + 1, row->event_len - 1);
	hash = tally_hash_end(hasher);
	return tally_hash_equal(digest, &hash);
}

bool
tally_match_holds_old(const struct tally_hash *digest, const uint8 *salt,
					  const struct tally_match_row *row)
{
	struct tally_hash hash;

	if (tally_hash_is_zero(digest) || !row->form->has_backfill)
		return false;
	if (salt == NULL)
		return tally_hash_equal(digest, &row->backfill);
	if (row->event == NULL)
		return false;
	hash = tally_backfill_hash(salt, row->event, row->event_len);
	return tally_hash_equal(digest, &hash);
}
