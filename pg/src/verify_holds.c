/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a record hold for a row?  The events of one row differ in what was done
 * to it, which stands before the rest.
 */
#include "postgres.h"

#include "hasher.h"
#include "verify_match.h"

struct tally_hash
tally_match_hash(const char *op, const uint8 *salt, const char *event,
				 Size len)
{
	static const uint8 no_salt[TALLY_SALT_SIZE];
	static const uint8 domain = 0x02;
	struct tally_hasher *hasher = tally_hasher_get();

	tally_hash_begin(hasher);
	tally_hash_add(hasher, &domain, 1);
	tally_hash_add(hasher, salt != NULL ? salt : no_salt, TALLY_SALT_SIZE);
	tally_hash_add(hasher, op, strlen(op));
	tally_hash_add(hasher, event + 1, len - 1);
	return tally_hash_end(hasher);
}

bool
tally_match_holds(const struct tally_hash *digest, const uint8 *salt,
				  const struct tally_match_row *row)
{
	struct tally_hash hash;

	/* What was not made of the row is zero, and no digest is. */
	if (tally_hash_is_zero(digest))
		return false;
	if (salt == NULL)
		return tally_hash_equal(digest, &row->digest) ||
			tally_hash_equal(digest, &row->update);
	if (row->event == NULL)
		return false;
	hash = tally_hash_commitment(tally_hasher_get(), salt, row->event,
								 row->event_len);
	if (tally_hash_equal(digest, &hash))
		return true;
	hash = tally_match_hash(TALLY_MATCH_UPDATE, salt, row->event,
							row->event_len);
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
	hash = tally_match_hash(TALLY_MATCH_BACKFILL, salt, row->event,
							row->event_len);
	return tally_hash_equal(digest, &hash);
}
