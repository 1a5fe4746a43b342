/* SPDX-License-Identifier: Apache-2.0 */
/* One run's file: writing it front to back, reading it, looking into it. */
#ifndef TALLY_LOG_RUNFILE_H
#define TALLY_LOG_RUNFILE_H

#include "log/runs.h"

#define TALLY_RUNFILE_PREFIX "keys-"
#define TALLY_RUNFILE_NAME_SIZE 47 /* keys-<20>-<20> and a NUL */
#define TALLY_RUNFILE_ENTRY 24

void
tally_runfile_name(uint64_t from, uint64_t to,
    char out[TALLY_RUNFILE_NAME_SIZE]);

/* Returns 0, or TALLY_END if the file is no run of this log. */
TALLY_MUST_CHECK int
tally_runfile_open(int index_dir, const char *name, const uint8_t log_id[16],
    struct tally_hasher *hasher, struct tally_run *out);

struct tally_runfile_writer {
	int index_dir, fd;
	struct tally_run run;
	uint64_t *start; /* of the buckets so far */
	unsigned char *bloom;
	uint64_t put;    /* entries */
	uint64_t bucket; /* that the last went into */
	char *buffer;
	size_t filled;
	uint64_t offset; /* in the file, of buffer */
};

/* run: from, to, count. */
TALLY_MUST_CHECK int
tally_runfile_create(struct tally_runfile_writer *writer, int index_dir,
    const struct tally_run *run, struct tally_error *error);

/* The next entry, in ascending order. */
TALLY_MUST_CHECK int
tally_runfile_put(struct tally_runfile_writer *writer,
    const struct tally_keyed *key, struct tally_error *error);

/*
 * Frees the writer in any case.  If so_far is 0, puts the file under its name
 * and gives it open in out; else returns so_far.
 */
TALLY_MUST_CHECK int
tally_runfile_finish(struct tally_runfile_writer *writer, int so_far,
    const uint8_t log_id[16], struct tally_hasher *hasher, bool sync,
    struct tally_run *out, struct tally_error *error);

struct tally_runfile_reader {
	const struct tally_run *run;
	uint64_t left; /* entries, next included */
	struct tally_keyed next;
	char *buffer;
	size_t at, filled;
	uint64_t read; /* entries read into the buffer */
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

/* count entries from begin on, as stored. */
TALLY_MUST_CHECK int
tally_runfile_read(const struct tally_run *run, uint64_t begin, char *out,
    size_t count, struct tally_error *error);

#endif
