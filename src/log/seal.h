/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing: giving records their seq, link and line, and putting a batch of
 * them at the end of the log.  Everything here happens under the order lock.
 */
#ifndef TALLY_LOG_SEAL_H
#define TALLY_LOG_SEAL_H

#include "log/handle.h"

/* What the index's runs said of an item's id. */
enum tally_in_runs {
	TALLY_NOT_IN_RUNS = 0,
	TALLY_IN_RUNS_SAME,  /* it is there with the same event */
	TALLY_IN_RUNS_OTHER, /* with another */
};

/* A record on its way: checked, compacted, committed to; not yet in order. */
struct tally_item {
	const char *chain; /* escaped */
	size_t chain_len;
	const char *id; /* escaped; len 0: none */
	size_t id_len;
	const char *event; /* compact */
	size_t event_len;
	bool salted;
	uint8_t salt[TALLY_SALT_SIZE];
	struct tally_hash digest;
	/* Carried: refused unless it is the next of its chain. */
	uint64_t carried_seq; /* 0: not carried */
	bool is_moved;        /* with prev, time and hash as they are here */
	struct tally_hash prev;
	int64_t time_us;
	struct tally_hash hash;
	const char *source; /* escaped, in place of the event; or NULL */
	size_t source_len;
	uint64_t chain_key, id_key;
	struct tally_chain *slot;   /* resolved under the lock */
	struct tally_item *repeats; /* the id is that of this item's record */
	struct tally_item *next_id; /* in the batch's table of its ids */
	enum tally_in_runs in_runs;
	uint64_t asked_to; /* records that the runs had when they were asked */
	struct tally_receipt receipt;
};

/* A chain that the batch appended to, and its head once published. */
struct tally_touched {
	struct tally_chain *slot;
	struct tally_chain_head head;
	/* Where the chain will be behind what follower checked so far. */
	const void *follower;
	uint64_t ahead_seq;
	struct tally_hash ahead_hash;
	uint32_t next; /* in its bucket, + 1 */
};

#define TALLY_BATCH_BUCKETS 1024

struct tally_batch {
	struct tally_hasher hasher;
	char *lines;
	size_t capacity, len;
	struct tally_place place; /* behind the last line */
	struct tally_last last;
	struct tally_touched *touched;
	size_t touched_capacity, touched_len;
	uint32_t bucket[TALLY_BATCH_BUCKETS]; /* of touched, + 1 */
	struct tally_item *ids[TALLY_BATCH_BUCKETS];
	struct tally_recent *recent; /* the ids to remember */
	size_t recent_capacity, recent_len;
};

TALLY_MUST_CHECK int
tally_batch_new(struct tally_batch **out, struct tally_error *error);

void
tally_batch_free(struct tally_batch *batch);

/* Begins at the tail of the log. */
void
tally_batch_begin(struct tally_log *log);

/* Room in memory for so many more records and bytes of lines. */
TALLY_MUST_CHECK int
tally_batch_reserve(struct tally_batch *batch, size_t records, size_t bytes,
    struct tally_error *error);

/* What an item's line takes at most. */
size_t
tally_item_bytes(const struct tally_item *item);

/*
 * Seals one item behind what the batch holds (slot resolved, room reserved)
 * and fills its receipt.  Returns 0 or TALLY_E_LIMIT (2^53 - 1 records).
 */
TALLY_MUST_CHECK int
tally_batch_add(struct tally_log *log, struct tally_item *item,
    struct tally_error *error);

/*
 * Will a carried item be the next of its chain, behind what the batch holds
 * and what was asked for follower before?  Returns 0 or TALLY_E_CONFLICT.
 */
TALLY_MUST_CHECK int
tally_batch_follows(struct tally_log *log, const struct tally_item *item,
    const void *follower, struct tally_error *error);

/*
 * Writes the batch at the tail and publishes it; nothing of it on an error.
 */
TALLY_MUST_CHECK int
tally_batch_write(struct tally_log *log, struct tally_error *error);

/*
 * Order lock held: appends one record of the log's own chain "tally:log".
 * The event is compact.
 */
TALLY_MUST_CHECK int
tally_seal_own(struct tally_log *log, const char *event, size_t event_len,
    struct tally_error *error);

/* Resolves an item's chain, adding it if need be; NULL: no room. */
struct tally_chain *
tally_item_resolve(struct tally_state *state, struct tally_item *item);

#endif
