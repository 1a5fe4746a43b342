/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark programs share.
 *
 * A cell is one turn of one row of the table: a peer (this log, or something
 * else that makes records durable), a number of writers, a directory of its
 * own.  The driver (bench_log.py) runs the cells in turns; bench_cell runs one
 * and prints what it measured as a JSON object.
 *
 * Functions here print what went wrong on stderr and return -1: a benchmark
 * has nobody to hand an error to.
 */
#ifndef TALLY_BENCH_H
#define TALLY_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_CHAIN "bench"
#define BENCH_EVENT_SIZE 300
#define BENCH_ID_SIZE 32
#define BENCH_HASH_SIZE 32
#define BENCH_BATCH_MAX 1000
#define BENCH_LINE_MAX 1024

/* ---- time and latencies ----------------------------------------------- */

/*
 * Latencies on a logarithmic scale: 64 buckets to each doubling, so that a
 * percentile is true to 1.6 %.  The largest value is kept as it is.
 */
#define BENCH_HIST_BITS 6
#define BENCH_HIST_SIZE ((64 - BENCH_HIST_BITS + 1) << BENCH_HIST_BITS)

struct bench_hist {
	uint64_t bucket[BENCH_HIST_SIZE];
	uint64_t count;
	uint64_t max_ns;
};

uint64_t
bench_now_ns(void);

void
bench_hist_add(struct bench_hist *hist, uint64_t value_ns);

void
bench_hist_merge(struct bench_hist *into, const struct bench_hist *from);

/* The value below which the part (0 to 1) of all values lies. */
uint64_t
bench_hist_percentile(const struct bench_hist *hist, double part);

/* ---- events and lines ------------------------------------------------- */

struct bench_event {
	char text[BENCH_EVENT_SIZE];
	char id[BENCH_ID_SIZE]; /* hexadecimal, random */
};

/* Makes a writer's events; seeded by the system. */
struct bench_source {
	struct bench_event template;
	uint64_t random;
	uint64_t next;
};

int
bench_source_init(struct bench_source *source, unsigned writer);

void
bench_source_next(struct bench_source *source, struct bench_event *out);

/* SHA-256 with the algorithm fetched once and one context, as a careful
 * program does it. */
struct bench_sha;

struct bench_sha *
bench_sha_new(void);

void
bench_sha_free(struct bench_sha *sha);

/* H(a || b). */
int
bench_sha_pair(struct bench_sha *sha, const void *a, size_t a_len,
    const void *b, size_t b_len, uint8_t out[BENCH_HASH_SIZE]);

void
bench_hex(const uint8_t *bytes, size_t len, char *out);

/*
 * Writes a line as the file log writes it: header, hash, event, line feed
 * (the header hashed is the line's first part and a closing brace).  Sets
 * *out_hash.  Returns its length, or -1.
 */
int
bench_line(struct bench_sha *sha, uint64_t seq,
    const uint8_t prev[BENCH_HASH_SIZE], const uint8_t digest[BENCH_HASH_SIZE],
    const char *event, char out[BENCH_LINE_MAX],
    uint8_t out_hash[BENCH_HASH_SIZE]);

/* From the end of such a line to the hexadecimal digits of its hash. */
#define BENCH_LINE_HASH_BACK (BENCH_EVENT_SIZE + 76)

int
bench_write_all(int fd, const char *bytes, size_t len);

/* ---- peers ------------------------------------------------------------ */

struct bench_cell {
	const char *dir;
	unsigned processes;
	unsigned threads; /* in each process */
	double seconds;
	uint64_t calls; /* of each writer, instead of seconds; 0: seconds */
	bool idle;      /* no calls */
	unsigned batch; /* records in one call */
	bool ids;
	unsigned turn_ms; /* of the pair */
};

struct bench_peer {
	const char *name;
	/* Once, before any process: makes the files. */
	int (*prepare)(const struct bench_cell *cell);
	/* In each process, once; NULL where there is nothing to share. */
	int (*attach)(const struct bench_cell *cell, void **out_shared);
	int (*detach)(void *shared);
	/* In each writer. */
	int (*open)(const struct bench_cell *cell, void *shared,
	    void **out_writer);
	void (*close)(void *writer);
	/* Returns when the records are durable. */
	int (*append)(void *writer, const struct bench_event *events,
	    unsigned count);
	/* Afterwards: are exactly these records there, and do they hold? */
	int (*check)(const struct bench_cell *cell, uint64_t records);
};

extern const struct bench_peer bench_peer_tally;
extern const struct bench_peer bench_peer_raw;
extern const struct bench_peer bench_peer_flock;
#ifdef BENCH_SQLITE
extern const struct bench_peer bench_peer_sqlite;
#endif

/* ---- running ---------------------------------------------------------- */

struct bench_result {
	double seconds;
	uint64_t counted;  /* records acknowledged within seconds */
	uint64_t appended; /* all of them */
	uint64_t syncs;    /* from the start to the end of the last writer */
	struct bench_hist latency; /* of calls */
};

/* Starts every writer at once, stops them, adds up. */
int
bench_run(const struct bench_peer *peer, const struct bench_cell *cell,
    struct bench_result *out);

/*
 * This log and the raw write and fdatasync in short turns, one after the
 * other, by one writer; prints the JSON object itself.
 */
int
bench_pair(const struct bench_cell *cell);

/* Syncs so far in all processes, if slow_sync.so is preloaded; else 0. */
uint64_t
bench_sync_count(void);

#endif
