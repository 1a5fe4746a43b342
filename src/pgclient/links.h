/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of the chains: each record against its neighbours, and what does
 * not fit, named.
 *
 * Terms.  A place is a chain and a seq.  A record claims a place; it holds if
 * its header, as of that place, hashes to its hash.  A stray is a record that
 * does not hold and does not fit where it stands; a hole is a place that no
 * record fills.
 */
#ifndef TALLY_PGCLIENT_LINKS_H
#define TALLY_PGCLIENT_LINKS_H

#include "pgclient/record.h"
#include "pgclient/verifier.h"

/* A record as its chain sees it: all that its header is made of. */
struct tally_pg_step {
	uint64_t tid;
	int64_t seq; /* 0: none */
	bool has_prev;
	bool has_hash;
	bool has_computed;
	bool holds;
	bool has_digest;
	bool has_time;
	bool has_id;
	const char *damage; /* or NULL */
	struct tally_hash prev;
	struct tally_hash hash;     /* as stored */
	struct tally_hash computed; /* of the header that it has */
	struct tally_hash digest;
	int64_t time_us;
	size_t id_len;
	char id[TALLY_ID_MAX];
};

/* Seqs [begin, end) of a chain. */
struct tally_pg_hole {
	struct tally_pg_chain *chain;
	int64_t begin;
	int64_t end;
	bool has_before;
	bool has_after;
	struct tally_hash before; /* hash of the record before it */
	struct tally_hash after;  /* what the record behind it links to */
};

TALLY_MUST_CHECK int
tally_pg_links_open(struct tally_pg_verifier *v, struct tally_error *error);
void
tally_pg_links_close(struct tally_pg_verifier *v);

/* Every record passes here once; chain is its own, or NULL.  Any worker. */
void
tally_pg_links_take(struct tally_pg_verifier *v, struct tally_pg_worker *worker,
    const struct tally_pg_record *record, struct tally_pg_chain *chain);

/* All records have passed: judges, and tells. */
TALLY_MUST_CHECK int
tally_pg_links_judge(struct tally_pg_verifier *v, struct tally_error *error);

/* The hash that the step's header has as seq of the chain, behind prev. */
bool
tally_pg_step_hash(struct tally_pg_verifier *v,
    const struct tally_pg_step *step, const struct tally_pg_chain *chain,
    int64_t seq, const struct tally_hash *prev, struct tally_hash *out);

/* ---- places.c ---- */

struct tally_pg_places;

struct tally_pg_places *
tally_pg_places_new(void);
void
tally_pg_places_free(struct tally_pg_places *places);
void
tally_pg_places_add_hole(struct tally_pg_verifier *v,
    struct tally_pg_places *places, const struct tally_pg_hole *hole);

/* chain: that it claims; NULL: none. */
void
tally_pg_places_add_stray(struct tally_pg_verifier *v,
    struct tally_pg_places *places, struct tally_pg_chain *chain,
    const struct tally_pg_step *step);

/* Finds for each stray the hole that it is missed in; tells what is left. */
void
tally_pg_places_resolve(struct tally_pg_verifier *v,
    struct tally_pg_places *places);

/* The record is there, but bad: one finding. */
void
tally_pg_places_tell_bad(struct tally_pg_verifier *v,
    const struct tally_pg_subject *subject, const struct tally_pg_step *step);

#endif
