/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One verification, as its parts share it.
 *
 * The parts run one after the other, in the main thread; where a part hands
 * tasks to the pool, its header says what the workers touch.  Only
 * tally_pg_tell may be called by any of them.
 */
#ifndef TALLY_PGCLIENT_VERIFIER_H
#define TALLY_PGCLIENT_VERIFIER_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tally/verify.h>

#include "pgclient/accused.h"
#include "pgclient/chains.h"
#include "pgclient/pool.h"
#include "pgclient/text.h"

/* What sorting may use at a time. */
#define TALLY_PG_SORT_MEMORY ((size_t)64 << 20)

struct tally_pg_entries;
struct tally_pg_kept;
struct tally_pg_links;
struct tally_pg_match;
struct tally_pg_outside;
struct tally_pg_pairs;
struct tally_pg_retired;
struct tally_pg_rewritten;
struct tally_pg_sources;

/* What the server is, and which tally it has. */
struct tally_pg_server {
	int version;       /* 150000 and so on */
	uint64_t cluster;  /* system identifier */
	uint64_t next_xid; /* the snapshot's */
	char database[256];
	bool has_extension;
	unsigned block_size;
};

struct tally_pg_verifier {
	const struct tally_verify_options *options;
	struct tally_pg_pool pool;
	struct tally_pg_server server;
	struct tally_pg_arena arena; /* whatever lives until the end */
	struct tally_hasher hasher;  /* the main thread's */
	struct tally_sip_key seed;   /* random: nobody can prepare for it */
	pthread_mutex_t lock;        /* findings, and what workers share */
	uint64_t findings;
	uint64_t by_kind[TALLY_KIND_COUNT];
	/* For the progress that is shown. */
	struct timespec begun;
	atomic_uint_fast64_t bytes;
	atomic_uint_fast64_t bytes_total;
	atomic_uint_fast64_t records;

	struct tally_pg_chains chains;
	struct tally_pg_accused accused;
	struct tally_pg_links *links;
	struct tally_pg_entries *entries;
	struct tally_pg_sources *sources;
	struct tally_pg_match *match;
	struct tally_pg_pairs *pairs;
	struct tally_pg_kept *kept;
	struct tally_pg_outside *outside;
	struct tally_pg_retired *retired; /* sorted */
	size_t nretired;
	size_t retired_capacity;
	struct tally_pg_rewritten *rewritten;
	bool is_exporting; /* rows are wanted for their events */
};

/* What a finding is about; zero is "not known" in every member. */
struct tally_pg_subject {
	const char *chain; /* plain */
	int64_t seq;
	const char *source;
	const char *key; /* not terminated */
	size_t key_len;
};

/* The detail is one sentence without a full stop. */
void
tally_pg_tell(struct tally_pg_verifier *v, enum tally_finding_kind kind,
    const struct tally_pg_subject *subject, const char *format, ...)
    TALLY_PRINTF(4, 5);

/* For several records: [seq, end). */
void
tally_pg_tell_range(struct tally_pg_verifier *v, enum tally_finding_kind kind,
    const struct tally_pg_subject *subject, int64_t end, const char *format,
    ...) TALLY_PRINTF(5, 6);

/* end: the last seq + 1; 0 with no seq. */
void
tally_pg_vtell(struct tally_pg_verifier *v, enum tally_finding_kind kind,
    const struct tally_pg_subject *subject, int64_t end, const char *format,
    va_list args) TALLY_PRINTF(5, 0);

/* "out of memory". */
int
tally_pg_no_memory(struct tally_error *error);

/* Blocks [begin, end) of a table; the last range of one has no end. */
struct tally_pg_range {
	uint64_t begin;
	uint64_t end; /* 0: none */
};

/* In how many ranges a table of so many blocks is read. */
size_t
tally_pg_range_count(const struct tally_pg_verifier *v, uint64_t blocks);
struct tally_pg_range
tally_pg_range_get(const struct tally_pg_verifier *v, uint64_t blocks,
    size_t number);

/* " WHERE name.ctid >= ... AND ...". */
void
tally_pg_range_put(struct tally_pg_text *sql, const char *name,
    const struct tally_pg_range *range);

#endif
