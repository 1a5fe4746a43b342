/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/record.h"
#include "log/cursor.h"
#include "log/fail.h"
#include "log/leaves.h"
#include "publish/tiles.h"

/* Between two looks for others who want the processor. */
#define RECORDS_AT_ONCE 16
#define BUNDLE_MAX (TALLY_TILE_WIDTH * (2 + (size_t)TALLY_HEADER_MAX))

/* ---- files ------------------------------------------------------------ */

/* The tile of a level as it stands, and for level 0 its bundle. */
static int
write_level(struct tally_tiles *tiles, unsigned level,
    struct tally_error *error)
{
	uint8_t bytes[TALLY_TILE_BYTES];
	struct tally_tile tile = { .level = level,
		.width = tiles->count[level],
		.index = ((tiles->size >> 8 * level) - 1) / TALLY_TILE_WIDTH };
	int result;

	for (unsigned i = 0; i < tile.width; i++)
		memcpy(bytes + i * TALLY_HASH_SIZE, tiles->hash[level][i].b,
		    TALLY_HASH_SIZE);
	result = tally_tile_files_put(&tiles->files, &tile, bytes,
	    (size_t)tile.width * TALLY_HASH_SIZE, error);
	if (result == 0 && level == 0) {
		tile.is_bundle = true;
		result = tally_tile_files_put(&tiles->files, &tile,
		    tiles->bundle, tiles->bundle_len, error);
		if (tile.width == TALLY_TILE_WIDTH)
			tiles->bundle_len = 0;
	}
	return result;
}

/* ---- the tree --------------------------------------------------------- */

/* The root of a full tile's 256 hashes. */
static struct tally_hash
tile_root(struct tally_tiles *tiles, unsigned level)
{
	struct tally_frontier frontier;

	tally_frontier_init(&frontier);
	for (unsigned i = 0; i < TALLY_TILE_WIDTH; i++)
		tally_frontier_append(tiles->hasher, &frontier,
		    &tiles->hash[level][i]);
	return tally_frontier_root(tiles->hasher, &frontier);
}

static int
take_leaf(struct tally_tiles *tiles, const struct tally_hash *leaf,
    struct tally_error *error)
{
	struct tally_hash hash = *leaf;
	int result;

	tiles->size++;
	for (unsigned level = 0; level < TALLY_TILE_LEVELS; level++) {
		tiles->hash[level][tiles->count[level]++] = hash;
		if (tiles->count[level] < TALLY_TILE_WIDTH)
			break;
		result = write_level(tiles, level, error);
		if (result != 0)
			return result;
		hash = tile_root(tiles, level);
		tiles->count[level] = 0;
	}
	return TALLY_OK;
}

struct tally_hash
tally_tiles_root(struct tally_tiles *tiles)
{
	struct tally_frontier frontier;

	tally_frontier_init(&frontier);
	for (unsigned level = TALLY_TILE_LEVELS; level-- > 0;) {
		for (unsigned i = 0; i < tiles->count[level]; i++)
			tally_frontier_append_subtree(tiles->hasher, &frontier,
			    8 * level, &tiles->hash[level][i]);
	}
	return tally_frontier_root(tiles->hasher, &frontier);
}

/* The beginnings of the tiles that are not full at tiles->size. */
static int
begin_levels(void *arg, struct tally_hasher *hasher,
    const struct tally_tree_source *source, uint64_t size)
{
	struct tally_tiles *tiles = arg;

	(void)hasher;
	(void)size;
	for (unsigned level = 1; level < TALLY_TILE_LEVELS; level++) {
		uint64_t hashes = tally_tile_hashes(tiles->size, level);
		uint64_t first = hashes - hashes % TALLY_TILE_WIDTH;

		tiles->count[level] = 0;
		for (uint64_t at = first; at < hashes; at++) {
			int result = source->node(source->arg, 8 * level, at,
			    &tiles->hash[level][at - first]);

			if (result != 0)
				return result;
			tiles->count[level]++;
		}
	}
	return TALLY_OK;
}

int
tally_tiles_open(struct tally_tiles *tiles, struct tally_log *log, int dir,
    struct tally_hasher *hasher, uint64_t size, struct tally_error *error)
{
	memset(tiles, 0, sizeof(*tiles));
	tiles->log = log;
	tiles->files.dir = dir;
	tiles->hasher = hasher;
	tiles->size = size - size % TALLY_TILE_WIDTH;
	tiles->bundle = tally_sys_alloc(BUNDLE_MAX);
	if (tiles->bundle == NULL)
		return tally_fail_memory(error);
	return tiles->size == 0
	    ? TALLY_OK
	    : tally_leaves_ask(log, 0, begin_levels, tiles, error);
}

void
tally_tiles_close(struct tally_tiles *tiles)
{
	tally_tile_files_drop(&tiles->files);
	tally_sys_free(tiles->bundle);
	tiles->bundle = NULL;
}

