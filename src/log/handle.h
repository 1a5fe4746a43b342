/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handle behind struct tally_log, and what its parts share.
 *
 * The rules of the file log.  doc/design/file-log.md tells them at length;
 * the code cites them by number.
 *
 *  R1  Locks are the kernel's: flock on log/ for order, on the log's directory
 *      for sync leadership; the descriptors belong to one handle.
 *  R2  With the order lock in hand: log/, the segment and run/state are still
 *      the ones that we have open, or state is rebuilt from the segments.
 *  R3  Who finds dirty set, or a file longer than the tail, adopts whole,
 *      linked lines and sets the rest aside before anything is written.
 *  R4  Only what is durable leaves.
 *  R5  A failed sync is not retried: it poisons the log until recovery has
 *      rewritten everything above the watermark through a new descriptor.
 *  R6  Below the watermark nothing may be torn; above it nothing is tampered.
 *  R7  A roll syncs the old segment before the new one can be seen.
 *  R8  The index costs time, never a link.
 *  R9  Buffered means durable with the next sync, at the latest at close.
 *
 * Locks, outermost first: order (mutex, then flock) > sync (mutex, then
 * flock) > view.  Whoever holds sync never waits for order.
 */
#ifndef TALLY_LOG_HANDLE_H
#define TALLY_LOG_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <tally/log.h>

#include "core/event.h"
#include "core/hash.h"
#include "log/index.h"
#include "log/segment.h"
#include "log/state.h"
#include "log/sys.h"

#define TALLY_LOG_NAME "log"
#define TALLY_INDEX_NAME "index"

/* An open segment, shared by the threads of a handle. */
struct tally_open_segment {
	int fd;
	uint64_t first;
	uint64_t device, inode;
	_Atomic uint32_t refs;
};

/* What one call works with, lent from the handle's pool. */
struct tally_workspace {
	struct tally_hasher hasher;
	struct tally_event_room room;
	struct tally_workspace *next;
};

struct tally_group;
struct tally_batch;

struct tally_log {
	char *path; /* as the user gave it */
	bool read_only;
	_Atomic bool forked;
	struct tally_identity identity;
	struct tally_state_owner owner;
	int dir, log_dir, run_dir; /* run: -1 if none */

	int presence; /* tally.json, with a shared lock: a writer is here */

	/* order: its holder owns batch */
	pthread_mutex_t order;
	struct tally_batch *batch;

	/* sync: its holder owns mark and sync_hasher */
	pthread_mutex_t sync;
	struct tally_hasher sync_hasher;

	/* view: what is open; short, never held over a system call that
	 * waits */
	pthread_mutex_t view;
	struct tally_state *state;
	struct tally_open_segment *segment;

	/* queue: appends that wait for an order leader */
	pthread_mutex_t queue;
	struct tally_group *open_group[2]; /* by durability */
	struct tally_group *free_groups;
	struct tally_workspace *workspaces;
	_Atomic bool has_buffered; /* something that close must sync */

	struct tally_index index;   /* that lookups share */
	struct tally_index builder; /* that brings it up to date */
	uint64_t private_bytes; /* read-only: of the last segment, as read */

	struct tally_log *next; /* in the list of the process's handles */
	struct tally_log *previous;
};

/* ---- forks (R1) ------------------------------------------------------- */

/* Adds the handle to those that a fork's child gives up; removes it. */
TALLY_MUST_CHECK int
tally_handle_enlist(struct tally_log *log, struct tally_error *error);

void
tally_handle_delist(struct tally_log *log);

/*
 * Opens a directory, or a file to read, that may be locked into *out_fd, a
 * place that a fork looks at in the child; no fork comes in between.
 */
void
tally_handle_open_dir(int dir, const char *name, int *out_fd);

void
tally_handle_open_file(int dir, const char *name, int *out_fd);

/* The answer to every call in the child. */
int
tally_handle_refuse_forked(struct tally_error *error);

/* ---- the pool --------------------------------------------------------- */

TALLY_MUST_CHECK int
tally_workspace_take(struct tally_log *log, struct tally_workspace **out,
    struct tally_error *error);

void
tally_workspace_give(struct tally_log *log, struct tally_workspace *space);

void
tally_workspaces_free(struct tally_log *log);

/* Twice as many names. */
TALLY_MUST_CHECK int
tally_workspace_widen(struct tally_workspace *space, struct tally_error *error);

/* ---- the view --------------------------------------------------------- */

/* References to what is open now; unref each. */
struct tally_state *
tally_view_state(struct tally_log *log);

struct tally_open_segment *
tally_view_segment(struct tally_log *log);

void
tally_open_segment_unref(struct tally_open_segment *segment);

/* Takes over the reference; the old one goes. */
void
tally_view_set_state(struct tally_log *log, struct tally_state *state);

void
tally_view_drop_segment(struct tally_log *log);

/* Opens the segment anew and makes it the handle's. */
TALLY_MUST_CHECK int
tally_view_open_segment(struct tally_log *log, uint64_t first,
    struct tally_error *error);

#endif
