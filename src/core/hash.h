/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 through libcrypto.
 *
 * A hasher owns one context, and each hash reuses it: none takes memory.  It
 * belongs to one thread at a time.  Should libcrypto fail, the hasher remembers
 * (tally_hasher_failed) and every later result is all zero bytes: a host asks
 * once per batch, before it writes anything.
 */
#ifndef TALLY_CORE_HASH_H
#define TALLY_CORE_HASH_H

#include <stdbool.h>
#include <stddef.h>

#include <tally/record.h>

struct SHA256state_st;

struct tally_hasher {
	struct SHA256state_st *ctx;
	bool failed;
};

/* Returns 0 or TALLY_E_MEMORY; a failed hasher may be closed. */
TALLY_MUST_CHECK int
tally_hasher_open(struct tally_hasher *hasher);

/* Frees what open took; an all-zero hasher is left alone. */
void
tally_hasher_close(struct tally_hasher *hasher);

static inline bool
tally_hasher_failed(const struct tally_hasher *hasher)
{
	return hasher->failed;
}

/* H(bytes). */
struct tally_hash
tally_hash_bytes(struct tally_hasher *hasher, const void *bytes, size_t len);

/* In pieces: begin, add any number of times, end. */
void
tally_hash_begin(struct tally_hasher *hasher);
void
tally_hash_add(struct tally_hasher *hasher, const void *bytes, size_t len);
struct tally_hash
tally_hash_end(struct tally_hasher *hasher);

/* H(0x00 || header): the link of the chain and the leaf of the tree. */
struct tally_hash
tally_hash_leaf(struct tally_hasher *hasher, const void *header, size_t len);

/* H(0x01 || left || right), RFC 6962, section 2.1. */
struct tally_hash
tally_hash_node(struct tally_hasher *hasher, const struct tally_hash *left,
    const struct tally_hash *right);

/* H(0x02 || salt || event); salt NULL stands for sixteen zero bytes. */
struct tally_hash
tally_hash_commitment(struct tally_hasher *hasher,
    const uint8_t salt[TALLY_SALT_SIZE], const void *event, size_t len);

bool
tally_hash_equal(const struct tally_hash *a, const struct tally_hash *b);

bool
tally_hash_is_zero(const struct tally_hash *hash);

#endif
