/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log/rewrite: the end of a segment, kept aside while it is written anew (R5).
 *
 * A sync that failed may have left pages in the cache that are not on the
 * disk and never will be.  So recovery copies what is above the watermark
 * into this file, syncs it, and puts it in place by a rename; only then it
 * cuts the segment and writes it again through a new descriptor.  Whoever
 * finds the file puts its bytes back and begins anew, so recovery may die at
 * any point, any number of times.
 *
 *     "tally-rewrite-1 <segment> <offset> <length> <H() of the bytes>\n",
 *     padded with line feeds to 512 bytes; the bytes.
 */
#ifndef TALLY_LOG_REWRITE_H
#define TALLY_LOG_REWRITE_H

#include "log/handle.h"

/* What lies aside. */
struct tally_rewrite {
	uint64_t segment;
	uint64_t offset; /* in the segment */
	uint64_t len;
};

/* Copies the segment's bytes [offset, offset + len) into the file, durable. */
TALLY_MUST_CHECK int
tally_rewrite_keep(struct tally_log *log, int segment_fd,
    const struct tally_rewrite *what, struct tally_error *error);

/*
 * Cuts the segment at what->offset and writes the first good bytes of what
 * was kept, through segment_fd.  Not synced.
 */
TALLY_MUST_CHECK int
tally_rewrite_put(struct tally_log *log, int segment_fd,
    const struct tally_rewrite *what, uint64_t good, struct tally_error *error);

/* The file is not needed any more. */
TALLY_MUST_CHECK int
tally_rewrite_drop(struct tally_log *log, struct tally_error *error);

/* If the file is there, puts its bytes back, synced, and drops it. */
TALLY_MUST_CHECK int
tally_rewrite_resume(struct tally_log *log, struct tally_error *error);

/*
 * Copies len bytes from a file into another; hasher (may be NULL) has begun
 * and takes them too.
 */
TALLY_MUST_CHECK int
tally_copy_bytes(int from, uint64_t from_offset, int to, uint64_t to_offset,
    uint64_t len, struct tally_hasher *hasher, struct tally_error *error);

#endif
