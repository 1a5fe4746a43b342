/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lookup index, index/: derived from the segments, and removable at any
 * moment (R8).  It covers the records [0, covered), never more than what is
 * durable, and lags behind by some ten thousand records; whoever appends
 * brings it up to date now and then, readers who may write do when they look
 * something up.
 *
 *     covered       how far it reaches, and the root of that; replaced by
 *                   rename, see covered.c
 *     secret        16 random bytes that only the log's owner may read
 *     records       per record: offset in its segment (8), hash (32), sum
 *     tree-08 ...   per perfect subtree of 2^8, 2^16 ... leaves: its root, sum
 *     keys-...      runs of keys, see runs.h
 *     heads         see heads.h
 *
 *  1. What is read is believed only if its page holds (page.h); "covered"
 *     only if its sum does, and the tree has the root that it states.
 *  2. Whoever finds that something does not hold discards the index: it
 *     removes "covered".  The next who may write builds it anew, with another
 *     secret and in other files, for somebody may still read the old ones.
 *  3. After a reboot only what was synced counts.
 */
#ifndef TALLY_LOG_INDEX_H
#define TALLY_LOG_INDEX_H

#include <pthread.h>

#include "core/tree.h"
#include "log/page.h"
#include "log/runs.h"
#include "log/segment.h"

/*
 * A handle has two views of the index: one that lookups share, and one, behind
 * a mutex, that brings the files up to date.  The first sees the other's work
 * when it refreshes.
 */

/* Records between two updates by those who append. */
#define TALLY_INDEX_STEP 32768
#define TALLY_INDEX_LEVELS 7 /* tree-08 ... tree-56 */

struct tally_log;

struct tally_index {
	pthread_rwlock_t lock; /* for all below */
	int dir;               /* own descriptor: its flock is the writers' */
	bool is_locked;        /* we have that flock */
	struct tally_sip_key secret; /* for the sums of its pages */
	struct tally_sip_key seed;   /* of its keys */
	struct tally_paged records;
	struct tally_paged tree[TALLY_INDEX_LEVELS];
	struct tally_place covered; /* how far it reaches */
	struct tally_place synced;
	struct tally_hash root, synced_root; /* of so many records */
	int stated;             /* the file "covered" that was read: open, so
				   that its inode is not given to another */
	uint64_t device, inode; /* its */
	struct tally_runs runs;
	struct tally_segments segments; /* for lookups: those that it covers */
	struct tally_hasher hasher;
	bool is_open;
};

/* A view of nothing; its hasher is the caller's to open.  Wipe it. */
void
tally_index_init(struct tally_index *index);

void
tally_index_wipe(struct tally_index *index);

/*
 * Looks whether the index is another one than that we have open, and opens it
 * anew if so.  Afterwards index->covered says how far it reaches; nothing, if
 * it is missing or not sound.  Index locked for writing.
 */
TALLY_MUST_CHECK int
tally_index_refresh(struct tally_log *log, struct tally_index *index,
    struct tally_error *error);

/*
 * For a lookup: refreshes log->index if need be and leaves it locked for
 * reading; not so if it fails.
 */
TALLY_MUST_CHECK int
tally_index_begin(struct tally_log *log, struct tally_error *error);

void
tally_index_end(struct tally_log *log);

/*
 * Brings the index to at least upto, which must be durable.  wait: blocks
 * while another process does so; else TALLY_END then.  No lock held; not for
 * read-only handles.
 */
TALLY_MUST_CHECK int
tally_index_catch_up(struct tally_log *log, const struct tally_place *upto,
    bool wait, struct tally_error *error);

/*
 * Removes an index that proved wrong; it comes back.  A handle that may not do
 * so goes on as if there were none.  Index not locked.
 */
void
tally_index_discard(struct tally_log *log);

/* ---- reading; between begin and end ----------------------------------- */

/* Where record index, below covered, begins in its segment, and its hash. */
TALLY_MUST_CHECK int
tally_index_record(struct tally_index *index, uint64_t at, uint64_t *out_offset,
    struct tally_hash *out_hash, struct tally_error *error);

/* The first index of the segment that holds it; TALLY_END if there is none. */
TALLY_MUST_CHECK int
tally_index_segment(const struct tally_index *index, uint64_t at,
    uint64_t *out_first);

/* The root of the whole subtree of 2^height leaves at position * 2^height,
 * all of them below covered. */
TALLY_MUST_CHECK int
tally_index_node(struct tally_index *index, struct tally_hasher *hasher,
    unsigned height, uint64_t position, struct tally_hash *out);

#endif
