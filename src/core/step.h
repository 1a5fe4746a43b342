/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of a table as the one who judges their chains sees them: whoever
 * can write to the table may have left anything in any column.
 *
 * Terms.  A place is a chain and a seq.  A record claims a place; it holds if
 * its header, as of that place, hashes to its hash.
 */
#ifndef TALLY_CORE_STEP_H
#define TALLY_CORE_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/hash.h"
#include "core/record.h"

/* What a header is made of besides its place; NULL id: none. */
struct tally_parts {
	bool has_digest; /* false: it is not 32 bytes long */
	bool has_time;   /* false: not of the years 1970 to 9999 */
	struct tally_hash digest;
	int64_t time_us;
	const char *id; /* plain */
	size_t id_len;
};

/* What was seen of a chain; its host's own is around it. */
struct tally_seen {
	int64_t id;
	const char *name;    /* plain; NULL: no row names it */
	const char *escaped; /* NULL: the name is none */
	size_t escaped_len;
	int64_t records;
	int64_t last_seq; /* in place; 0: none */
	struct tally_hash last_hash;
	bool renamed; /* no record holds under this name, which was told */
};

/* A record as its chain sees it. */
struct tally_step {
	uint64_t at; /* where it lies, as its host numbers that */
	int64_t seq; /* 0: none */
	bool has_prev;
	bool has_hash;
	bool has_computed;
	bool holds;
	bool has_id;
	const char *damage; /* what is impossible in it, or NULL; not copied */
	struct tally_hash prev;
	struct tally_hash hash;     /* as stored */
	struct tally_hash computed; /* of the header that it has */
	struct tally_parts parts;   /* id: see tally_step_hash */
	char id[TALLY_ID_MAX];
};

/*
 * Writes the header that the parts make as seq of the chain (its escaped
 * name), behind prev.  False if they make none, or chain is NULL.
 */
bool
tally_parts_encode(const struct tally_parts *parts, const char *chain,
    size_t chain_len, int64_t seq, const struct tally_hash *prev,
    char out[TALLY_HEADER_MAX], size_t *out_len);

/* The hash of that header. */
bool
tally_parts_hash(struct tally_hasher *hasher, const struct tally_parts *parts,
    const char *chain, size_t chain_len, int64_t seq,
    const struct tally_hash *prev, struct tally_hash *out);

/*
 * The host has set at, seq, has_prev, has_hash, damage, prev, hash and parts:
 * sets the others.  seen: the chain that it claims, or NULL.
 */
void
tally_step_judge(struct tally_step *step, struct tally_hasher *hasher,
    const struct tally_seen *seen);

/*
 * The hash that the step's header has as seq of the chain, behind prev.  A
 * step may be copied: its id is read from its own bytes.
 */
bool
tally_step_hash(const struct tally_step *step, struct tally_hasher *hasher,
    const struct tally_seen *seen, int64_t seq, const struct tally_hash *prev,
    struct tally_hash *out);

#endif
