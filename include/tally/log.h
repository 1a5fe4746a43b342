/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file log: one directory, any number of chains, written by many
 * processes and threads at once.
 *
 * Threads.   A handle may be used by any number of threads at once, but for
 *            tally_log_close.  A cursor belongs to one thread at a time.
 * Processes. Any number of processes may have handles on one log.  A handle
 *            does not survive fork(): in the child every call answers
 *            TALLY_E_FORKED, and only tally_log_close is of use.  Several
 *            handles in one process are several writers.
 * Durable.   When an append with TALLY_SYNC returned 0, its records survive
 *            SIGKILL and power loss.  What is read (heads, cursors, finds,
 *            proofs, receipts of repeated ids) is durable when it is
 *            returned.
 */
#ifndef TALLY_LOG_H
#define TALLY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/record.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tally_log;
struct tally_cursor;

/* Zero is the default everywhere in the options. */
struct tally_init_options {
	const char *origin;     /* NULL: "localhost/<id>" */
	uint64_t segment_bytes; /* 0: 256 MiB; at least 64 KiB */
	uint32_t event_bytes;   /* 0: 1 MiB; at most 16 MiB: the event limit */
};

struct tally_open_options {
	bool read_only; /* never writes to the log: no recovery, no index */
};

/* What tally.json says. */
struct tally_identity {
	char id[33]; /* 32 hexadecimal digits */
	char origin[TALLY_ORIGIN_MAX + 1];
	int64_t created_us;
	uint64_t segment_bytes;
	uint32_t event_bytes;
	uint32_t format;
};

/*
 * Makes a log in dir, which must not exist or be empty; its parent must
 * exist.  Durable when it returns.
 * Errors: TALLY_E_EXISTS, _USAGE (origin), _ACCESS, _FULL, _NETWORK, _IO.
 */
TALLY_API TALLY_MUST_CHECK int
tally_log_init(const char *dir, const struct tally_init_options *options,
    struct tally_error *error);

/*
 * Opens a log; options may be NULL.  A handle that is not read-only first
 * recovers what an unclean stop left behind.  Close with tally_log_close.
 * Errors: TALLY_E_NO_LOG, _VERSION, _DAMAGED, _POISONED, _ACCESS, _NETWORK,
 * _MEMORY, _IO.
 */
TALLY_API TALLY_MUST_CHECK int
tally_log_open(const char *dir, const struct tally_open_options *options,
    struct tally_log **out_log, struct tally_error *error);

/*
 * Syncs what this handle appended buffered, and frees the handle in any case;
 * NULL is left alone.  No other thread may be inside a call on it.
 * Returns 0, or the error of that sync.
 */
TALLY_API int
tally_log_close(struct tally_log *log, struct tally_error *error);

TALLY_API const struct tally_identity *
tally_log_identity(const struct tally_log *log);

/* ---- appending -------------------------------------------------------- */

enum tally_durability {
	TALLY_SYNC = 0, /* return when the records are durable */
	TALLY_BUFFERED, /* return when they are in order; durable with the next
			   sync, at the latest when a handle closes */
};

/* One record to append; everything is the caller's and only read. */
struct tally_append {
	const char *chain; /* plain name, chain_len bytes */
	size_t chain_len;
	const char *id; /* idempotency key, or NULL */
	size_t id_len;
	const char *event; /* JSON text; kept less insignificant white space */
	size_t event_len;
	bool salted; /* with a random salt, so that it can be erased one day */
};

struct tally_receipt {
	uint64_t index;
	uint64_t seq;
	struct tally_hash hash;
	int64_t time_us;
	bool repeated; /* the id was there already: the first receipt */
};

/*
 * Appends count records in order, all or none of them; other writers' records
 * may stand between them.  (A machine that stops in the middle may leave a
 * leading part of a batch that was never acknowledged.)
 *
 * The same id with the same event in the same chain answers with the first
 * receipt; with another event it is TALLY_E_CONFLICT.
 *
 * receipts: count of them, or NULL.  Batches of up to 1,000 are worth while;
 * more than 65,536 records, or than 64 MiB of events, are TALLY_E_LIMIT.  A
 * batch is never split between segments, so a large one may overfill its own.
 *
 * Errors leave nothing appended, but for TALLY_E_POISONED: a sync failed, and
 * whether the records are in the log is not known until it was recovered (a
 * record with an id can simply be appended again).  error->item says which
 * request was refused.
 */