/* The record's header, as the bundle holds it. */
static void
bundle_record(struct tally_tiles *tiles, const struct tally_line *line)
{
	char *at = tiles->bundle + tiles->bundle_len;
	size_t len = line->header_len + 1;

	at[0] = (char)(len >> 8);
	at[1] = (char)(len & 0xff);
	memcpy(at + 2, line->header_text, line->header_len);
	at[2 + line->header_len] = '}';
	tiles->bundle_len += 2 + len;
}

/* The line that the cursor found, whose header hashes to its hash. */
static int
take_line(struct tally_tiles *tiles, const struct tally_cursor *cursor,
    struct tally_error *error)
{
	const struct tally_line *line = &cursor->found.line;

	if (tiles->passed != NULL &&
	    tiles->passed(tiles->arg, tiles->size, line) != 0)
		return tally_fail_memory(error);
	bundle_record(tiles, line);
	tiles->has_last = true;
	tiles->last = line->hash;
	tiles->last_at = cursor->found.at;
	return take_leaf(tiles, &line->hash, error);
}

/* The log's own records are looked at, and so checked in full. */
static int
give_own(struct tally_tiles *tiles, struct tally_cursor *cursor,
    const char *text, size_t len, struct tally_error *error)
{
	static const char own[] = "tally:log";
	const struct tally_header *header = &cursor->found.line.header;
	struct tally_record record;
	int result;

	if (tiles->taken == NULL || header->chain_len != sizeof(own) - 1 ||
	    memcmp(header->chain, own, sizeof(own) - 1) != 0)
		return TALLY_OK;
	result = tally_cursor_check_and_give(cursor, text, len, &record, error);
	if (result == 0)
		tiles->taken(tiles->arg, &record);
	return result;
}

/*
 * The next record: its header is hashed, which is all that the tree and the
 * bundle hold.  Whether its event is what the header says is for a verifier.
 */
static int
take_next(struct tally_tiles *tiles, struct tally_cursor *cursor,
    struct tally_error *error)
{
	const char *text;
	size_t len;
	int result = tally_cursor_read(cursor, &text, &len, error);
	struct tally_hash hash;

	if (result == 0) {
		hash = tally_line_header_hash(tiles->hasher,
		    &cursor->found.line);
		if (cursor->found.index != tiles->size ||
		    !tally_hash_equal(&hash, &cursor->found.line.hash))
			result = TALLY_END;
	}
	if (result == TALLY_END)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "record %llu of the log cannot be read",
		    (unsigned long long)tiles->size);
	if (result == 0)
		result = give_own(tiles, cursor, text, len, error);
	return result == 0 ? take_line(tiles, cursor, error) : result;
}

/* The first one: the cursor goes there by the index. */
static int
take_first(struct tally_tiles *tiles, struct tally_cursor *cursor,
    struct tally_error *error)
{
	struct tally_record record;
	int result = tally_cursor_next(cursor, &record, error);

	if (result == TALLY_END || (result == 0 && record.index != tiles->size))
		return tally_fail(error, TALLY_E_DAMAGED,
		    "record %llu of the log cannot be read",
		    (unsigned long long)tiles->size);
	if (result == 0 && tiles->taken != NULL)
		tiles->taken(tiles->arg, &record);
	return result == 0 ? take_line(tiles, cursor, error) : result;
}

/* Behind the last record that was taken, if the log still has that one. */
static int
stand_behind(struct tally_tiles *tiles, struct tally_cursor *cursor,
    struct tally_error *error)
{
	struct tally_record record;
	int result;

	tally_cursor_seek(cursor, &tiles->last_at);
	result = tally_cursor_next(cursor, &record, error);
	if (result == TALLY_END || result == TALLY_E_DAMAGED ||
	    (result == 0 && !tally_hash_equal(&record.hash, &tiles->last)))
		return TALLY_PARTIAL;
	return result;
}

int
tally_tiles_take(struct tally_tiles *tiles, uint64_t size,
    struct tally_error *error)
{
	/* Kept tiles know their place, and ask no index. */
	struct tally_range range = {
		.from_index = tiles->has_last ? 0 : tiles->size,
		.to_index = size
	};
	struct tally_cursor *cursor;
	int result;

	if (tiles->size == size && !tiles->has_last)
		return TALLY_OK;
	result = tally_cursor_open(tiles->log, &range, &cursor, error);
	if (result != 0)
		return result;
	if (tiles->has_last)
		result = stand_behind(tiles, cursor, error);
	else
		result = take_first(tiles, cursor, error);
	while (tiles->size < size && result == 0) {
		result = take_next(tiles, cursor, error);
		if (tiles->size % RECORDS_AT_ONCE == 0)
			tally_tile_files_give_way(&tiles->files);
	}
	tally_cursor_close(cursor);
	return result;
}

int
tally_tiles_finish(struct tally_tiles *tiles, struct tally_error *error)
{
	int result = TALLY_OK;

	for (unsigned level = 0; level < TALLY_TILE_LEVELS && result == 0;
	     level++) {
		if (tiles->count[level] > 0)
			result = write_level(tiles, level, error);
	}
	if (result == 0)
		result = tally_tile_files_settle(&tiles->files, error);
	if (result == 0)
		tiles->files.alone = true;
	return result;
}
