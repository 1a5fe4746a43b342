/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "log/bytes.h"
#include "log/fail.h"
#include "log/found.h"
#include "log/handle.h"
#include "log/indexfile.h"

void
tally_index_init(struct tally_index *index)
{
	memset(index, 0, sizeof(*index));
	pthread_rwlock_init(&index->lock, NULL);
	index->dir = -1;
	index->records.fd = -1;
	index->stated = -1;
	for (int i = 0; i < TALLY_INDEX_LEVELS; i++)
		index->tree[i].fd = -1;
}

/* As if it covered nothing. */
static void
forget(struct tally_index *index)
{
	tally_paged_close(&index->records);
	for (int i = 0; i < TALLY_INDEX_LEVELS; i++)
		tally_paged_close(&index->tree[i]);
	tally_runs_close(&index->runs);
	tally_segments_wipe(&index->segments);
	memset(&index->covered, 0, sizeof(index->covered));
	memset(&index->synced, 0, sizeof(index->synced));
}

/* As if the directory were empty; it stays open, and locked if it is. */
static void
shut_files(struct tally_index *index)
{
	forget(index);
	tally_sys_close(index->stated);
	index->stated = -1;
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

	if (tally_paged_open(&index->records, index->dir, TALLY_RECORDS_NAME,
		TALLY_SYS_READ, &index->secret) != 0)
		return TALLY_END;
	for (int i = 0; i < TALLY_INDEX_LEVELS; i++) {
		if (index->covered.size >> 8 * (i + 1) == 0)
			break;
		tally_tree_name(i, name);
		if (tally_paged_open(&index->tree[i], index->dir, name,
			TALLY_SYS_READ, &index->secret) != 0)
			return TALLY_END;
	}
	return TALLY_OK;
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

/* Has the tree the root that is stated?  If not, its files are not of one
 * moment, whatever their pages say. */
static int
check_root(struct tally_index *index, struct tally_error *error)
{
	struct tally_hash root;
	int result = tally_index_root(index, index->covered.size, &root, error);

	if (result == TALLY_E_IO ||
	    (result == 0 && !tally_hash_equal(&root, &index->root)))
		return TALLY_END;
	return result;
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
		if (result == 0)
			result = check_root(index, error);
		if (result == 0)
			result = tally_runs_open(index->dir, &index->secret,
			    index->covered.size, &index->runs, error);
		if (result == 0)
			result = check_history(log, index, error);
	}
	if (result == TALLY_END) {
		forget(index);
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

/*
 * The segments that it covers: their list does not change, so it is taken
 * again only when the index has come to another.
 */
static int
list_segments(struct tally_log *log, struct tally_error *error)
{
	struct tally_index *index = &log->index;
	struct tally_segments *segments = &index->segments;

	if (index->covered.size == 0 ||
	    (segments->count > 0 &&
		segments->first[segments->count - 1] >= index->covered.segment))
		return TALLY_OK;
	tally_segments_wipe(segments);
	return tally_segments_list(log->log_dir, segments, error);
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
	if (result == 0)
		result = list_segments(log, error);
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

/* Removes "covered", if it is still the one that we have open. */
static int
unlink_covered(struct tally_index *index)
{
	struct tally_sys_stat st;

	if (index->dir < 0 || !index->is_open ||
	    tally_sys_stat_at(index->dir, TALLY_COVERED_NAME, &st) != 0 ||
	    st.inode != index->inode || st.device != index->device)
		return TALLY_OK;
	return tally_sys_unlink(index->dir, TALLY_COVERED_NAME);
}

void
tally_index_discard(struct tally_log *log)
{
	struct tally_index *index = &log->index;

	pthread_rwlock_wrlock(&index->lock);
	/* Who may not remove it still knows it, and that it is not to be
	 * believed, until there is another. */
	if (log->read_only || unlink_covered(index) != 0)
		forget(index);
	else
		tally_index_shut(index);
	pthread_rwlock_unlock(&index->lock);
}

void
tally_index_drop(struct tally_index *index)
{
	(void)tally_sys_unlink(index->dir, TALLY_COVERED_NAME);
	shut_files(index);
}

/* ---- reading ---------------------------------------------------------- */

int
tally_index_record(struct tally_index *index, uint64_t at, uint64_t *out_offset,
    struct tally_hash *out_hash, struct tally_error *error)
{
	char entry[TALLY_RECORD_ENTRY];
	int result;

	result = tally_pages_read(&index->records, at * TALLY_RECORD_ENTRY,
	    TALLY_RECORD_ENTRY, 1, entry, error);
	if (result != 0)
		return result;
	*out_offset = tally_get64(entry);
	memcpy(out_hash->b, entry + 8, sizeof(out_hash->b));
	return TALLY_OK;
}

int
tally_index_segment(const struct tally_index *index, uint64_t at,
    uint64_t *out_first)
{
	const struct tally_segments *segments = &index->segments;
	size_t low = 0, high = segments->count;

	if (high == 0)
		return TALLY_END;
	/* The last that begins at or before it. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (segments->first[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	*out_first = segments->first[low];
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
	size_t entry = level == 0 ? TALLY_RECORD_ENTRY : TALLY_TREE_ENTRY;
	size_t hash_at = level == 0 ? 8 : 0;
	struct tally_frontier frontier;
	int result;

	result = tally_pages_read(level == 0 ? &index->records
					     : &index->tree[level - 1],
	    first * entry, entry, count, bytes, error);
	if (result != 0)
		return result;
	tally_frontier_init(&frontier);
	for (unsigned i = 0; i < count; i++) {
		struct tally_hash node;

		memcpy(node.b, bytes + i * entry + hash_at, 32);
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

static int
root_node(void *arg, unsigned height, uint64_t position, struct tally_hash *out)
{
	struct tally_index *index = arg;

	return tally_index_node(index, &index->hasher, height, position, out);
}

int
tally_index_root(struct tally_index *index, uint64_t size,
    struct tally_hash *out, struct tally_error *error)
{
	const struct tally_tree_source source = { root_node, index };
	int result = tally_tree_root(&index->hasher, &source, size, out);

	return result == 0
	    ? TALLY_OK
	    : tally_fail(error, result, "cannot read the tree of the index");
}
