/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles: names, which a tree of some size has, and that their hashes are the
 * tree's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/tile.h"
#include "guard.h"

static void
assert_path(struct tally_tile tile, const char *want)
{
	char path[TALLY_TILE_PATH_MAX];
	struct tally_tile read;

	assert_int_equal(tally_tile_path(&tile, path), strlen(want));
	assert_string_equal(path, want);
	assert_int_equal(tally_tile_path_parse(path, strlen(path), &read), 0);
	assert_int_equal(read.is_bundle, tile.is_bundle);
	assert_int_equal(read.level, tile.level);
	assert_true(read.index == tile.index);
	assert_int_equal(read.width, tile.width);
}

/* Those that c2sp.org/tlog-tiles shows are the first. */
static void
test_tile__paths(void **state)
{
	(void)state;
	assert_path((struct tally_tile){ .index = 1234067, .width = 256 },
	    "tile/0/x001/x234/067");
	assert_path((struct tally_tile){ .index = 273, .width = 112 },
	    "tile/0/273.p/112");
	assert_path((struct tally_tile){ .width = 256 }, "tile/0/000");
	assert_path((struct tally_tile){ .level = 1, .width = 1 },
	    "tile/1/000.p/1");
	assert_path((struct tally_tile){ .level = 63,
			.index = 1000,
			.width = 255 },
	    "tile/63/x001/000.p/255");
	assert_path((struct tally_tile){ .is_bundle = true,
			.index = 999,
			.width = 2 },
	    "tile/entries/999.p/2");
	assert_path((struct tally_tile){ .is_bundle = true,
			.index = 1000000,
			.width = 256 },
	    "tile/entries/x001/x000/000");
	assert_path((struct tally_tile){ .index = TALLY_TILE_INDEX_MAX,
			.width = 256 },
	    "tile/0/x036/x028/x797/x018/x963/968");
}

static void
test_tile__bad_paths(void **state)
{
	static const char *const bad[] = { "", "tile", "tile/", "tile/0",
		"tile/0/", "tile/0/0", "tile/0/00", "tile/0/0000",
		"tile/0/000/", "tile/00/000", "tile/64/000", "tile/-1/000",
		"tile/x/000", "tile//000", "/tile/0/000", "tile/0/x000/001",
		"tile/0/x001", "tile/0/x001/", "tile/0/x001/x002",
		"tile/0/001/002", "tile/0/x01/002", "tile/0/X001/002",
		"tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0",
		"tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/1/",
		"tile/0/000.P/1", "tile/0/000p/1", "tile/8/0/000",
		"tile/entries/", "tile/entries/0", "tile/entries",
		"tile/data/000", "tile/0/x036/x028/x797/x018/x963/969",
		"tile/0/x999/x999/x999/x999/x999/x999/x999/x999/999" };
	struct tally_tile tile;
	struct guard guard;
	size_t i, len;

	(void)state;
	guard_open(&guard, 256);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		len = strlen(bad[i]);
		if (tally_tile_path_parse(guard_put(&guard, bad[i], len), len,
			&tile) != TALLY_E_FORMAT)
			fail_msg("\"%s\"", bad[i]);
	}
	guard_close(&guard);
}

/* 70,000 leaves, as c2sp.org/tlog-tiles reckons; and the edges. */
static void
test_tile__of_a_size(void **state)
{
	(void)state;
	assert_path(tally_tile_of(70000, 0, 69999), "tile/0/273.p/112");
	assert_path(tally_tile_of(70000, 0, 69887), "tile/0/272");
	assert_path(tally_tile_of(70000, 1, 0), "tile/1/000");
	assert_path(tally_tile_of(70000, 1, 272), "tile/1/001.p/17");
	assert_path(tally_tile_of(70000, 2, 0), "tile/2/000.p/1");
	assert_int_equal(tally_tile_hashes(70000, 3), 0);
	assert_int_equal(tally_tile_hashes(255, 1), 0);
	assert_path(tally_tile_of(256, 0, 255), "tile/0/000");
	assert_path(tally_tile_of(256, 1, 0), "tile/1/000.p/1");
	assert_path(tally_tile_of(257, 0, 256), "tile/0/001.p/1");
	assert_true(tally_tile_hashes((uint64_t)1 << 63, 7) == 128);
	assert_true(tally_tile_hashes(UINT64_MAX, 8) == 0);
}

static void
test_tile__bundles(void **state)
{
	/* tessera's tile/entries/000.p/2 */
	static const uint8_t known[] = { 0, 3, 'o', 'n', 'e', 0, 3, 't', 'w',
		'o' };
	size_t i, cursor = 0, len;
	const uint8_t *entry, *bytes;
	struct guard guard;

	(void)state;
	assert_int_equal(tally_bundle_next(known, sizeof(known), &cursor,
			     &entry, &len),
	    0);
	assert_int_equal(len, 3);
	assert_memory_equal(entry, "one", 3);
	assert_int_equal(tally_bundle_next(known, sizeof(known), &cursor,
			     &entry, &len),
	    0);
	assert_memory_equal(entry, "two", 3);
	assert_int_equal(tally_bundle_next(known, sizeof(known), &cursor,
			     &entry, &len),
	    TALLY_END);
	guard_open(&guard, sizeof(known));
	for (i = 0; i <= sizeof(known); i++) {
		int result;

		bytes = (const uint8_t *)guard_put(&guard, known, i);
		cursor = 0;
		do
			result = tally_bundle_next(bytes, i, &cursor, &entry,
			    &len);
		while (result == 0);
		assert_int_equal(result,
		    i % 5 == 0 ? TALLY_END : TALLY_E_FORMAT);
	}
	guard_close(&guard);
}

#define TEST(name) cmocka_unit_test(test_tile__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(paths),
		TEST(bad_paths),
		TEST(of_a_size),
		TEST(bundles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
