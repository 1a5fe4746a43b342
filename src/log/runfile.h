/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run's file: writing it front to back, reading it, looking into it.
 *
 * index/keys-<from>-<to>, in pages (page.h), numbers little-endian:
 *     64 bytes: "tallyky3", from, to, count, bits (8 each), zeros
 *     a Bloom filter in blocks of 64 bytes, so that a run is asked in one read
 *         whether it has a key at all
 *     2^bits + 1 starts (8 each), six and the next in a page of 64: bucket b,
 *         the keys whose top bits are b, is entries start[b] ... start[b + 1]
 *         - 1
 *     count entries: key, index, offset (8 each), ascending, 21 in a page of
 *         512
 *
 * A key's block of the filter is chosen by its top bits too, so that keys in
 * ascending order fill all three from front to back: a writer needs no more
 * memory for a large run than for a small one.
 */
#ifndef TALLY_LOG_RUNFILE_H
#define TALLY_LOG_RUNFILE_H

#include "log/runs.h"

#define TALLY_RUNFILE_PREFIX "keys-"
#define TALLY_RUNFILE_NAME_SIZE 47 /* keys-<20>-<20> and a NUL */
#define TALLY_RUNFILE_PAGE 512
#define TALLY_RUNFILE_FIT 21 /* entries in a page */

void
tally_runfile_name(uint64_t from, uint64_t to,
    char out[TALLY_RUNFILE_NAME_SIZE]);

/* Returns 0, or TALLY_END if the file is no run of this index. */
TALLY_MUST_CHECK int
tally_runfile_open(int index_dir, const char *name,
    const struct tally_sip_key *secret, struct tally_run *out);

/* Pages of one size, one behind the other. */
struct tally_runfile_stream {
	uint64_t offset; /* in the file, of buffer */
	char *buffer;
	size_t page, capacity; /* bytes; pages */
	size_t filled;         /* pages */
};

struct tally_runfile_writer {
	int index_dir;
	char name[TALLY_RUNFILE_NAME_SIZE];
	struct tally_run run; /* its file: under another name so far */
	struct tally_runfile_stream filter, starts, entries;
	uint64_t put;    /* entries */
	uint64_t block;  /* of the filter */
	uint64_t bucket; /* that the last went into */
};

/* run: from, to, count. */
TALLY_MUST_CHECK int
tally_runfile_create(struct tally_runfile_writer *writer, int index_dir,
    const struct tally_sip_key *secret, const struct tally_run *run,
    struct tally_error *error);

/* The next entry, in ascending order. */
TALLY_MUST_CHECK int
tally_runfile_put(struct tally_runfile_writer *writer,
    const struct tally_keyed *key, struct tally_error *error);

/*
 * Frees the writer in any case.  If so_far is 0, puts the file under its name
 * and gives it open in out; else returns so_far.
 */
TALLY_MUST_CHECK int
tally_runfile_finish(struct tally_runfile_writer *writer, int so_far, bool sync,
    struct tally_run *out, struct tally_error *error);

struct tally_runfile_reader {
	const struct tally_run *run;
	uint64_t left; /* entries, next included */
	struct tally_keyed next;
	char *buffer;
	size_t at, filled; /* entries */
	uint64_t read;     /* entries read into the buffer */
};

TALLY_MUST_CHECK int
tally_runfile_reader_open(struct tally_runfile_reader *reader,
    const struct tally_run *run, struct tally_error *error);

TALLY_MUST_CHECK int
tally_runfile_reader_step(struct tally_runfile_reader *reader,
    struct tally_error *error);

void
tally_runfile_reader_close(struct tally_runfile_reader *reader);

/* Has the run no such key for certain, or perhaps one? */
TALLY_MUST_CHECK int
tally_runfile_may_have(const struct tally_run *run, uint64_t key, bool *out_may,
    struct tally_error *error);

/* Which entries may have the key: [*out_begin, *out_end). */
TALLY_MUST_CHECK int
tally_runfile_bucket(const struct tally_run *run, uint64_t key,
    uint64_t *out_begin, uint64_t *out_end, struct tally_error *error);

/* The pages from that of entry begin on, as stored. */
TALLY_MUST_CHECK int
tally_runfile_read(const struct tally_run *run, uint64_t begin, char *out,
    size_t pages, struct tally_error *error);

/* Entry nth of such pages. */
struct tally_keyed
tally_runfile_entry(const char *pages, size_t nth);

#endif
