/* SPDX-License-Identifier: Apache-2.0 */
/* Files of tiles: more than one batch, what is there already, and no file
 * without its name left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/sys.h"
#include "publish/tilefiles.h"

#define PLACE_ORIGIN "example.org/unit"
#include "place.h"

#define MANY 400 /* tiles, in six batches of files or more */

static struct tally_tile
tile_of(uint64_t index, unsigned width, bool is_bundle)
{
	struct tally_tile tile = {
		.index = index, .width = width, .is_bundle = is_bundle
	};

	return tile;
}

/* What the file of a tile holds here: its path, and a word. */
static size_t
bytes_of(const struct tally_tile *tile, const char *word, char out[128])
{
	char path[TALLY_TILE_PATH_MAX];

	(void)tally_tile_path(tile, path);
	return (size_t)snprintf(out, 128, "%s %s", path, word);
}

static void
must_put(struct place *place, struct tally_tile_files *files,
    const struct tally_tile *tile, const char *word)
{
	char bytes[128];
	size_t len = bytes_of(tile, word, bytes);

	if (tally_tile_files_put(files, tile, bytes, len, &place->error) != 0)
		fail_msg("%s", place->error.message);
}

static void
must_settle(struct place *place, struct tally_tile_files *files)
{
	if (tally_tile_files_settle(files, &place->error) != 0)
		fail_msg("%s", place->error.message);
	assert_int_equal(files->pending_len, 0);
	assert_int_equal(files->folders_len, 0);
}

/* Its file holds that. */
static void
check_tile(const struct tally_tile_files *files, const struct tally_tile *tile,
    const char *word)
{
	char path[TALLY_TILE_PATH_MAX], bytes[128], now[129];
	size_t len = bytes_of(tile, word, bytes);
	int fd;

	(void)tally_tile_path(tile, path);
	fd = tally_sys_open(files->dir, path, TALLY_SYS_READ);
	assert_true(fd >= 0);
	assert_int_equal(tally_sys_read(fd, now, sizeof(now), 0), len);
	assert_memory_equal(now, bytes, len);
	tally_sys_close(fd);
}

/* No file lies there under a name that is no tile's. */
static void
check_all_named(const struct place *place)
{
	assert_int_equal(shell("! find '%s/tile' -type f ! -name '*[0-9]' |"
			       " grep .",
			     place->top),
	    0);
}

static void
begin(struct place *place, struct tally_tile_files *files)
{
	memset(files, 0, sizeof(*files));
	files->dir = tally_sys_open_dir(TALLY_SYS_CWD, place->top);
	assert_true(files->dir >= 0);
}

static void
test_tilefiles__many(void **state)
{
	struct tally_tile_files files;
	int before, after;

	begin(*state, &files);
	before = dup(files.dir);
	for (uint64_t i = 0; i < MANY; i++) {
		for (int is_bundle = 0; is_bundle < 2; is_bundle++) {
			struct tally_tile tile = tile_of(1234800 + i, 256,
			    is_bundle != 0);

			must_put(*state, &files, &tile, "a");
		}
	}
	must_settle(*state, &files);
	for (uint64_t i = 0; i < MANY; i++) {
		for (int is_bundle = 0; is_bundle < 2; is_bundle++) {
			struct tally_tile tile = tile_of(1234800 + i, 256,
			    is_bundle != 0);

			check_tile(&files, &tile, "a");
		}
	}
	check_all_named(*state);
	after = dup(files.dir);
	assert_int_equal(after, before + 1);
	(void)close(before);
	(void)close(after);
	tally_sys_close(files.dir);
}

/* More folders than are kept open at once. */
static void
test_tilefiles__folders(void **state)
{
	struct tally_tile_files files;

	begin(*state, &files);
	for (uint64_t i = 0; i < 60; i++) {
		struct tally_tile tile = tile_of(i * 1000 * 1000 * 1000, 7,
		    false);

		must_put(*state, &files, &tile, "a");
	}
	must_settle(*state, &files);
	for (uint64_t i = 0; i < 60; i++) {
		struct tally_tile tile = tile_of(i * 1000 * 1000 * 1000, 7,
		    false);

		check_tile(&files, &tile, "a");
	}
	tally_sys_close(files.dir);
}

/* Of a history that nobody signed, or what a killed publisher left. */
static void
test_tilefiles__there_already(void **state)
{
	struct tally_tile same = tile_of(3, 256, false);
	struct tally_tile other = tile_of(4, 256, false);
	struct tally_tile half = tile_of(5, 9, true);
	struct tally_tile_files files;

	begin(*state, &files);
	must_put(*state, &files, &same, "a");
	must_put(*state, &files, &other, "a longer one");
	must_settle(*state, &files);
	must_put(*state, &files, &half, "never settled");
	tally_tile_files_drop(&files);

	must_put(*state, &files, &same, "a");
	assert_int_equal(files.pending_len, 1);
	must_put(*state, &files, &other, "b");
	must_put(*state, &files, &half, "b");
	must_settle(*state, &files);
	check_tile(&files, &same, "a");
	check_tile(&files, &other, "b");
	check_tile(&files, &half, "b");
	check_all_named(*state);

	/* What belongs to what went out is settled. */
	files.settled = 5 * 256 + 9;
	must_put(*state, &files, &same, "a");
	must_put(*state, &files, &half, "b");
	assert_int_equal(files.pending_len, 0);
	files.settled--;
	must_put(*state, &files, &half, "b");
	assert_int_equal(files.pending_len, 1);
	must_settle(*state, &files);

	/* Who is alone does not look, and replaces what is there. */
	files.alone = true;
	must_put(*state, &files, &half, "c");
	must_settle(*state, &files);
	check_tile(&files, &half, "c");
	tally_sys_close(files.dir);
}

