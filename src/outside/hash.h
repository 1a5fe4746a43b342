/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes as names of things outside. */
#ifndef TALLY_OUTSIDE_HASH_H
#define TALLY_OUTSIDE_HASH_H

#include <tally/record.h>

/* SHA-256, in hex.  Errors: TALLY_E_MEMORY, _BUG (libcrypto failed). */
TALLY_MUST_CHECK int
tally_outside_hash(const void *bytes, size_t len,
    char out[TALLY_HASH_TEXT_SIZE], struct tally_error *error);

#endif
