/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 (RFC 8032, pure) through libcrypto, from raw keys.
 *
 * The seed is the private key of RFC 8032: whoever holds it can sign.  Nothing
 * here keeps a copy of it.
 */
#ifndef TALLY_CORE_SIGN_H
#define TALLY_CORE_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

#define TALLY_SIGN_PUBLIC_SIZE 32
#define TALLY_SIGN_SEED_SIZE 32
#define TALLY_SIGN_SIZE 64 /* of a signature */

/* The public key of a seed.  Returns 0 or TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_sign_public(const uint8_t seed[TALLY_SIGN_SEED_SIZE],
    uint8_t out[TALLY_SIGN_PUBLIC_SIZE]);

/* Signs; the same message gives the same bytes.  Returns 0 or
 * TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_sign_make(const uint8_t seed[TALLY_SIGN_SEED_SIZE], const void *message,
    size_t len, uint8_t out[TALLY_SIGN_SIZE]);

/*
 * Is it this key's signature of the message?  False also if libcrypto fails:
 * nothing is ever accepted by accident.  Whoever calls a signature forged for
 * it asks tally_sign_works first.
 */
bool
tally_sign_check(const uint8_t key[TALLY_SIGN_PUBLIC_SIZE], const void *message,
    size_t len, const uint8_t signature[TALLY_SIGN_SIZE]);

/* Does a signature hold of which that is known (RFC 8032, section 7.1, test 1)?
 * Not if libcrypto has no memory. */
bool
tally_sign_works(void);

/* Overwrites a secret; not optimised away. */
void
tally_sign_wipe(void *secret, size_t len);

#endif