/* A killed publisher's file has no name yet; nobody writes that width again. */
static void
test_tilefiles__killed(void **state)
{
	struct place *place = *state;
	struct tally_tile_files files;

	for (int is_bundle = 0; is_bundle < 2; is_bundle++) {
		struct tally_tile killed = tile_of(7, 9, is_bundle != 0);
		struct tally_tile full = tile_of(6, 256, is_bundle != 0);
		struct tally_tile later = tile_of(7, 11, is_bundle != 0);

		begin(place, &files);
		must_put(place, &files, &full, "a");
		must_put(place, &files, &killed, "a");
		tally_tile_files_drop(&files);
		assert_int_equal(shell("find '%s/tile' -type f -name '*new' |"
				       " grep -q .",
				     place->top),
		    0);

		must_put(place, &files, &full, "b");
		must_put(place, &files, &later, "b");
		must_settle(place, &files);
		check_tile(&files, &later, "b");
		check_all_named(place);

		/* The next one may be the last of its tile. */
		must_put(place, &files, &killed, "a");
		tally_tile_files_drop(&files);
		full.index = 7;
		must_put(place, &files, &full, "b");
		must_settle(place, &files);
		check_tile(&files, &later, "b");
		check_all_named(place);
		tally_sys_close(files.dir);
	}
}

/* Killed before all may enter what it made; found, it is put right. */
static void
test_tilefiles__hidden_folders(void **state)
{
	struct place *place = *state;
	struct tally_tile tile = tile_of(1234567, 9, false);
	struct tally_tile_files files;

	begin(place, &files);
	must_put(place, &files, &tile, "a");
	must_settle(place, &files);
	assert_int_equal(shell("find '%s/tile' -type d -exec chmod 0750 {} +",
			     place->top),
	    0);
	tally_sys_close(files.dir);
	begin(place, &files);
	must_put(place, &files, &tile, "b");
	must_settle(place, &files);
	assert_int_equal(shell("! find '%s/tile' -type d ! -perm 0755 |"
			       " grep .",
			     place->top),
	    0);
	tally_sys_close(files.dir);
}

/* What is in the way of files that have no name yet is named. */
static void
test_tilefiles__stage_obstructed(void **state)
{
	struct place *place = *state;
	struct tally_tile tile = tile_of(3, 256, false);
	struct tally_tile_files files;
	char bytes[128];
	size_t len = bytes_of(&tile, "a", bytes);

	begin(place, &files);
	assert_int_equal(shell("mkdir -p '%s/tile/.new/0.new'", place->top), 0);
	assert_true(tally_tile_files_put(&files, &tile, bytes, len,
			&place->error) < 0);
	assert_string_equal(place->error.message,
	    "cannot write \"public/tile/.new/0.new\": is a directory");
	tally_tile_files_drop(&files);
	tally_sys_close(files.dir);
	begin(place, &files);
	/* Pipes and links go, and what a link leads to stays. */
	assert_int_equal(shell("cd '%s/tile/.new' && rmdir 0.new &&"
			       " mkfifo 0.new && echo mine >../../mine &&"
			       " ln -s ../../mine 1.new",
			     place->top),
	    0);
	must_put(place, &files, &tile, "a");
	tile.index++;
	must_put(place, &files, &tile, "a");
	must_settle(place, &files);
	check_tile(&files, &tile, "a");
	check_all_named(place);
	assert_int_equal(shell("test \"$(cat '%s/mine')\" = mine", place->top),
	    0);
	tally_sys_close(files.dir);
}

/* Files get their names by a rename. */
static void
test_tilefiles__two_file_systems(void **state)
{
	struct place *place = *state;
	struct tally_tile tile = tile_of(3, 256, false);
	struct tally_tile_files files;
	char other[] = "/dev/shm/tally-unit-XXXXXX";
	struct stat here, there;

	begin(place, &files);
	if (mkdtemp(other) == NULL)
		skip();
	if (stat(place->top, &here) != 0 || stat(other, &there) != 0 ||
	    here.st_dev == there.st_dev) {
		(void)rmdir(other);
		skip();
	}
	assert_int_equal(shell("mkdir '%s/tile' && ln -s '%s' '%s/tile/0'",
			     place->top, other, place->top),
	    0);
	must_put(place, &files, &tile, "a");
	assert_true(tally_tile_files_settle(&files, &place->error) < 0);
	assert_string_equal(place->error.message,
	    "cannot rename \"public/tile/.new/0.new\" to"
	    " \"public/tile/0/003\": not on one file system");
	tally_sys_close(files.dir);
	(void)rmdir(other);
}

/* A batch is as large as there are descriptors for. */
static void
test_tilefiles__few_descriptors(void **state)
{
	struct place *place = *state;
	struct tally_tile_files files;
	struct rlimit before, few;

	begin(place, &files);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)files.dir + 24;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (uint64_t i = 0; i < MANY; i++) {
		struct tally_tile tile = tile_of(1234800 + i * 1000, 256,
		    false);

		must_put(place, &files, &tile, "a");
	}
	must_settle(place, &files);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	for (uint64_t i = 0; i < MANY; i++) {
		struct tally_tile tile = tile_of(1234800 + i * 1000, 256,
		    false);

		check_tile(&files, &tile, "a");
	}
	check_all_named(place);
	tally_sys_close(files.dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tilefiles__many, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_tilefiles__folders, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_tilefiles__there_already,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_tilefiles__killed, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_tilefiles__hidden_folders,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_tilefiles__stage_obstructed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_tilefiles__two_file_systems, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tilefiles__few_descriptors,
		    setup, teardown),
	};

	return cmocka_run_group_tests_name("tilefiles", tests, NULL, NULL);
}
