/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strays and holes.
 *
 * A stray is a record that does not hold and does not fit where it stands; a
 * hole is places that no record fills (step.h has the other terms).
 *
 * A record whose chain or seq was changed is bad where it stands, and missed
 * where it belongs; that is one finding, not two.  Where it belongs say its
 * links, which whoever changed its number left as they were:
 *
 * 1. Its prev is the hash of the record before a hole, or its hash is what
 *    the record behind one links to.
 * 2. Its prev is the hash of the last record of a chain: it was the next one.
 * 3. It is the first of a chain that has no record: its header holds there.
 * 4. The place that it claims is a hole: it is the one, changed in more than
 *    one way.
 *
 * One that found its place may be what another links to; so they are gone
 * over until nothing fits any more.
 */
#ifndef TALLY_CORE_PLACES_H
#define TALLY_CORE_PLACES_H

#include <stdarg.h>

#include <tally/verify.h>

#include "core/step.h"

/* Behind these limits a hole is a missing record, a stray an inserted one. */
#define TALLY_HOLES_MAX 4096
#define TALLY_STRAYS_MAX 4096

/*
 * What places and walks need of their host.  None of these may fail; a host
 * whose errors are jumps may jump.
 */
struct tally_judge {
	void *arg;
	struct tally_hasher *hasher;
	int64_t from; /* the seqs that are judged: 1 and INT64_MAX for all */
	int64_t to;
	struct tally_seen *only; /* the one chain that is judged; NULL: all */

	/*
	 * One finding: about records [seq, end) of the chain.  chain NULL,
	 * seq 0: not known.
	 */
	void (*tell)(void *arg, enum tally_finding_kind kind,
	    const struct tally_seen *chain, int64_t seq, int64_t end,
	    const char *format, va_list args) TALLY_PRINTF(6, 0);

	/*
	 * The record at this position was named; chain and seq are where it
	 * belongs, NULL and 0 if nobody knows.
	 */
	void (*accuse)(void *arg, uint64_t at, struct tally_seen *chain,
	    int64_t seq);

	/* A stray turned out to belong here. */
	void (*found)(void *arg, struct tally_seen *chain, int64_t seq,
	    const struct tally_step *step);

	/* All chains, one after the other; *position is 0 at first. */
	struct tally_seen *(*next)(void *arg, size_t *position);

	/* Called every now and then, so that it can be interrupted; or NULL. */
	void (*pause)(void *arg);
};

/* Seqs [begin, end) of a chain. */
struct tally_hole {
	struct tally_seen *chain;
	int64_t begin;
	int64_t end;
	bool has_before;
	bool has_after;
	struct tally_hash before; /* hash of the record before it */
	struct tally_hash after;  /* what the record behind it links to */
};

struct tally_stray {
	struct tally_step step;
	struct tally_seen *claimed; /* or NULL */
	struct tally_seen *chain;   /* where it belongs, or NULL */
	int64_t seq;
};

/* Some megabytes; what is not touched need not be there. */
struct tally_places {
	const struct tally_judge *judge;
	int nholes;
	int nstrays;
	int tries;
	uint64_t visits;
	struct tally_hole holes[TALLY_HOLES_MAX];
	struct tally_stray strays[TALLY_STRAYS_MAX];
};

void
tally_places_init(struct tally_places *places, const struct tally_judge *judge);

void
tally_places_add_hole(struct tally_places *places,
    const struct tally_hole *hole);

/* chain: that it claims; NULL: none, and then it is bad wherever it belongs. */
void
tally_places_add_stray(struct tally_places *places, struct tally_seen *chain,
    const struct tally_step *step);

/* Finds for each stray the hole that it is missed in; tells what is left. */
void
tally_places_resolve(struct tally_places *places);

/* The record is there, but bad: one finding. */
void
tally_places_tell_bad(const struct tally_judge *judge,
    const struct tally_seen *chain, int64_t seq, const struct tally_step *step);

/* One finding, about one record. */
void
tally_judge_tell(const struct tally_judge *judge, enum tally_finding_kind kind,
    const struct tally_seen *chain, int64_t seq, const char *format, ...)
    TALLY_PRINTF(5, 6);

#endif
