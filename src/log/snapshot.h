/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reader who takes no lock may walk: the segments of a log as they are
 * now, each with the bytes up to the horizon, the published durable end.
 *
 * With live shared state the horizon is its durable tail (synced first, where
 * we may), so nothing behind it can be an honest leftover.  Without, the
 * horizon is the end of the last segment: then a torn tail may lie before it,
 * and watermark says below which byte nothing may be torn.
 */
#ifndef TALLY_LOG_SNAPSHOT_H
#define TALLY_LOG_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>
#include <tally/log.h>

/* "00000000000000000000.jsonl" and a NUL. */
#define TALLY_SEGMENT_NAME_SIZE 27

struct tally_extent {
	char name[TALLY_SEGMENT_NAME_SIZE]; /* in log/ */
	uint64_t first_index;               /* as its name says */
	uint64_t bytes;                     /* up to the horizon */
};

struct tally_snapshot {
	int log_dir; /* descriptor of log/, owned by the snapshot */
	struct tally_identity identity;
	struct tally_extent *extents; /* ascending by first_index */
	size_t extents_len;
	uint64_t bytes; /* sum of the extents' */
	bool live;
	uint64_t size; /* live: records up to the horizon; else UINT64_MAX */
	/* The watermark: records below it were durable once. */
	bool has_watermark;
	uint64_t mark_size;
	uint64_t mark_segment; /* first_index of the segment it lies in */
	uint64_t mark_offset;
};

/*
 * Takes one; writes nothing to the log.  Wipe it in any case.
 * Errors: TALLY_E_NO_LOG, _VERSION, _ACCESS, _MEMORY, _IO.
 */
TALLY_MUST_CHECK int
tally_snapshot_take(const char *dir, struct tally_snapshot *out,
    struct tally_error *error);

/* An all-zero snapshot with log_dir -1 is left alone. */
void
tally_snapshot_wipe(struct tally_snapshot *snapshot);

#endif
