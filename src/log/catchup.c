/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing the index up to date: the lines from where it ends to a durable
 * place are read in steps, and each step is written and then stated.  A writer
 * that dies in between leaves bytes behind what is stated, which the next one
 * writes over.
 */
#include <errno.h>
#include <string.h>

#include "core/record.h"
#include "log/bytes.h"
#include "log/fail.h"
#include "log/handle.h"
#include "log/indexfile.h"
#include "log/key.h"

struct step {
	char *records; /* entries of the step's records */
	struct tally_keyed *keys;
	size_t room; /* records, and half the keys */
	size_t count, keys_count;
	struct tally_place place; /* behind the last */
};

static int
step_new(struct step *step, uint64_t missing, struct tally_error *error)
{
	step->room = missing < TALLY_INDEX_STEP ? (size_t)missing
						: TALLY_INDEX_STEP;
	step->records = tally_sys_alloc(step->room * TALLY_RECORD_ENTRY);
	step->keys = tally_sys_alloc(2 * step->room * sizeof(*step->keys));
	if (step->records == NULL || step->keys == NULL)
		return tally_fail_memory(error);
	return TALLY_OK;
}

static void
step_free(struct step *step)
{
	tally_sys_free(step->records);
	tally_sys_free(step->keys);
}

static int
step_line(struct tally_log *log, struct step *step, const char *text,
    size_t len, struct tally_error *error)
{
	struct tally_index *index = &log->builder;
	const struct tally_sip_key *seed = &index->seed;
	char *entry = step->records + step->count * TALLY_RECORD_ENTRY;
	struct tally_line line;
	struct tally_keyed key;
	uint64_t chain;

	if (tally_line_decode(text, len, &line) != 0)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "record %llu is damaged, \"tally verify\" says more",
		    (unsigned long long)step->place.size);
	tally_put64(entry, step->place.offset);
	memcpy(entry + 8, line.hash.b, sizeof(line.hash.b));
	tally_page_seal(&index->records.key,
	    step->place.size * TALLY_RECORD_ENTRY, entry, TALLY_RECORD_ENTRY);
	chain = tally_key_chain(seed, line.header.chain, line.header.chain_len);
	key.key = tally_key_seq(seed, chain, line.header.seq);
	key.index = step->place.size;
	key.offset = step->place.offset;
	step->keys[step->keys_count++] = key;
	if (line.header.id_len != 0) {
		key.key = tally_key_id(seed, chain, line.header.id,
		    line.header.id_len);
		step->keys[step->keys_count++] = key;
	}
	step->count++;
	step->place.size++;
	step->place.offset += len;
	return TALLY_OK;
}

/* The next lines of the segment that the step is in, up to end. */
static int
step_read(struct tally_log *log, struct step *step, uint64_t end,
    struct tally_error *error)
{
	struct tally_lines lines;
	const char *text;
	size_t len;
	int fd, result;

	fd = tally_segment_open(log->log_dir, step->place.segment, false,
	    error);
	if (fd < 0)
		return fd;
	tally_lines_init(&lines, fd, step->place.offset, end,
	    TALLY_LINE_MAX(TALLY_EVENT_MAX));
	result = TALLY_OK;
	while (result == 0 && step->count < step->room) {
		result = tally_lines_next(&lines, &text, &len, error);
		if (result == TALLY_PARTIAL)
			result = tally_fail(error, TALLY_E_DAMAGED,
			    "record %llu is damaged, \"tally verify\" says"
			    " more",
			    (unsigned long long)step->place.size);
		if (result == 0)
			result = step_line(log, step, text, len, error);
	}
	tally_lines_wipe(&lines);
	tally_sys_close(fd);
	return result == TALLY_END ? TALLY_OK : result;
}

/* Where the segment of a place ends: at upto, or at its file's end. */
static int
segment_end(struct tally_log *log, const struct tally_place *place,
    const struct tally_place *upto, uint64_t *out, struct tally_error *error)
{
	if (place->segment != upto->segment)
		return tally_segment_bytes(log->log_dir, place->segment, out,
		    error);
	*out = upto->offset;
	return TALLY_OK;
}

