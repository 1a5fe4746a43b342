/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a log and closing it. */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "log/commit.h"
#include "log/fail.h"
#include "log/found.h"
#include "log/handle.h"
#include "log/identity.h"
#include "log/order.h"
#include "log/recover.h"
#include "log/seal.h"
#include "log/sync.h"
#include "log/wait.h"

static int
open_dirs(struct tally_log *log, struct tally_error *error)
{
	struct tally_sys_stat st;
	int result;

	tally_handle_open_dir(TALLY_SYS_CWD, log->path, &log->dir);
	if (log->dir == -ENOENT)
		return tally_fail(error, TALLY_E_NO_LOG,
		    "there is no log at \"%s\"; \"tally init\" makes one",
		    log->path);
	if (log->dir < 0)
		return tally_fail_os(error, log->dir, "cannot open \"%s\"",
		    log->path);
	result = tally_identity_refuse_network(log->dir, log->path, error);
	if (result == 0)
		result = tally_identity_read(log->dir, log->path,
		    &log->identity, error);
	if (result != 0)
		return result;
	tally_handle_open_dir(log->dir, TALLY_LOG_NAME, &log->log_dir);
	if (log->log_dir < 0)
		return tally_fail_os(error, log->log_dir,
		    "cannot open \"%s/log\"", log->path);
	result = tally_sys_stat(log->log_dir, &st);
	if (result != 0)
		return tally_fail_os(error, result, "cannot read \"%s/log\"",
		    log->path);
	log->owner.log_device = st.device;
	log->owner.log_inode = st.inode;
	result = tally_hex_parse(log->identity.id, 32, true, log->owner.log_id,
	    sizeof(log->owner.log_id));
	if (result != 0)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "\"tally.json\" does not read as a log's identity");
	result = tally_sys_boot_id(log->owner.boot);
	if (result != 0)
		return tally_fail_os(error, result, "cannot read the boot id");
	return TALLY_OK;
}

static struct tally_log *
handle_new(const char *path, struct tally_error *error)
{
	size_t len = strlen(path) + 1;
	struct tally_log *log = tally_sys_alloc(sizeof(*log));

	if (log == NULL) {
		tally_fail_memory(error);
		return NULL;
	}
	log->dir = log->log_dir = log->run_dir = log->presence = -1;
	pthread_mutex_init(&log->order, NULL);
	pthread_mutex_init(&log->sync, NULL);
	pthread_mutex_init(&log->view, NULL);
	pthread_mutex_init(&log->queue, NULL);
	log->path = tally_sys_alloc(len);
	tally_index_init(&log->index);
	tally_index_init(&log->builder);
	if (log->path == NULL || tally_hasher_open(&log->index.hasher) != 0 ||
	    tally_hasher_open(&log->builder.hasher) != 0 ||
	    tally_hasher_open(&log->sync_hasher) != 0 ||
	    tally_batch_new(&log->batch, error) != 0) {
		tally_fail_memory(error);
		(void)tally_log_close(log, NULL);
		return NULL;
	}
	memcpy(log->path, path, len);
	return log;
}

/* Nobody appends to a log whose tally.json is another's. */
static int
check_first_record(struct tally_log *log, struct tally_error *error)
{
	char event[TALLY_IDENTITY_TEXT_MAX];
	size_t len = tally_identity_event(&log->identity, event);
	struct tally_found found = { 0 };
	struct tally_place start = { 0 };
	int result;

	result = tally_found_read(log, &log->index.hasher, &start, &found,
	    error);
	if (result == TALLY_END ||
	    (result == 0 &&
		(found.line.event_len != len ||
		    memcmp(found.line.event, event, len) != 0)))
		result = tally_fail(error, TALLY_E_DAMAGED,
		    "\"tally.json\" and the first record do not agree;"
		    " nothing is appended to such a log, \"tally verify\""
		    " says more");
	tally_found_wipe(&found);
	return result;
}

/*
 * R5: writers hold a shared lock on tally.json.  One that gets it alone, and
 * finds records that nobody made durable, comes after writers that were all
 * killed: with them went the descriptors that would have been told of a failed
 * write-back, and a sync of ours may succeed over pages that are lost.  So it
 * recovers.  Order lock held.
 */
static int
arrive(struct tally_log *log, struct tally_error *error)
{
	int result = TALLY_OK;

	tally_handle_open_file(log->dir, TALLY_IDENTITY_NAME, &log->presence);
	if (log->presence < 0)
		return tally_fail_os(error, log->presence,
		    "cannot open \"%s/%s\"", log->path, TALLY_IDENTITY_NAME);
	if (tally_sys_lock(log->presence, false) == 0 &&
	    tally_state_durable(log->state).size <
		tally_state_tail(log->state).size) {
		/* First said, then done: a recovery that fails half way must
		 * not leave a state that somebody goes on from. */
		atomic_store(&log->state->shared->poisoned, TALLY_LEADER_DIED);
		result = tally_recover(log, error);
	}
	/* Without it somebody recovers once too often: no harm. */
	(void)tally_sys_lock_shared(log->presence);
	return result;
}

int
tally_log_open(const char *dir, const struct tally_open_options *options,
    struct tally_log **out_log, struct tally_error *error)
{
	struct tally_log *log = handle_new(dir, error);
	int result;

	if (log == NULL)
		return TALLY_E_MEMORY;
	log->read_only = options != NULL && options->read_only;
	result = tally_handle_enlist(log, error);
	if (result == 0)
		result = open_dirs(log, error);
	if (result == 0 && !log->read_only) {
		result = tally_order_begin(log, error);
		if (result == 0) {
			result = arrive(log, error);
			tally_order_end(log);
		}
		if (result == 0)
			result = check_first_record(log, error);
	}
	if (result != 0) {
		(void)tally_log_close(log, NULL);
		return result;
	}
	*out_log = log;
	return TALLY_OK;
}

/* R9: what this handle appended buffered becomes durable now. */
static int
close_sync(struct tally_log *log, struct tally_error *error)
{
	int result = TALLY_OK;

	if (log->read_only || atomic_load(&log->forked))
		return TALLY_OK;
	if (atomic_load(&log->has_buffered))
		result = tally_log_sync(log, error);
	if (result == 0)
		result = tally_sync_mark(log, error);
	return result;
}

int
tally_log_close(struct tally_log *log, struct tally_error *error)
{
	int result;

	if (log == NULL)
		return TALLY_OK;
	result = close_sync(log, error);
	tally_handle_delist(log);
	tally_view_set_state(log, NULL);
	tally_view_drop_segment(log);
	tally_workspaces_free(log);
	tally_groups_free(log);
	tally_batch_free(log->batch);
	tally_hasher_close(&log->sync_hasher);
	tally_index_wipe(&log->index);
	tally_index_wipe(&log->builder);
	tally_sys_close(log->run_dir);
	tally_sys_close(log->presence);
	tally_sys_close(log->log_dir);
	tally_sys_close(log->dir);
	pthread_mutex_destroy(&log->order);
	pthread_mutex_destroy(&log->sync);
	pthread_mutex_destroy(&log->view);
	pthread_mutex_destroy(&log->queue);
	tally_sys_free(log->path);
	tally_sys_free(log);
	return result;
}

const struct tally_identity *
tally_log_identity(const struct tally_log *log)
{
	return &log->identity;
}
