/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments: the files of log/, named by the index of their first record, and
 * a reader of their lines.
 */
#ifndef TALLY_LOG_SEGMENT_H
#define TALLY_LOG_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

#include "log/snapshot.h"

/* A place in the log: before record size, at offset of a segment. */
struct tally_place {
	uint64_t size;
	uint64_t segment; /* first index of the segment */
	uint64_t offset;
};

void
tally_segment_name(uint64_t first_index, char out[TALLY_SEGMENT_NAME_SIZE]);

/* Is it a segment's name, and whose? */
bool
tally_segment_is_name(const char *name, uint64_t *out_first_index);

struct tally_segments {
	uint64_t *first; /* ascending */
	size_t count;
};

/* The segments that log_dir holds.  Wipe in any case. */
TALLY_MUST_CHECK int
tally_segments_list(int log_dir, struct tally_segments *out,
    struct tally_error *error);

void
tally_segments_wipe(struct tally_segments *segments);

/* Returns a descriptor, or an error code after filling error. */
TALLY_MUST_CHECK int
tally_segment_open(int log_dir, uint64_t first_index, bool writable,
    struct tally_error *error);

/* How long the segment's file is now. */
TALLY_MUST_CHECK int
tally_segment_bytes(int log_dir, uint64_t first_index, uint64_t *out,
    struct tally_error *error);

/*
 * The lines of an open file from an offset on, up to an end.  Zero is closed;
 * the descriptor stays the caller's.
 */
struct tally_lines {
	int fd;
	uint64_t offset; /* of the next line */
	uint64_t end;
	size_t limit; /* no line is longer */
	char *buffer;
	size_t capacity;
	size_t begin;  /* of the next line in buffer */
	size_t filled; /* bytes in buffer */
};

void
tally_lines_init(struct tally_lines *lines, int fd, uint64_t offset,
    uint64_t end, size_t limit);

void
tally_lines_wipe(struct tally_lines *lines);

/*
 * The next line with its line feed; it lives until the next call.
 * Returns 0; TALLY_END at the end; TALLY_PARTIAL if bytes remain that hold no
 * line feed before the end or the limit (the line is what there is of them);
 * an error.
 */
TALLY_MUST_CHECK int
tally_lines_next(struct tally_lines *lines, const char **out_line,
    size_t *out_len, struct tally_error *error);

/* Reads exactly len bytes or fails; a short file is TALLY_E_DAMAGED. */
TALLY_MUST_CHECK int
tally_segment_read(int fd, void *buffer, size_t len, uint64_t offset,
    struct tally_error *error);

#endif
