/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digests that other systems hash with, by name, through libcrypto.  Ours
 * is SHA-256 and stands in core/hash.h.
 */
#ifndef TALLY_CORE_DIGEST_H
#define TALLY_CORE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

#define TALLY_DIGEST_MAX 64

/* For a message: the names, separated by commas. */
#define TALLY_DIGEST_NAMES "sha256, sha1, sha384, sha512, sha3-256, md5"

struct evp_md_ctx_st;
struct evp_md_st;

/* The bytes in use are as many as the digester has. */
struct tally_digest {
	uint8_t b[TALLY_DIGEST_MAX];
};

struct tally_digester {
	struct evp_md_ctx_st *ctx;
	struct evp_md_st *md;
	size_t size; /* bytes of a digest */
	bool failed; /* libcrypto did; what it gave is of no use */
};

/* Bytes of the digest of this name; 0 if there is none. */
size_t
tally_digest_size(const char *name);

/* name is one of the above.  0, or TALLY_E_MEMORY (also where libcrypto does
 * not have it); to be closed in either case. */
TALLY_MUST_CHECK int
tally_digester_open(struct tally_digester *digester, const char *name);

/* An all-zero digester is left alone. */
void
tally_digester_close(struct tally_digester *digester);

/* Writes size bytes of out. */
void
tally_digest_bytes(struct tally_digester *digester, const void *bytes,
    size_t len, struct tally_digest *out);

#endif
