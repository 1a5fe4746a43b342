/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files under public/tile, at the sizes where tiles become full: what is
 * there is what the tree of RFC 6962 makes, whoever wrote it before, and
 * wherever a writer stopped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/tree.h"
#include "log/handle.h"
#include "publish/tiles.h"

#include "place.h"

#define SIZE_MAX_TESTED 65537

/* All leaves of the log, by its own cursor. */
static struct tally_hash *leaf;
static struct tally_hasher hasher;

struct tiling {
	struct tally_log *log;
	struct tally_tiles tiles;
	int dir;
};

static void
grow(struct place *place, struct tally_log *log, uint64_t size)
{
	struct tally_append request[256];
	struct tally_stat stat;

	memset(request, 0, sizeof(request));
	for (unsigned i = 0; i < 256; i++) {
		request[i].chain = "c";
		request[i].chain_len = 1;
		request[i].event = "1";
		request[i].event_len = 1;
	}
	assert_int_equal(tally_log_stat(log, &stat, &place->error), 0);
	while (stat.size < size) {
		uint64_t n = size - stat.size < 256 ? size - stat.size : 256;

		assert_int_equal(tally_log_append(log, request, (size_t)n,
				     TALLY_BUFFERED, NULL, &place->error),
		    0);
		stat.size += n;
	}
	assert_int_equal(tally_log_sync(log, &place->error), 0);
}

static void
read_leaves(struct place *place, struct tally_log *log, uint64_t size)
{
	struct tally_cursor *cursor;
	struct tally_record record;

	leaf = realloc(leaf, (size_t)size * sizeof(*leaf));
	assert_non_null(leaf);
	assert_int_equal(tally_cursor_open(log, NULL, &cursor, &place->error),
	    0);
	for (uint64_t i = 0; i < size; i++) {
		assert_int_equal(tally_cursor_next(cursor, &record,
				     &place->error),
		    0);
		leaf[i] = record.hash;
	}
	tally_cursor_close(cursor);
}

/* ---- by the document ---------------------------------------------------- */

static struct tally_hash
naive_root(uint64_t begin, uint64_t end)
{
	struct tally_frontier frontier;

	tally_frontier_init(&frontier);
	for (uint64_t i = begin; i < end; i++)
		tally_frontier_append(&hasher, &frontier, &leaf[i]);
	return tally_frontier_root(&hasher, &frontier);
}

static size_t
read_file(const struct place *place, const char *path, uint8_t *out,
    size_t room)
{
	char name[320];
	FILE *file;
	size_t n;

	(void)snprintf(name, sizeof(name), "%s/public/%s", place->dir, path);
	file = fopen(name, "rb");
	if (file == NULL)
		return SIZE_MAX;
	n = fread(out, 1, room, file);
	(void)fclose(file);
	return n;
}

/* Tile (level, index) of a tree of this size, as it must stand there. */
static void
check_tile(const struct place *place, unsigned level, uint64_t index,
    unsigned width)
{
	const struct tally_tile tile = {
		.level = level, .index = index, .width = width
	};
	uint8_t bytes[TALLY_TILE_BYTES + 1];
	uint64_t each = (uint64_t)1 << 8 * level;
	char path[TALLY_TILE_PATH_MAX];
	struct tally_hash hash;

	(void)tally_tile_path(&tile, path);
	if (read_file(place, path, bytes, sizeof(bytes)) !=
	    (size_t)width * TALLY_HASH_SIZE)
		fail_msg("%s is not there, or of another length", path);
	for (unsigned i = 0; i < width; i++) {
		uint64_t at = (index * TALLY_TILE_WIDTH + i) * each;

		hash = naive_root(at, at + each);
		if (memcmp(bytes + (size_t)i * TALLY_HASH_SIZE, hash.b,
			TALLY_HASH_SIZE) != 0)
			fail_msg("%s: hash %u is another", path, i);
	}
}

/* The entries of the bundle hash to the leaves. */
static void
check_bundle(const struct place *place, uint64_t index, unsigned width)
{
	static uint8_t bytes[1 << 20];
	const struct tally_tile tile = {
		.is_bundle = true, .index = index, .width = width
	};
	char path[TALLY_TILE_PATH_MAX];
	size_t len, cursor = 0, entry_len;
	struct tally_hash hash;
	const uint8_t *entry;

	(void)tally_tile_path(&tile, path);
	len = read_file(place, path, bytes, sizeof(bytes));
	assert_true(len < sizeof(bytes));
	for (unsigned i = 0; i < width; i++) {
		assert_int_equal(tally_bundle_next(bytes, len, &cursor, &entry,
				     &entry_len),
		    0);
		hash = tally_hash_leaf(&hasher, (const char *)entry, entry_len);
		assert_memory_equal(hash.b,
		    leaf[index * TALLY_TILE_WIDTH + i].b, TALLY_HASH_SIZE);
	}
	assert_int_equal(tally_bundle_next(bytes, len, &cursor, &entry,
			     &entry_len),
	    TALLY_END);
}

/* Every tile and bundle that a tree of this size has. */
static void
check_all(const struct place *place, uint64_t size)
{
	for (unsigned level = 0; size >> 8 * level != 0; level++) {
		uint64_t hashes = size >> 8 * level, i;
		unsigned rest = (unsigned)(hashes % TALLY_TILE_WIDTH);

		for (i = 0; i < hashes / TALLY_TILE_WIDTH; i++) {
			check_tile(place, level, i, TALLY_TILE_WIDTH);
			if (level == 0)
				check_bundle(place, i, TALLY_TILE_WIDTH);
		}
		if (rest > 0)
			check_tile(place, level, i, rest);
		if (rest > 0 && level == 0)
			check_bundle(place, i, rest);
	}
}

