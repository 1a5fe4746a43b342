/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking through a source: each record is judged alone by its own link, its
 * link is held against the record before it; what is loose is judged at the
 * end.
 *
 * 1. One altered record makes one finding: a record is hashed with the link
 *    that it stores, not with the one that it ought to have.
 * 2. If no record holds, the profile is what does not fit, and that is said
 *    instead of everything else.
 */
#ifndef TALLY_FOREIGN_WALK_H
#define TALLY_FOREIGN_WALK_H

#include "core/digest.h"
#include "foreign/chain.h"
#include "foreign/graph.h"
#include "foreign/judge.h"
#include "foreign/reader.h"

/* Where a chain stands. */
struct tally_chain_state {
	uint64_t count; /* records, chained or not */
	uint64_t order;
	uint64_t first;  /* own hash of the first start, as an item has it */
	uint64_t legacy; /* leading records without a hash */
	uint64_t legacy_index, legacy_offset; /* of the first one */
	struct tally_item item; /* of the last chained record; it waits for its
				   child */
	struct tally_digest hash; /* of that */
	uint16_t era;
	bool begun;   /* there was a chained record */
	bool started; /* there was a start */
	bool has_order;
};

/* Called for each record, before it is judged; 0, or an error that ends the
 * walk. */
struct tally_walk_seen {
	int (*fn)(void *arg, const struct tally_reading *reading);
	void *arg;
};

struct tally_walk {
	const struct tally_profile *profile;
	const struct tally_walk_seen *seen; /* or NULL */
	const struct tally_profile_source *source;
	const struct tally_verify_options *options;
	struct tally_error *error;
	struct tally_judging judging;
	struct tally_canon_room room;
	struct tally_chain_table chains;
	struct tally_chain_state *states; /* by their numbers */
	uint32_t states_len, states_capacity;
	struct tally_links links;
	struct tally_reader reader;
	struct tally_row row;
	struct tally_canon_out hash, prev; /* decoded, if with escapes */
	struct tally_graph *graph;         /* NULL: nobody wants one */
	uint64_t records;
	uint64_t chained;
	uint64_t holds;
	uint64_t bytes;
	int64_t start_us;
};

/* Reads all, judges all; graph and seen may be NULL.  0, TALLY_PARTIAL
 * (interrupted) or an error with a message; to be closed in either case. */
TALLY_MUST_CHECK int
tally_walk(struct tally_walk *w, const struct tally_profile *profile,
    const struct tally_profile_source *source,
    const struct tally_verify_options *options, struct tally_graph *graph,
    const struct tally_walk_seen *seen, struct tally_error *error);

void
tally_walk_close(struct tally_walk *w);

/* All is told and concluded: gives back all memory but that of the chains'
 * names. */
void
tally_walk_judged(struct tally_walk *w);

/* The sentence for what was found; room for size bytes. */
void
tally_walk_detail(const struct tally_walk *w, const struct tally_found *found,
    char *out, size_t size);

/* As the caller of a verification sees it; detail and chain are borrowed. */
void
tally_walk_finding(const struct tally_walk *w, const struct tally_found *found,
    const char *detail, struct tally_finding *out);

/* The one finding of a source in which nothing holds; false: something does. */
bool
tally_walk_is_strange(const struct tally_walk *w, struct tally_found *out);

/* Counts what was told, and at the end what that means. */
void
tally_walk_count(struct tally_verdict *verdict, enum tally_finding_kind kind);
void
tally_walk_conclude(const struct tally_walk *w, struct tally_verdict *verdict);

#endif
