/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/headtree: the tree over the heads as the last heads record had it, so
 * that the next one costs what changed.  Derived.  All numbers little-endian:
 *
 *     "tallyht1"  log id (16)  size (8)  chains (8)
 *     the hashes of each level, leaves first: chains >> level of them
 *
 * There is no checksum and no sync: what is wrong does not lead to the root,
 * and then the tree is made from the heads (headtree.h, rule 4).
 */
#include <string.h>

#include "core/heads.h"
#include "log/bytes.h"
#include "log/handle.h"
#include "log/headtree.h"

#define FILE_NAME "headtree"
#define FILE_NEW "headtree.new"
#define MAGIC "tallyht1"
#define FIXED_BYTES (8 + 16 + 2 * 8)
#define CHAINS_MAX ((uint64_t)1 << 32)

/* Hashes of all levels. */
static uint64_t
count_hashes(uint64_t chains)
{
	uint64_t sum = 0;

	for (; chains > 0; chains >>= 1)
		sum += chains;
	return sum;
}

/* ---- reading ---------------------------------------------------------- */

/* The fixed part; TALLY_END if this is no file of ours, or not whole. */
static int
read_fixed(struct tally_log *log, int fd, uint64_t *out_size,
    uint64_t *out_chains)
{
	char fixed[FIXED_BYTES];
	struct tally_sys_stat st;

	if (tally_sys_stat(fd, &st) != 0 ||
	    tally_sys_read(fd, fixed, sizeof(fixed), 0) !=
		(int64_t)sizeof(fixed) ||
	    memcmp(fixed, MAGIC, 8) != 0 ||
	    memcmp(fixed + 8, log->owner.log_id, 16) != 0)
		return TALLY_END;
	*out_size = tally_get64(fixed + 24);
	*out_chains = tally_get64(fixed + 32);
	return *out_chains < CHAINS_MAX &&
		st.size ==
		    FIXED_BYTES + count_hashes(*out_chains) * TALLY_HASH_SIZE
	    ? TALLY_OK
	    : TALLY_END;
}

static int
read_levels(int fd, uint64_t chains, struct tally_headtree *tree)
{
	uint64_t at = FIXED_BYTES;

	if (tally_headtree_grow(tree, chains, NULL) != 0)
		return TALLY_END;
	for (int l = 0; chains >> l != 0; l++) {
		size_t bytes = (size_t)(chains >> l) * TALLY_HASH_SIZE;

		if (tally_sys_read(fd, tree->level[l], bytes, at) !=
		    (int64_t)bytes)
			return TALLY_END;
		at += bytes;
	}
	tree->chains = chains;
	return TALLY_OK;
}

bool
tally_headtree_is_sealed(struct tally_log *log, struct tally_headtree *tree,
    struct tally_hasher *hasher)
{
	const struct tally_find find = { .by = TALLY_KEY_INDEX,
		.index = tree->size };
	struct tally_tree_source source = tally_headtree_source(tree);
	struct tally_heads_event heads = { .chains = tree->chains,
		.size = tree->size };
	struct tally_cursor *cursor;
	struct tally_record record;
	char event[TALLY_HEADS_EVENT_MAX];
	size_t len;
	bool found;

	if (tally_tree_root(hasher, &source, tree->chains, &heads.root) != 0 ||
	    tally_cursor_open(log, NULL, &cursor, NULL) != 0)
		return false;
	len = tally_heads_event_format(&heads, event);
	found = tally_cursor_find(cursor, &find, &record, NULL) == 0 &&
	    strcmp(record.chain, TALLY_HEADS_CHAIN) == 0 &&
	    record.body == TALLY_BODY_EVENT && record.event_len == len &&
	    memcmp(record.event, event, len) == 0;
	tally_cursor_close(cursor);
	return found;
}

void
tally_headtree_load(struct tally_log *log, struct tally_headtree *tree,
    uint64_t went_out, struct tally_hasher *hasher)
{
	int fd = tally_sys_open(log->dir, TALLY_INDEX_NAME "/" FILE_NAME,
	    TALLY_SYS_READ);
	uint64_t size = 0, chains = 0;
	bool done;

	if (fd < 0)
		return;
	done = read_fixed(log, fd, &size, &chains) == 0 &&
	    size + 1 == went_out && read_levels(fd, chains, tree) == 0;
	tally_sys_close(fd);
	tree->size = size;
	if (done && tally_headtree_is_sealed(log, tree, hasher)) {
		tree->is_loaded = true;
		tree->sealed = tree->saved = size;
	} else {
		tally_headtree_wipe(tree);
	}
}

/* ---- saving ----------------------------------------------------------- */

static int
write_levels(struct tally_log *log, const struct tally_headtree *tree, int fd)
{
	char fixed[FIXED_BYTES];
	uint64_t at = FIXED_BYTES;
	int result;

	memcpy(fixed, MAGIC, 8);
	memcpy(fixed + 8, log->owner.log_id, 16);
	tally_put64(fixed + 24, tree->size);
	tally_put64(fixed + 32, tree->chains);
	result = tally_sys_write(fd, fixed, sizeof(fixed), 0, NULL);
	for (int l = 0; tree->chains >> l != 0 && result == 0; l++) {
		size_t bytes = (size_t)(tree->chains >> l) * TALLY_HASH_SIZE;

		result = tally_sys_write(fd, tree->level[l], bytes, at, NULL);
		at += bytes;
	}
	return result;
}

void
tally_headtree_save(struct tally_log *log, struct tally_headtree *tree)
{
	int dir, fd, result;

	if (tree->size != tree->sealed || tree->size == tree->saved)
		return;
	(void)tally_sys_mkdir(log->dir, TALLY_INDEX_NAME);
	dir = tally_sys_open_dir(log->dir, TALLY_INDEX_NAME);
	if (dir < 0)
		return;
	/* Two savers write one file by turns: what comes of it is checked. */
	fd = tally_sys_open(dir, FILE_NEW,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EMPTY);
	result = fd < 0 ? fd : write_levels(log, tree, fd);
	tally_sys_close(fd);
	if (result == 0 && tally_sys_rename(dir, FILE_NEW, FILE_NAME) == 0)
		tree->saved = tree->size;
	tally_sys_close(dir);
}