/* ---- writing ------------------------------------------------------------ */

static void
tiling_open(struct place *place, struct tiling *t, uint64_t from)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/public", place->dir);
	(void)mkdir(path, 0755);
	assert_int_equal(tally_log_open(place->dir, NULL, &t->log,
			     &place->error),
	    0);
	t->dir = tally_sys_open_dir(TALLY_SYS_CWD, path);
	assert_true(t->dir >= 0);
	assert_int_equal(tally_tiles_open(&t->tiles, t->log, t->dir, &hasher,
			     from, &place->error),
	    0);
}

static void
tiling_close(struct place *place, struct tiling *t)
{
	tally_tiles_close(&t->tiles);
	tally_sys_close(t->dir);
	assert_int_equal(tally_log_close(t->log, &place->error), 0);
}

static void
tile_to(struct place *place, struct tiling *t, uint64_t size)
{
	struct tally_hash root, expected;

	if (tally_tiles_take(&t->tiles, size, &place->error) != 0)
		fail_msg("take: %s", place->error.message);
	assert_int_equal(tally_tiles_finish(&t->tiles, &place->error), 0);
	root = tally_tiles_root(&t->tiles);
	expected = naive_root(0, size);
	assert_memory_equal(root.b, expected.b, TALLY_HASH_SIZE);
}

static const uint64_t sizes[] = { 1, 2, 255, 256, 257, 511, 512, 513, 65535,
	65536, 65537 };
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* One writer that stays, and one that is opened for each size. */
static void
test_tiles__sizes(void **state)
{
	struct place *place = *state;
	struct tiling t;

	for (int stays = 1; stays >= 0; stays--) {
		assert_int_equal(shell("rm -rf '%s/public'", place->dir), 0);
		tiling_open(place, &t, 0);
		for (size_t i = 0; i < SIZES; i++) {
			grow(place, t.log, SIZE_MAX_TESTED);
			if (i == 0)
				read_leaves(place, t.log, SIZE_MAX_TESTED);
			tile_to(place, &t, sizes[i]);
			/* All that there was is looked at where it is few. */
			if (sizes[i] < 1000 || i + 1 == SIZES)
				check_all(place, sizes[i]);
			if (stays)
				continue;
			tiling_close(place, &t);
			tiling_open(place, &t, sizes[i]);
			tile_to(place, &t, sizes[i]);
		}
		tiling_close(place, &t);
	}
}

/* A writer that was killed behind any of its files, or within one: the next
 * one makes them whole.  What a history was that nobody signed is replaced. */
static void
test_tiles__leftovers(void **state)
{
	static const char *const garbage[] = {
		"tile/0/000",
		"tile/0/001",
		"tile/0/002.p/3",
		"tile/1/000.p/2",
		"tile/entries/000",
		"tile/entries/001",
		"tile/entries/002.p/3",
	};
	struct place *place = *state;
	struct tiling t;

	tiling_open(place, &t, 0);
	grow(place, t.log, 515);
	read_leaves(place, t.log, 515);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		const char *at = garbage[i];

		for (int how = 0; how < 4; how++) {
			tile_to(place, &t, 515);
			tiling_close(place, &t);
			check_all(place, 515);
			/* Half of it, nothing, other bytes, without its name
			 * yet. */
			assert_int_equal(
			    shell(how == 0     ? "truncate -s 40 '%s/public/%s'"
				    : how == 1 ? "truncate -s 0 '%s/public/%s'"
				    : how == 2
				    ? "printf x | dd of='%s/public/%s' bs=1"
				      " seek=7 conv=notrunc status=none"
				    : "cd '%s/public' && mv %s tile/.new/7.new",
				place->dir, at),
			    0);
			tiling_open(place, &t, 0);
		}
	}
	tile_to(place, &t, 515);
	check_all(place, 515);
	tiling_close(place, &t);
	assert_int_equal(shell("! find '%s/public' -type f -name '*new' |"
			       " grep -q .",
			     place->dir),
	    0);
}

/* A file that has its bytes is left alone. */
static void
test_tiles__what_is_there_stays(void **state)
{
	struct place *place = *state;
	struct tiling t;

	tiling_open(place, &t, 0);
	grow(place, t.log, 600);
	read_leaves(place, t.log, 600);
	tile_to(place, &t, 513);
	tiling_close(place, &t);
	assert_int_equal(shell("cd '%s/public' && find tile -type f -exec stat"
			       " -c '%%n %%i %%Y' {} + | sort >../before",
			     place->dir),
	    0);
	for (int i = 0; i < 2; i++) {
		tiling_open(place, &t, 0);
		tile_to(place, &t, i == 0 ? 513 : 600);
		tiling_close(place, &t);
	}
	assert_int_equal(shell("cd '%s/public' && find tile -type f -exec stat"
			       " -c '%%n %%i %%Y' {} + | sort >../after",
			     place->dir),
	    0);
	/* Every one of before, the partial ones too: their sizes went out. */
	assert_int_equal(shell("cd '%s' && [ -z \"$(comm -23 before after)\" ]",
			     place->dir),
	    0);
	check_all(place, 513);
	check_all(place, 600);
}

static int
begin(void **state)
{
	if (tally_hasher_open(&hasher) != 0)
		return -1;
	return setup(state);
}

static int
end(void **state)
{
	tally_hasher_close(&hasher);
	free(leaf);
	leaf = NULL;
	return teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tiles__sizes, begin, end),
		cmocka_unit_test_setup_teardown(test_tiles__leftovers, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_tiles__what_is_there_stays,
		    begin, end),
	};

	return cmocka_run_group_tests_name("tiles", tests, NULL, NULL);
}
