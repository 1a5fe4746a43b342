/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can still be read of a line that does not decode, or does not hold.
 *
 * The layout of a header is fixed but for the lengths of its two names and
 * of seq, so a tolerant walk finds every member though a literal between
 * them has a wrong byte.  What a member says is a claim, no more.
 */
#ifndef TALLY_VERIFY_SALVAGE_H
#define TALLY_VERIFY_SALVAGE_H

#include "core/record.h"

#define TALLY_BEGIN "{\"chain\":\""
#define TALLY_BEGIN_LEN ((size_t)10)

/* A line's beginning that is long enough for every header and what follows. */
#define TALLY_PREFIX_MAX ((size_t)2048)

struct tally_salvage {
	const char *chain; /* as it stands there; it may be no name */
	size_t chain_len;  /* 0: the layout was not found, nothing else holds */
	bool has_chain;    /* it is a legal name */
	bool has_prev;
	bool has_hash; /* as stored */
	bool has_seq;
	bool has_digest;
	bool header_holds; /* the header hashes to the stored hash */
	uint64_t seq;
	struct tally_hash digest;
	struct tally_hash prev;
	struct tally_hash hash;
	struct tally_hash computed; /* of the header as it stands there */
	size_t header_len;          /* without its "}" */
};

/* In how many of len bytes do they differ? */
unsigned
tally_salvage_near(const char *text, const char *literal, size_t len);

/* Walks text[0, len), a line or its beginning; hashes the header it finds
 * unless hasher is NULL. */
void
tally_salvage_walk(struct tally_hasher *hasher, const char *text, size_t len,
    struct tally_salvage *out);

/*
 * Looks for the one byte of the chain's name whose change makes the header
 * hash to the stored hash.  *budget is what hashes it may still make.
 * Returns true with the name in out (TALLY_CHAIN_TEXT_MAX bytes; its length
 * is chain_len).
 */
bool
tally_salvage_repair(struct tally_hasher *hasher, const char *text,
    const struct tally_salvage *salvage, uint64_t *budget, char *out);

#endif