TALLY_API TALLY_MUST_CHECK int
tally_log_append(struct tally_log *log, const struct tally_append *requests,
    size_t count, enum tally_durability durability,
    struct tally_receipt *receipts, struct tally_error *error);

/* Makes everything that was appended so far durable. */
TALLY_API TALLY_MUST_CHECK int
tally_log_sync(struct tally_log *log, struct tally_error *error);

/* ---- reading ---------------------------------------------------------- */

struct tally_head {
	char chain[TALLY_CHAIN_MAX + 1];
	size_t chain_len;
	uint64_t seq;
	uint64_t index;
	int64_t time_us;
	struct tally_hash hash;
};

/*
 * The last durable record of a chain, in constant time.
 * Returns 0, or TALLY_END if the log has no such chain.
 */
TALLY_API TALLY_MUST_CHECK int
tally_log_head(struct tally_log *log, const char *chain, size_t chain_len,
    struct tally_head *out_head, struct tally_error *error);

/*
 * Calls fn for the head of every chain, in the order of the chains' first
 * records, all as of one size of the log.  fn's result, if not 0, ends the
 * walk and is returned.
 */
typedef int
tally_head_fn(void *arg, const struct tally_head *head);

TALLY_API TALLY_MUST_CHECK int
tally_log_heads(struct tally_log *log, tally_head_fn *fn, void *arg,
    struct tally_error *error);

/* Which records a cursor walks; zero is all of them. */
struct tally_range {
	const char *chain; /* NULL: every chain */
	size_t chain_len;
	uint64_t from_seq; /* with a chain: first seq, 0 is 1 */
	uint64_t to_seq;   /* with a chain: last seq, 0 is no end */
	uint64_t from_index;
	uint64_t to_index; /* last index + 1; 0 is no end */
};

/*
 * A cursor over the durable records in the order of the log.  With a chain,
 * the records come one by one through the index, without a scan.
 */
TALLY_API TALLY_MUST_CHECK int
tally_cursor_open(struct tally_log *log, const struct tally_range *range,
    struct tally_cursor **out_cursor, struct tally_error *error);

TALLY_API void
tally_cursor_close(struct tally_cursor *cursor);

/*
 * The next record; it lives until the next call on the cursor.
 * Returns 0; TALLY_END if there is none at present (more may come: call
 * again); TALLY_E_DAMAGED at bytes that are no record or do not hold.
 */
TALLY_API TALLY_MUST_CHECK int
tally_cursor_next(struct tally_cursor *cursor, struct tally_record *out,
    struct tally_error *error);

/*
 * Waits until the log has grown, or timeout_ms passed (then TALLY_END).
 * A negative timeout waits for ever.
 */
TALLY_API TALLY_MUST_CHECK int
tally_cursor_wait(struct tally_cursor *cursor, int timeout_ms,
    struct tally_error *error);

/* Which one record a find wants: exactly one of the three ways. */
enum tally_key {
	TALLY_KEY_SEQ = 0, /* chain and seq */
	TALLY_KEY_INDEX,   /* index */
	TALLY_KEY_ID,      /* chain and id */
};

struct tally_find {
	enum tally_key by;
	const char *chain;
	size_t chain_len;
	const char *id;
	size_t id_len;
	uint64_t seq;
	uint64_t index;
};

/*
 * Positions the cursor on one record and gives it (it lives until the next
 * call on the cursor); the line was read and hashed.  No scan.
 * Returns 0; TALLY_END if there is no such record.
 */
TALLY_API TALLY_MUST_CHECK int
tally_cursor_find(struct tally_cursor *cursor, const struct tally_find *find,
    struct tally_record *out, struct tally_error *error);

/* ---- the state of the log --------------------------------------------- */

struct tally_stat {
	uint64_t size;         /* records in order */
	uint64_t durable_size; /* of these, durable */
	uint64_t indexed_size; /* covered by the lookup index */
	uint64_t chains;
	uint64_t segments;
	uint64_t bytes; /* of the segments */
	int64_t first_time_us;
	int64_t last_time_us;
	uint64_t set_aside; /* files that hold what was set aside */
	uint64_t syncs;     /* since the shared state was made */
	uint64_t sync_us;   /* what the last of them took */
	bool poisoned;
	bool live; /* the shared state is there and valid */
};

TALLY_API TALLY_MUST_CHECK int
tally_log_stat(struct tally_log *log, struct tally_stat *out_stat,
    struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
