/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "log/bytes.h"
#include "log/fail.h"
#include "log/find.h"
#include "log/handle.h"
#include "log/indexfile.h"

void
tally_index_init(struct tally_index *index)
{
	memset(index, 0, sizeof(*index));
	pthread_rwlock_init(&index->lock, NULL);
	index->dir = -1;
	index->records = -1;
	index->stated = -1;
	for (int i = 0; i < TALLY_INDEX_LEVELS; i++)
		index->tree[i] = -1;
}

/* As if the directory were empty; it stays open, and locked if it is. */
static void
shut_files(struct tally_index *index)
{
	tally_sys_close(index->records);
	tally_sys_close(index->stated);
	index->records = -1;
	index->stated = -1;
	for (int i = 0; i < TALLY_INDEX_LEVELS; i++) {
		tally_sys_close(index->tree[i]);
		index->tree[i] = -1;
	}
	tally_runs_close(&index->runs);
	memset(&index->covered, 0, sizeof(index->covered));
	memset(&index->synced, 0, sizeof(index->synced));
	index->device = 0;
	index->inode = 0;
	index->is_open = false;
}

/* As if there were none. */
void
tally_index_shut(struct tally_index *index)
{
	int dir = index->dir;

	/* R1: a child of a fork may have it too, and would keep the lock. */
	if (index->is_locked)
		tally_sys_unlock(dir);
	index->is_locked = false;
	index->dir = -1;
	tally_sys_close(dir);
	shut_files(index);
}

void
tally_index_wipe(struct tally_index *index)
{
	tally_index_shut(index);
	tally_hasher_close(&index->hasher);
	pthread_rwlock_destroy(&index->lock);
}

/* ---- opening ---------------------------------------------------------- */

/* The files, as far as covered needs them. */
static int
open_files(struct tally_index *index)
{
	char name[TALLY_TREE_NAME_SIZE];

	index->records = tally_sys_open(index->dir, TALLY_RECORDS_NAME,
	    TALLY_SYS_READ);
	if (index->records < 0)
		return TALLY_END;
	for (int i = 0; i < TALLY_INDEX_LEVELS; i++) {
		if (index->covered.size >> 8 * (i + 1) == 0)
			break;
		tally_tree_name(i, name);
		index->tree[i] = tally_sys_open(index->dir, name,
		    TALLY_SYS_READ);
		if (index->tree[i] < 0)
			return TALLY_END;
	}
	return TALLY_OK;
}

/* Are the files as long as they must be? */
static bool
are_long_enough(struct tally_index *index)
{
	struct tally_sys_stat st;

	if (tally_sys_stat(index->records, &st) != 0 ||
	    st.size < index->covered.size * TALLY_RECORD_ENTRY)
		return false;
	for (int i = 0; i < TALLY_INDEX_LEVELS && index->tree[i] >= 0; i++) {
		if (tally_sys_stat(index->tree[i], &st) != 0 ||
		    st.size < (index->covered.size >> 8 * (i + 1)) * 32)
			return false;
	}
	return true;
}

/* Is the directory that we have open still the one at its path? */
static bool
is_directory_ours(struct tally_log *log, const struct tally_index *index)
{
	struct tally_sys_stat own, there;
	int fd, result;

	if (index->dir < 0 || tally_sys_stat(index->dir, &own) != 0)
		return false;
	/* Opened, for it may be a symbolic link. */
	fd = tally_sys_open_dir(log->dir, TALLY_INDEX_NAME);
	if (fd < 0)
		return false;
	result = tally_sys_stat(fd, &there);
	tally_sys_close(fd);
	return result == 0 && own.inode == there.inode &&
	    own.device == there.device;
}

/*
 * R8: has the log the record that the index covers last?  log/ may have come
 * back from a backup and gone another way since.  TALLY_END if not.
 */
static int
check_history(struct tally_log *log, struct tally_index *index,
    struct tally_error *error)
{
	struct tally_place at = index->covered;
	struct tally_found found = { 0 };
	struct tally_hash hash;
	int result;

	at.size--;
	result = tally_index_record(index, at.size, &at.offset, &hash, error);
	if (result == 0)
		result = tally_found_peek(log, &at, &found, error);
	if (result == 0 &&
	    (!tally_hash_equal(&found.line.hash, &hash) ||
		at.offset + found.len != index->covered.offset))
		result = TALLY_END;
	tally_found_wipe(&found);
	return result == TALLY_E_IO || result == TALLY_E_SWAPPED ? TALLY_END
								 : result;
}

static int
open_index(struct tally_log *log, struct tally_index *index,
    struct tally_error *error)
{
	int result;

