/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file system says of the segments of a log that are full.  Nothing of
 * them is ever to change, so that a change of what it says is a reason to read
 * them; that it says nothing is no evidence.
 */
#ifndef TALLY_WATCH_SEGMENTS_H
#define TALLY_WATCH_SEGMENTS_H

#include <stdint.h>

#include <tally/record.h>

struct watch_segments {
	uint64_t count;      /* of all */
	uint64_t last_index; /* of the first record of the last one */
	/* Of the files [0, print_count): */
	uint64_t print_count;
	struct tally_hash print;
};

/* print_count: 0: all but the last.  Returns 0, or an errno. */
int
watch_segments_look(const char *log_dir, uint64_t print_count,
    struct watch_segments *out);

#endif
