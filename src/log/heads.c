/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file, all numbers little-endian:
 *
 *     "tallyhd1"  log id (16)
 *     size segment offset               8 each: the place
 *     last segment, offset, time        8 each
 *     last hash                         32
 *     chains, bytes of names            8 each
 *     per chain, by first record: name length (2), name (escaped),
 *         index seq time (8 each), hash (32)
 *     H() of all before                 32
 */
#include <errno.h>
#include <string.h>

#include "core/hash.h"
#include "log/bytes.h"
#include "log/fail.h"
#include "log/found.h"
#include "log/heads.h"
#include "log/key.h"

#define HEADS_NAME "heads"
#define HEADS_NEW "heads.new"
#define MAGIC "tallyhd1"
#define FIXED_BYTES (8 + 16 + 6 * 8 + 32 + 2 * 8)
#define CHAIN_BYTES (2 + 3 * 8 + 32)
#define SAVE_EVERY 65536

/* ---- reading ---------------------------------------------------------- */

static int
read_whole(struct tally_log *log, struct tally_heads_file *out,
    struct tally_error *error)
{
	struct tally_sys_stat st;
	int64_t n = 0;
	int fd, result;

	fd = tally_sys_open(log->dir, TALLY_INDEX_NAME "/" HEADS_NAME,
	    TALLY_SYS_READ);
	if (fd < 0)
		return TALLY_END;
	result = tally_sys_stat(fd, &st);
	if (result == 0 && st.size >= FIXED_BYTES + 32) {
		out->bytes = tally_sys_alloc((size_t)st.size);
		if (out->bytes == NULL) {
			tally_sys_close(fd);
			return tally_fail_memory(error);
		}
		n = tally_sys_read(fd, out->bytes, (size_t)st.size, 0);
	}
	tally_sys_close(fd);
	if (result != 0 || n <= 0 || (uint64_t)n != st.size)
		return TALLY_END;
	out->len = (size_t)n;
	return TALLY_OK;
}

/* Every chain lies inside the file, and the sums are right. */
static bool
is_whole(const struct tally_heads_file *file)
{
	size_t at = FIXED_BYTES, end = file->len - 32;
	uint64_t names = 0;

	for (uint64_t i = 0; i < file->chains; i++) {
		size_t len;

		if (end - at < CHAIN_BYTES)
			return false;
		len = tally_get16(file->bytes + at);
		if (len == 0 || end - at - CHAIN_BYTES < len)
			return false;
		at += CHAIN_BYTES + len;
		names += len;
	}
	return at == end && names == file->names;
}

/*
 * R8: has the log the record that was the last one then?  log/ may have come
 * back from a backup and gone another way since; heads of the old way would
 * make a fork.
 */
static int
check_history(struct tally_log *log, const struct tally_heads_file *file,
    struct tally_error *error)
{
	const struct tally_place at = {
		.size = file->place.size - 1,
		.segment = file->last.segment,
		.offset = file->last.offset,
	};
	struct tally_found found = { 0 };
	int result = tally_found_peek(log, &at, &found, error);

	if (result == 0 &&
	    (!tally_hash_equal(&found.line.hash, &file->last.hash) ||
		(at.segment == file->place.segment &&
		    at.offset + found.len != file->place.offset)))
		result = TALLY_END;
	tally_found_wipe(&found);
	return result == TALLY_E_SWAPPED ? TALLY_END : result;
}

int
tally_heads_read(struct tally_log *log, const struct tally_place *limit,
    struct tally_heads_file *out, struct tally_error *error)
{
	struct tally_hash sum, stored;
	const char *at;
	int result;

	memset(out, 0, sizeof(*out));
	result = read_whole(log, out, error);
	if (result != 0)
		return result;
	sum = tally_hash_bytes(&log->sync_hasher, out->bytes, out->len - 32);
	memcpy(stored.b, out->bytes + out->len - 32, 32);
	if (!tally_hash_equal(&sum, &stored) ||
	    memcmp(out->bytes, MAGIC, 8) != 0 ||
	    memcmp(out->bytes + 8, log->owner.log_id, 16) != 0)
		return TALLY_END;
	at = out->bytes + 24;
	out->place.size = tally_get64(at);
	out->place.segment = tally_get64(at + 8);
	out->place.offset = tally_get64(at + 16);
	out->last.segment = tally_get64(at + 24);
	out->last.offset = tally_get64(at + 32);
	out->last.time_us = (int64_t)tally_get64(at + 40);
	memcpy(out->last.hash.b, at + 48, 32);
	out->chains = tally_get64(at + 80);
	out->names = tally_get64(at + 88);
	out->last.chains = out->chains;
	if (out->place.size > limit->size || out->chains > out->len ||
	    !is_whole(out))
		return TALLY_END;
	return check_history(log, out, error);
}