/* As many records as a step takes, over as many segments as need be. */
static int
step_fill(struct tally_log *log, struct step *step,
    const struct tally_place *upto, struct tally_error *error)
{
	while (step->count < step->room && step->place.size < upto->size) {
		uint64_t end = 0;
		size_t before;
		int result;

		result = segment_end(log, &step->place, upto, &end, error);
		if (result != 0)
			return result;
		if (step->place.offset == end) {
			if (step->place.segment == step->place.size)
				return tally_fail(error, TALLY_E_DAMAGED,
				    "a segment is empty");
			step->place.segment = step->place.size;
			step->place.offset = 0;
			continue;
		}
		before = step->count;
		result = step_read(log, step, end, error);
		if (result == 0 && step->count == before)
			result = tally_fail(error, TALLY_E_DAMAGED,
			    "a segment ends before record %llu",
			    (unsigned long long)step->place.size);
		if (result != 0)
			return result;
	}
	return TALLY_OK;
}

/* ---- writing ---------------------------------------------------------- */

/* Opens what a writer needs, making it if there is no index. */
static int
open_for_write(struct tally_log *log, struct tally_error *error)
{
	struct tally_index *index = &log->builder;
	int flags = TALLY_SYS_WRITE;
	int result = TALLY_OK;

	/* Not made anew behind what was there: it would begin with a hole. */
	if (index->covered.size == 0) {
		flags |= TALLY_SYS_CREATE | TALLY_SYS_EXCLUSIVE;
		tally_index_drop(index);
		result = tally_covered_begin(index, error);
	}
	if (result != 0)
		return result;
	result = tally_paged_open(&index->records, index->dir,
	    TALLY_RECORDS_NAME, flags, &index->secret);
	if (result != 0)
		return tally_fail_os(error, result, "cannot write the index");
	return TALLY_OK;
}

static int
open_tree(struct tally_index *index, int level, bool create,
    struct tally_error *error)
{
	char name[TALLY_TREE_NAME_SIZE];
	int result;

	tally_tree_name(level, name);
	result = tally_paged_open(&index->tree[level], index->dir, name,
	    create ? TALLY_SYS_WRITE | TALLY_SYS_CREATE : TALLY_SYS_WRITE,
	    &index->secret);
	if (result != 0)
		return tally_fail_os(error, result, "cannot write the index");
	return TALLY_OK;
}

/* The subtrees of one level that became whole between two sizes. */
static int
write_level(struct tally_index *index, int level, uint64_t from, uint64_t to,
    struct tally_error *error)
{
	unsigned height = 8 * ((unsigned)level + 1);
	int result = open_tree(index, level, from >> height == 0, error);

	for (uint64_t at = from >> height; at < to >> height && result == 0;
	     at++) {
		struct tally_paged *file = &index->tree[level];
		char entry[TALLY_TREE_ENTRY];
		struct tally_hash root;

		result = tally_index_fold(index, &index->hasher,
		    (unsigned)level, at << 8, 256, &root, error);
		if (result != 0)
			return result;
		memcpy(entry, root.b, sizeof(root.b));
		tally_page_seal(&file->key, at * sizeof(entry), entry,
		    sizeof(entry));
		result = tally_sys_write(file->fd, entry, sizeof(entry),
		    at * sizeof(entry), NULL);
		if (result != 0)
			return tally_fail_os(error, result,
			    "cannot write the index");
	}
	return result;
}

static int
step_write(struct tally_log *log, struct step *step, struct tally_error *error)
{
	struct tally_index *index = &log->builder;
	uint64_t from = index->covered.size;
	int result;

	result = tally_sys_write(index->records.fd, step->records,
	    step->count * TALLY_RECORD_ENTRY, from * TALLY_RECORD_ENTRY, NULL);
	if (result != 0)
		return tally_fail_os(error, result, "cannot write the index");
	for (int level = 0; level < TALLY_INDEX_LEVELS && result == 0 &&
	     step->place.size >> 8 * (level + 1) != 0;
	     level++)
		result = write_level(index, level, from, step->place.size,
		    error);
	if (result == 0)
		result = tally_runs_add(index->dir, &index->secret,
		    &index->runs, step->place.size, step->keys,
		    step->keys_count, error);
	return result;
}

/* Everything up to covered on the disk. */
static int
sync_all(struct tally_index *index, struct tally_error *error)
{
	int result = tally_runs_sync(&index->runs, index->synced.size, error);

	if (result != 0)
		return result;
	result = tally_sys_sync_all(index->records.fd);
	for (int i = 0;
	     i < TALLY_INDEX_LEVELS && result == 0 && index->tree[i].fd >= 0;
	     i++)
		result = tally_sys_sync_all(index->tree[i].fd);
	if (result == 0)
		result = tally_sys_sync_all(index->dir);
	if (result != 0)
		return tally_fail_os(error, result, "cannot sync the index");
	index->synced = index->covered;
	index->synced_root = index->root;
	return TALLY_OK;
}

