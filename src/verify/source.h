/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the segments of a snapshot.  One thread at a time; each has its
 * own.  Nothing behind the horizon is ever read.
 */
#ifndef TALLY_VERIFY_SOURCE_H
#define TALLY_VERIFY_SOURCE_H

#include "log/snapshot.h"

struct tally_source {
	const struct tally_snapshot *snapshot;
	int fd; /* of the segment that was read last, or -1 */
	uint32_t extent;
};

void
tally_source_open(struct tally_source *source,
    const struct tally_snapshot *snapshot);

void
tally_source_close(struct tally_source *source);

/*
 * Reads exactly len bytes; the range must lie below the horizon.
 * Errors: TALLY_E_SWAPPED if they are not there (any more), TALLY_E_IO,
 * TALLY_E_ACCESS.
 */
TALLY_MUST_CHECK int
tally_source_read(struct tally_source *source, uint32_t extent, uint64_t offset,
    void *buffer, size_t len, struct tally_error *error);

/*
 * Finds the first line feed at or behind offset; *out_end is the offset
 * behind it, or the horizon if there is none.
 */
TALLY_MUST_CHECK int
tally_source_find_end(struct tally_source *source, uint32_t extent,
    uint64_t offset, uint64_t *out_end, struct tally_error *error);

#endif
