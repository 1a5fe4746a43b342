/* SPDX-License-Identifier: Apache-2.0 */
#include "log/handle.h"
#include "log/fail.h"

/* ---- fork: a child must not hold its parent's locks (R1) -------------- */

static pthread_mutex_t handles_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct tally_log *handles;
static bool fork_watched;

static void
fork_prepare(void)
{
	pthread_mutex_lock(&handles_mutex);
}

static void
fork_parent(void)
{
	pthread_mutex_unlock(&handles_mutex);
}

/*
 * Every descriptor that is ever locked goes, for it is the parent's lock too;
 * and the mutexes are new, for the parent's threads may have held them.
 */
static void
fork_child(void)
{
	for (struct tally_log *log = handles; log != NULL; log = log->next) {
		tally_sys_close(log->log_dir);
		tally_sys_close(log->dir);
		tally_sys_close(log->builder.dir);
		log->log_dir = -1;
		log->dir = -1;
		log->builder.dir = -1;
		tally_sys_close(log->presence);
		log->presence = -1;
		pthread_mutex_init(&log->order, NULL);
		pthread_mutex_init(&log->sync, NULL);
		pthread_mutex_init(&log->view, NULL);
		pthread_mutex_init(&log->queue, NULL);
		pthread_rwlock_init(&log->index.lock, NULL);
		pthread_rwlock_init(&log->builder.lock, NULL);
		atomic_store(&log->forked, true);
	}
	pthread_mutex_unlock(&handles_mutex);
}

int
tally_handle_refuse_forked(struct tally_error *error)
{
	return tally_fail(error, TALLY_E_FORKED,
	    "this handle was opened before a fork; open the log anew in the"
	    " child");
}

void
tally_handle_open_dir(int dir, const char *name, int *out_fd)
{
	pthread_mutex_lock(&handles_mutex);
	*out_fd = tally_sys_open_dir(dir, name);
	pthread_mutex_unlock(&handles_mutex);
}

void
tally_handle_open_file(int dir, const char *name, int *out_fd)
{
	pthread_mutex_lock(&handles_mutex);
	*out_fd = tally_sys_open(dir, name, TALLY_SYS_READ);
	pthread_mutex_unlock(&handles_mutex);
}

int
tally_handle_enlist(struct tally_log *log, struct tally_error *error)
{
	int result = 0;

	pthread_mutex_lock(&handles_mutex);
	if (!fork_watched)
		result = tally_sys_at_fork(fork_prepare, fork_parent,
		    fork_child);
	if (result == 0) {
		fork_watched = true;
		log->next = handles;
		if (handles != NULL)
			handles->previous = log;
		handles = log;
	}
	pthread_mutex_unlock(&handles_mutex);
	if (result != 0)
		return tally_fail_os(error, result, "cannot watch for forks");
	return TALLY_OK;
}

void
tally_handle_delist(struct tally_log *log)
{
	pthread_mutex_lock(&handles_mutex);
	if (log->previous != NULL)
		log->previous->next = log->next;
	else if (handles == log)
		handles = log->next;
	if (log->next != NULL)
		log->next->previous = log->previous;
	pthread_mutex_unlock(&handles_mutex);
}

/* ---- the pool --------------------------------------------------------- */

#define NAMES_FIRST 128

static void
workspace_free(struct tally_workspace *space)
{
	tally_hasher_close(&space->hasher);
	tally_sys_free(space->room.names);
	tally_sys_free(space);
}

int
tally_workspace_take(struct tally_log *log, struct tally_workspace **out,
    struct tally_error *error)
{
	struct tally_workspace *space;

	pthread_mutex_lock(&log->queue);
	space = log->workspaces;
	if (space != NULL)
		log->workspaces = space->next;
	pthread_mutex_unlock(&log->queue);
	if (space == NULL) {
		space = tally_sys_alloc(sizeof(*space));
		if (space == NULL)
			return tally_fail_memory(error);
		if (tally_hasher_open(&space->hasher) != 0 ||
		    tally_workspace_widen(space, error) != 0) {
			workspace_free(space);
			return tally_fail_memory(error);
		}
	}
	*out = space;
	return TALLY_OK;
}

void
tally_workspace_give(struct tally_log *log, struct tally_workspace *space)
{
	pthread_mutex_lock(&log->queue);
	space->next = log->workspaces;
	log->workspaces = space;
	pthread_mutex_unlock(&log->queue);
}

int
tally_workspace_widen(struct tally_workspace *space, struct tally_error *error)
{
	size_t capacity = space->room.capacity == 0 ? NAMES_FIRST
						    : 2 * space->room.capacity;
	void *names = tally_sys_realloc(space->room.names,
	    capacity * sizeof(*space->room.names));

	if (names == NULL)
		return tally_fail_memory(error);
	space->room.names = names;
	space->room.capacity = capacity;
	return TALLY_OK;
}

void
tally_workspaces_free(struct tally_log *log)
{
	struct tally_workspace *space;

	while ((space = log->workspaces) != NULL) {
		log->workspaces = space->next;
		workspace_free(space);
	}
}

/* ---- the view --------------------------------------------------------- */

struct tally_state *
tally_view_state(struct tally_log *log)
{
	struct tally_state *state;

	pthread_mutex_lock(&log->view);
	state = tally_state_ref(log->state);
	pthread_mutex_unlock(&log->view);
	return state;
}

void
tally_view_set_state(struct tally_log *log, struct tally_state *state)
{
	struct tally_state *old;

	pthread_mutex_lock(&log->view);
	old = log->state;
	log->state = state;
	pthread_mutex_unlock(&log->view);
	tally_state_unref(old);
}

struct tally_open_segment *
tally_view_segment(struct tally_log *log)
{
	struct tally_open_segment *segment;

	pthread_mutex_lock(&log->view);
	segment = log->segment;
	if (segment != NULL)
		atomic_fetch_add(&segment->refs, 1);
	pthread_mutex_unlock(&log->view);
	return segment;
}

void
tally_open_segment_unref(struct tally_open_segment *segment)
{
	if (segment == NULL || atomic_fetch_sub(&segment->refs, 1) != 1)
		return;
	tally_sys_close(segment->fd);
	tally_sys_free(segment);
}

static void
view_set_segment(struct tally_log *log, struct tally_open_segment *segment)
{
	struct tally_open_segment *old;

	pthread_mutex_lock(&log->view);
	old = log->segment;
	log->segment = segment;
	pthread_mutex_unlock(&log->view);
	tally_open_segment_unref(old);
}

void
tally_view_drop_segment(struct tally_log *log)
{
	view_set_segment(log, NULL);
}

int
tally_view_open_segment(struct tally_log *log, uint64_t first,
    struct tally_error *error)
{
	struct tally_open_segment *segment;
	struct tally_sys_stat st;
	int fd, result;

	fd = tally_segment_open(log->log_dir, first, true, error);
	if (fd < 0)
		return fd;
	result = tally_sys_stat(fd, &st);
	if (result != 0) {
		tally_sys_close(fd);
		return tally_fail_os(error, result, "cannot read a segment");
	}
	segment = tally_sys_alloc(sizeof(*segment));
	if (segment == NULL) {
		tally_sys_close(fd);
		return tally_fail_memory(error);
	}
	segment->fd = fd;
	segment->first = first;
	segment->device = st.device;
	segment->inode = st.inode;
	segment->refs = 1;
	view_set_segment(log, segment);
	return TALLY_OK;
}

/* ---- open and close --------------------------------------------------- */