void
tally_heads_wipe(struct tally_heads_file *file)
{
	tally_sys_free(file->bytes);
	memset(file, 0, sizeof(*file));
}

void
tally_heads_fill(const struct tally_heads_file *file, struct tally_state *state)
{
	const char *at = file->bytes + FIXED_BYTES;

	for (uint64_t i = 0; i < file->chains; i++) {
		size_t len = tally_get16(at);
		struct tally_chain_head head;
		struct tally_chain *chain;

		chain = tally_state_chain_add(state,
		    tally_key_chain(&state->shared->seed, at + 2, len), at + 2,
		    len);
		at += 2 + len;
		head.index = tally_get64(at);
		head.seq = tally_get64(at + 8);
		head.time_us = (int64_t)tally_get64(at + 16);
		memcpy(head.hash.b, at + 24, 32);
		at += CHAIN_BYTES - 2;
		tally_state_head_set(state, chain, &head);
		tally_state_chain_order(state, chain, i);
	}
	state->shared->heads_saved = file->place.size;
	tally_state_publish(state, &file->place, &file->last);
}

/* ---- saving ----------------------------------------------------------- */

static void
encode_fixed(const struct tally_state *state, char *at)
{
	struct tally_place tail = tally_state_tail(state);
	const struct tally_last *last = tally_state_last(state);

	memcpy(at, MAGIC, 8);
	memcpy(at + 8, state->shared->log_id, 16);
	at += 24;
	tally_put64(at, tail.size);
	tally_put64(at + 8, tail.segment);
	tally_put64(at + 16, tail.offset);
	tally_put64(at + 24, last->segment);
	tally_put64(at + 32, last->offset);
	tally_put64(at + 40, (uint64_t)last->time_us);
	memcpy(at + 48, last->hash.b, 32);
	tally_put64(at + 80, last->chains);
}

char *
tally_heads_encode(const struct tally_state *state, size_t *out_len)
{
	const struct tally_last *last = tally_state_last(state);
	size_t room = FIXED_BYTES + 32 + state->shared->arena_used +
	    last->chains * CHAIN_BYTES;
	char *bytes = tally_sys_alloc(room);
	char *at = bytes + FIXED_BYTES;
	uint64_t names = 0;

	if (bytes == NULL)
		return NULL;
	encode_fixed(state, bytes);
	for (uint64_t i = 0; i < last->chains; i++) {
		const struct tally_chain
		    *chain = &state->chains[state->order[i]];
		const struct tally_chain_head *head = tally_state_head(state,
		    chain);

		tally_put16(at, (uint16_t)chain->name_len);
		memcpy(at + 2, state->arena + chain->name_at, chain->name_len);
		at += 2 + chain->name_len;
		tally_put64(at, head->index);
		tally_put64(at + 8, head->seq);
		tally_put64(at + 16, (uint64_t)head->time_us);
		memcpy(at + 24, head->hash.b, 32);
		at += CHAIN_BYTES - 2;
		names += chain->name_len;
	}
	tally_put64(bytes + 24 + 88, names);
	*out_len = (size_t)(at - bytes) + 32;
	return bytes;
}

int
tally_heads_write(struct tally_log *log, const char *bytes, size_t len)
{
	int dir, fd, result;

	(void)tally_sys_mkdir(log->dir, TALLY_INDEX_NAME);
	dir = tally_sys_open_dir(log->dir, TALLY_INDEX_NAME);
	if (dir < 0)
		return dir;
	fd = tally_sys_open(dir, HEADS_NEW,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EMPTY);
	result = fd < 0 ? fd : tally_sys_write(fd, bytes, len, 0, NULL);
	if (result == 0)
		result = tally_sys_sync_all(fd);
	tally_sys_close(fd);
	if (result == 0)
		result = tally_sys_rename(dir, HEADS_NEW, HEADS_NAME);
	if (result == 0)
		result = tally_sys_sync_all(dir);
	tally_sys_close(dir);
	return result;
}

bool
tally_heads_is_due(const struct tally_state *state)
{
	uint64_t grown = tally_state_tail(state).size -
	    state->shared->heads_saved;

	return grown >= SAVE_EVERY &&
	    grown >= 4 * tally_state_last(state)->chains;
}