	/* Who builds it must not let go of its lock here. */
	if (index->is_locked && is_directory_ours(log, index)) {
		shut_files(index);
	} else {
		tally_index_shut(index);
		tally_handle_open_dir(log->dir, TALLY_INDEX_NAME, &index->dir);
	}
	if (index->dir < 0) {
		index->dir = -1;
		return TALLY_OK;
	}
	result = tally_covered_read(log, index);
	if (result == 0 && index->covered.size > 0) {
		result = open_files(index);
		if (result == 0 && !are_long_enough(index))
			result = TALLY_END;
		if (result == 0)
			result = tally_runs_open(index->dir, log->owner.log_id,
			    &index->hasher, index->covered.size, &index->runs,
			    error);
		if (result == 0)
			result = check_history(log, index, error);
	}
	if (result == TALLY_END) {
		memset(&index->covered, 0, sizeof(index->covered));
		memset(&index->synced, 0, sizeof(index->synced));
		tally_runs_close(&index->runs);
		/* Not taken for known: the next look opens it again. */
		index->is_open = false;
		return TALLY_OK;
	}
	return result == 0 ? tally_covered_known(index, error) : result;
}

int
tally_index_refresh(struct tally_log *log, struct tally_index *index,
    struct tally_error *error)
{
	struct tally_sys_stat st;

	if (tally_sys_stat_at(log->dir, TALLY_INDEX_NAME "/" TALLY_COVERED_NAME,
		&st) != 0) {
		if (!is_directory_ours(log, index))
			tally_index_shut(index);
		else if (index->covered.size != 0)
			shut_files(index);
		return TALLY_OK;
	}
	if (index->is_open && st.inode == index->inode &&
	    st.device == index->device)
		return TALLY_OK;
	return open_index(log, index, error);
}

/* Is what we have open what is there? */
static bool
is_fresh(struct tally_log *log)
{
	const struct tally_index *index = &log->index;
	struct tally_sys_stat st;

	return index->is_open &&
	    tally_sys_stat_at(log->dir, TALLY_INDEX_NAME "/" TALLY_COVERED_NAME,
		&st) == 0 &&
	    st.inode == index->inode && st.device == index->device;
}

int
tally_index_begin(struct tally_log *log, struct tally_error *error)
{
	int result;

	pthread_rwlock_rdlock(&log->index.lock);
	if (is_fresh(log))
		return TALLY_OK;
	pthread_rwlock_unlock(&log->index.lock);
	pthread_rwlock_wrlock(&log->index.lock);
	result = tally_index_refresh(log, &log->index, error);
	pthread_rwlock_unlock(&log->index.lock);
	if (result == 0)
		pthread_rwlock_rdlock(&log->index.lock);
	return result;
}

void
tally_index_end(struct tally_log *log)
{
	pthread_rwlock_unlock(&log->index.lock);
}

void
tally_index_discard(struct tally_log *log)
{
	struct tally_index *index = &log->index;

	pthread_rwlock_wrlock(&index->lock);
	if (index->dir >= 0 && !log->read_only)
		(void)tally_sys_unlink(index->dir, TALLY_COVERED_NAME);
	tally_index_shut(index);
	pthread_rwlock_unlock(&index->lock);
}

/* ---- reading ---------------------------------------------------------- */

static int
read_exact(int fd, char *out, size_t len, uint64_t offset,
    struct tally_error *error)
{
	int64_t n = tally_sys_read(fd, out, len, offset);

	if (n < 0)
		return tally_fail_os(error, (int)n, "cannot read the index");
	return (uint64_t)n == len ? TALLY_OK
				  : tally_fail(error, TALLY_E_IO,
					"the index is short; remove the"
					" directory \"index\", it comes back");
}

int
tally_index_record(struct tally_index *index, uint64_t at, uint64_t *out_offset,
    struct tally_hash *out_hash, struct tally_error *error)
{
	char entry[TALLY_RECORD_ENTRY];
	int result;

	result = read_exact(index->records, entry, sizeof(entry),
	    at * TALLY_RECORD_ENTRY, error);
	if (result != 0)
		return result;
	*out_offset = tally_get64(entry);
	memcpy(out_hash->b, entry + 8, sizeof(out_hash->b));
	return TALLY_OK;
}

/*
 * The root of count (at most 256, a power of two) adjacent nodes of a level:
 * level 0 the leaves, level n the file tree[n - 1].
 */
int
tally_index_fold(struct tally_index *index, struct tally_hasher *hasher,
    unsigned level, uint64_t first, unsigned count, struct tally_hash *out,
    struct tally_error *error)
{
	char bytes[256 * TALLY_RECORD_ENTRY];
	size_t entry = level == 0 ? TALLY_RECORD_ENTRY : 32;
	struct tally_frontier frontier;
	int fd = level == 0 ? index->records : index->tree[level - 1];
	int result;

	result = read_exact(fd, bytes, count * entry, first * entry, error);
	if (result != 0)
		return result;
	tally_frontier_init(&frontier);
	for (unsigned i = 0; i < count; i++) {
		struct tally_hash node;

		memcpy(node.b, bytes + (i + 1) * entry - 32, 32);
		tally_frontier_append(hasher, &frontier, &node);
	}
	*out = tally_frontier_root(hasher, &frontier);
	return TALLY_OK;
}

int
tally_index_node(struct tally_index *index, struct tally_hasher *hasher,
    unsigned height, uint64_t position, struct tally_hash *out)
{
	unsigned level = height / 8;

	if (level > TALLY_INDEX_LEVELS)
		return TALLY_E_LIMIT;
	return tally_index_fold(index, hasher, level, position << height % 8,
	    1u << height % 8, out, NULL);
}
