/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hash.h"
#include "outside/fail.h"
#include "outside/hash.h"

int
tally_outside_hash(const void *bytes, size_t len,
    char out[TALLY_HASH_TEXT_SIZE], struct tally_error *error)
{
	struct tally_hasher hasher;
	struct tally_hash hash;
	bool has_failed;

	if (tally_hasher_open(&hasher) != 0)
		return tally_outside_fail_memory(error);
	hash = tally_hash_bytes(&hasher, bytes, len);
	has_failed = tally_hasher_failed(&hasher);
	tally_hasher_close(&hasher);
	tally_hash_format(&hash, out);
	return has_failed
	    ? tally_fail(error, TALLY_E_BUG, "libcrypto failed")
	    : TALLY_OK;
}