/* States what the step has written. */
static int
step_state(struct tally_log *log, struct step *step, struct tally_error *error)
{
	struct tally_index *index = &log->builder;
	bool merged = false;
	int result;

	index->covered = step->place;
	result = tally_index_root(index, index->covered.size, &index->root,
	    error);
	if (result == 0)
		result = tally_runs_merge(index->dir, &index->secret,
		    &index->runs, &merged, error);
	if (result == 0 && merged)
		result = sync_all(index, error);
	if (result == 0)
		result = tally_covered_write(log, index, merged, error);
	if (result == 0 && merged)
		tally_runs_prune(index->dir, &index->runs);
	return result;
}

/* Both; an index that cannot be read or written is not built upon. */
static int
step_put(struct tally_log *log, struct step *step, struct tally_error *error)
{
	int result = step_write(log, step, error);

	if (result == 0)
		result = step_state(log, step, error);
	if (result == TALLY_E_IO)
		tally_index_drop(&log->builder);
	return result;
}

/* ---- catching up ------------------------------------------------------ */

/* Makes the directory if it is missing, and takes its lock. */
static int
lock_index(struct tally_log *log, bool wait, struct tally_error *error)
{
	struct tally_index *index = &log->builder;
	int result;

	if (index->dir < 0) {
		result = tally_sys_mkdir(log->dir, TALLY_INDEX_NAME);
		if (result == 0 || result == -EEXIST) {
			tally_handle_open_dir(log->dir, TALLY_INDEX_NAME,
			    &index->dir);
			result = index->dir < 0 ? index->dir : 0;
		}
		if (result < 0) {
			index->dir = -1;
			return tally_fail_os(error, result,
			    "cannot make \"%s/index\"", log->path);
		}
	}
	do
		result = tally_sys_lock(index->dir, wait);
	while (result == -EINTR);
	if (result == -EWOULDBLOCK)
		return TALLY_END;
	if (result != 0)
		return tally_fail_os(error, result, "cannot lock the index");
	index->is_locked = true;
	return TALLY_OK;
}

/* Index lock held: the steps from covered to upto. */
static int
catch_up_locked(struct tally_log *log, const struct tally_place *upto,
    struct tally_error *error)
{
	struct tally_index *index = &log->builder;
	struct step step = { 0 };
	int result;

	if (index->covered.size >= upto->size)
		return TALLY_OK;
	result = open_for_write(log, error);
	/* What an earlier boot has left unsynced must not be taken for ours. */
	if (result == 0)
		tally_runs_prune(index->dir, &index->runs);
	if (result == 0)
		result = step_new(&step, upto->size - index->covered.size,
		    error);
	while (result == 0 && index->covered.size < upto->size) {
		step.count = 0;
		step.keys_count = 0;
		step.place = index->covered;
		result = step_fill(log, &step, upto, error);
		if (result == 0)
			result = step_put(log, &step, error);
	}
	step_free(&step);
	return result;
}

/* The index as it is now, and its lock: not that of a directory that was
 * removed before we had it. */
static int
own_index(struct tally_log *log, bool wait, struct tally_error *error)
{
	struct tally_index *index = &log->builder;
	int result = tally_index_refresh(log, index, error);

	while (result == 0 && !index->is_locked) {
		result = lock_index(log, wait, error);
		if (result == 0)
			result = tally_index_refresh(log, index, error);
	}
	return result;
}

int
tally_index_catch_up(struct tally_log *log, const struct tally_place *upto,
    bool wait, struct tally_error *error)
{
	struct tally_index *index = &log->builder;
	struct tally_state *state;
	int result;

	if (wait)
		pthread_rwlock_wrlock(&index->lock);
	else if (pthread_rwlock_trywrlock(&index->lock) != 0)
		return TALLY_END;
	result = own_index(log, wait, error);
	if (result == 0)
		result = catch_up_locked(log, upto, error);
	if (result < 0)
		tally_index_shut(index);
	else if (index->is_locked) {
		tally_sys_unlock(index->dir);
		index->is_locked = false;
	}
	state = tally_view_state(log);
	if (result == 0 && state != NULL && state->writable)
		atomic_store(&state->shared->indexed_size, index->covered.size);
	tally_state_unref(state);
	pthread_rwlock_unlock(&index->lock);
	return result;
}
