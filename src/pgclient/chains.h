/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chains: what tally.chain says, and what was seen of each.
 *
 * Looked up and added to by any thread; read over by the main thread when no
 * task is running.
 */
#ifndef TALLY_PGCLIENT_CHAINS_H
#define TALLY_PGCLIENT_CHAINS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/sip.h"
#include "core/step.h"

#define TALLY_PG_LOG_CHAIN "tally:log"

struct tally_pg_verifier;
struct tally_pg_watch;

struct tally_pg_chain {
	struct tally_seen seen;
	atomic_uint_fast64_t records; /* seen */
	atomic_uint_fast64_t bad;     /* of these, whose header does not hold */
	atomic_bool suspect;          /* to be judged record by record */
	/* While it is carried: what the copy has of it. */
	int64_t carried_seq; /* 0: nothing */
	struct tally_hash carried_hash;
	bool is_confirmed;            /* the record of carried_seq was met */
	bool is_stopped;              /* told: nothing more is carried of it */
	struct tally_pg_watch *watch; /* outside heads, or NULL */
	struct tally_pg_chain *next_id; /* of the same slot */
	struct tally_pg_chain *next_name;
};

/* The chain around what was seen of it. */
static inline struct tally_pg_chain *
tally_pg_chain_of(struct tally_seen *seen)
{
	return (struct tally_pg_chain *)((char *)seen -
	    offsetof(struct tally_pg_chain, seen));
}

struct tally_pg_chains {
	pthread_mutex_t lock;
	struct tally_sip_key seed;
	struct tally_pg_chain **all; /* in the order in which they were met */
	size_t count;
	size_t capacity; /* of all; the two below have as many slots */
	struct tally_pg_chain **ids;
	struct tally_pg_chain **names;
	struct tally_pg_chain *log;  /* the log's own chain, or NULL */
	struct tally_pg_chain *only; /* the only one to be judged, or NULL */
	struct tally_pg_chain none;  /* only, if no chain has its name */
};

TALLY_MUST_CHECK int
tally_pg_chains_init(struct tally_pg_verifier *v, struct tally_error *error);
void
tally_pg_chains_wipe(struct tally_pg_chains *chains);

/* Reads tally.chain, and tells what is wrong in it. */
TALLY_MUST_CHECK int
tally_pg_chains_load(struct tally_pg_verifier *v, struct tally_error *error);

/* The chain of this number, made if it is not known; NULL: no memory. */
struct tally_pg_chain *
tally_pg_chains_get(struct tally_pg_verifier *v, int64_t id);

/* NULL if there is none. */
struct tally_pg_chain *
tally_pg_chains_find(struct tally_pg_verifier *v, const char *name, size_t len);

/*
 * The records have passed.  Which chain is tally:log decides which
 * configuration everything else is judged by, so that is not left to its row
 * alone.  *out_renamed: it is another than had its name.
 */
TALLY_MUST_CHECK int
tally_pg_chains_settle_log(struct tally_pg_verifier *v, bool *out_renamed,
    struct tally_error *error);

/* How many have records, of those to be judged. */
uint64_t
tally_pg_chains_count(struct tally_pg_verifier *v);

#endif
