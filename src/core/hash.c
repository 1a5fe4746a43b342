/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 through libcrypto (FIPS 180-4; RFC 6962 for the prefixes).
 *
 * 1. A hasher takes no memory once it is open: a hash that lacked some would
 *    be no hash, and each line that is read would look altered for it.  EVP
 *    allocates for every message (and takes 130 ns where this takes 73, for a
 *    node of the tree), so libcrypto's older functions are used; they are
 *    called deprecated, and have the same code behind them.
 * 2. Short messages are put together on the stack and given to libcrypto in
 *    one call: each call costs more than copying some hundred bytes.
 * 3. After a failure the hasher answers zeros until it is closed.  A zero
 *    hash links to nothing and matches no record, so even a host that forgot
 *    to ask cannot seal with it unnoticed.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "core/hash.h"

/* Messages up to this length go to libcrypto in one piece. */
#define SHORT_MAX 1040

enum {
	PREFIX_LEAF = 0x00,
	PREFIX_NODE = 0x01,
	PREFIX_COMMITMENT = 0x02,
};

int
tally_hasher_open(struct tally_hasher *hasher)
{
	hasher->ctx = OPENSSL_zalloc(sizeof(*hasher->ctx));
	hasher->failed = hasher->ctx == NULL;
	return hasher->failed ? TALLY_E_MEMORY : 0;
}

void
tally_hasher_close(struct tally_hasher *hasher)
{
	OPENSSL_clear_free(hasher->ctx, sizeof(*hasher->ctx));
	memset(hasher, 0, sizeof(*hasher));
	hasher->failed = true;
}

void
tally_hash_begin(struct tally_hasher *hasher)
{
	if (hasher->failed)
		return;
	if (SHA256_Init(hasher->ctx) != 1)
		hasher->failed = true;
}

void
tally_hash_add(struct tally_hasher *hasher, const void *bytes, size_t len)
{
	if (hasher->failed || len == 0)
		return;
	if (SHA256_Update(hasher->ctx, bytes, len) != 1)
		hasher->failed = true;
}

struct tally_hash
tally_hash_end(struct tally_hasher *hasher)
{
	struct tally_hash hash;

	if (!hasher->failed && SHA256_Final(hash.b, hasher->ctx) != 1)
		hasher->failed = true;
	if (hasher->failed)
		memset(&hash, 0, sizeof(hash));
	return hash;
}

struct tally_hash
tally_hash_bytes(struct tally_hasher *hasher, const void *bytes, size_t len)
{
	tally_hash_begin(hasher);
	tally_hash_add(hasher, bytes, len);
	return tally_hash_end(hasher);
}

/* H(prefix || bytes). */
static struct tally_hash
hash_prefixed(struct tally_hasher *hasher, const uint8_t *prefix,
    size_t prefix_len, const void *bytes, size_t len)
{
	uint8_t message[SHORT_MAX];

	if (len <= sizeof(message) - prefix_len) {
		memcpy(message, prefix, prefix_len);
		if (len > 0)
			memcpy(message + prefix_len, bytes, len);
		return tally_hash_bytes(hasher, message, prefix_len + len);
	}
	tally_hash_begin(hasher);
	tally_hash_add(hasher, prefix, prefix_len);
	tally_hash_add(hasher, bytes, len);
	return tally_hash_end(hasher);
}

struct tally_hash
tally_hash_leaf(struct tally_hasher *hasher, const void *header, size_t len)
{
	static const uint8_t prefix[1] = { PREFIX_LEAF };

	return hash_prefixed(hasher, prefix, sizeof(prefix), header, len);
}

struct tally_hash
tally_hash_node(struct tally_hasher *hasher, const struct tally_hash *left,
    const struct tally_hash *right)
{
	uint8_t message[1 + 2 * TALLY_HASH_SIZE];

	message[0] = PREFIX_NODE;
	memcpy(message + 1, left->b, TALLY_HASH_SIZE);
	memcpy(message + 1 + TALLY_HASH_SIZE, right->b, TALLY_HASH_SIZE);
	return tally_hash_bytes(hasher, message, sizeof(message));
}

struct tally_hash
tally_hash_commitment(struct tally_hasher *hasher,
    const uint8_t salt[TALLY_SALT_SIZE], const void *event, size_t len)
{
	uint8_t prefix[1 + TALLY_SALT_SIZE] = { PREFIX_COMMITMENT };

	if (salt != NULL)
		memcpy(prefix + 1, salt, TALLY_SALT_SIZE);
	return hash_prefixed(hasher, prefix, sizeof(prefix), event, len);
}

bool
tally_hash_equal(const struct tally_hash *a, const struct tally_hash *b)
{
	return memcmp(a->b, b->b, TALLY_HASH_SIZE) == 0;
}

bool
tally_hash_is_zero(const struct tally_hash *hash)
{
	static const struct tally_hash zero;

	return tally_hash_equal(hash, &zero);
}
