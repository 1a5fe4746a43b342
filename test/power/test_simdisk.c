/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated disk: what it keeps and what it forgets. */
#include "simtest.h"

/* ---- what is durable --------------------------------------------------- */

static void
test_sync__content_needs_it(void **state)
{
	int fd = durable_file("one");

	(void)state;
	put(fd, "two!", 0);
	expect_file("a", "two!");
	tally_sys_close(fd);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", "one");
}

static void
test_sync__content_is_kept(void **state)
{
	int fd = durable_file("one");

	(void)state;
	put(fd, "two!", 0);
	assert_int_equal(tally_sys_sync(fd), 0);
	tally_sys_close(fd);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", "two!");
}

static void
test_sync__names_need_their_directory(void **state)
{
	int root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
	int fd = tally_sys_open(root, "a", MAKE);

	(void)state;
	put(fd, "one", 0);
	assert_int_equal(tally_sys_sync_all(fd), 0);
	tally_sys_close(fd);
	tally_sys_close(root);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", NULL);
}

static void
test_sync__a_directory_needs_its_parent(void **state)
{
	int root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
	int dir, fd;

	(void)state;
	assert_int_equal(tally_sys_mkdir(root, "d"), 0);
	dir = tally_sys_open_dir(root, "d");
	fd = tally_sys_open(dir, "a", MAKE);
	assert_int_equal(tally_sys_sync(fd), 0);
	assert_int_equal(tally_sys_sync_all(dir), 0);
	tally_sys_close(fd);
	tally_sys_close(dir);
	tally_sys_close(root);
	sim_reboot(SIM_DROP, 0);
	assert_int_equal(tally_sys_open_dir(TALLY_SYS_CWD, "/d"), -ENOENT);
}

static void
test_sync__renames_and_unlinks_need_it(void **state)
{
	int root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
	int fd = durable_file("one");

	(void)state;
	assert_int_equal(tally_sys_rename(root, "a", "b"), 0);
	expect_file("a", NULL);
	expect_file("b", "one");
	tally_sys_close(fd);
	tally_sys_close(root);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", "one");
	expect_file("b", NULL);

	root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
	assert_int_equal(tally_sys_unlink(root, "a"), 0);
	expect_file("a", NULL);
	tally_sys_close(root);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", "one");

	root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
	assert_int_equal(tally_sys_unlink(root, "a"), 0);
	assert_int_equal(tally_sys_sync_all(root), 0);
	tally_sys_close(root);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", NULL);
}

static void
test_sync__a_size_needs_it(void **state)
{
	int fd = durable_file("one two");

	(void)state;
	assert_int_equal(tally_sys_truncate(fd, 3), 0);
	expect_file("a", "one");
	tally_sys_close(fd);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", "one two");
}

/* ---- the modes --------------------------------------------------------- */

static void
test_modes__size_only_gives_zeros(void **state)
{
	int fd = durable_file("one");
	size_t len;
	const uint8_t *bytes;

	(void)state;
	put(fd, " two", 3);
	tally_sys_close(fd);
	sim_reboot(SIM_SIZE_ONLY, 0);
	bytes = sim_file("a", &len);
	assert_int_equal(len, 7);
	assert_memory_equal(bytes, "one\0\0\0\0", 7);
}

static void
test_modes__content_only_loses_names(void **state)
{
	int fd = durable_file("one");
	int root = tally_sys_open_dir(TALLY_SYS_CWD, "/");

	(void)state;
	put(fd, "two", 0);
	tally_sys_close(tally_sys_open(root, "b", MAKE));
	tally_sys_close(fd);
	tally_sys_close(root);
	sim_reboot(SIM_CONTENT_ONLY, 0);
	expect_file("a", "two");
	expect_file("b", NULL);
}

static void
test_modes__entry_only_loses_content(void **state)
{
	int root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
	int fd = tally_sys_open(root, "b", MAKE);

	(void)state;
	put(fd, "two", 0);
	tally_sys_close(fd);
	tally_sys_close(root);
	sim_reboot(SIM_ENTRY_ONLY, 0);
	expect_file("b", "");
}

/* Every prefix of five writes is seen, and nothing else. */
static void
test_modes__prefix(void **state)
{
	bool seen[6] = { false };

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		int fd;
		size_t len;
		const uint8_t *bytes;

		sim_reset(1);
		fd = durable_file("");
		for (uint64_t i = 0; i < 5; i++) {
			const char one[2] = { "abcde"[i], '\0' };

			put(fd, one, i);
		}
		tally_sys_close(fd);
		sim_reboot(SIM_PREFIX, seed);
		bytes = sim_file("a", &len);
		assert_true(len <= 5);
		assert_memory_equal(bytes, "abcde", len);
		seen[len] = true;
	}
	for (int i = 1; i <= 5; i++)
		assert_true(seen[i]);
}

/* Sectors are old or new; all combinations of three of them come up. */
static void
test_modes__torn_by_sectors(void **state)
{
	static char page[3 * 512 + 1];
	unsigned seen = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		unsigned mask = 0;
		int fd;
		size_t len;
		const uint8_t *bytes;

		sim_reset(1);
		memset(page, 'o', sizeof(page) - 1);
		fd = durable_file(page);
		memset(page, 'n', sizeof(page) - 1);
		put(fd, page, 0);
		tally_sys_close(fd);
		sim_reboot(SIM_TORN, seed);
		bytes = sim_file("a", &len);
		assert_int_equal(len, sizeof(page) - 1);
		for (size_t i = 0; i < len; i++) {
			assert_int_equal(bytes[i], bytes[i / 512 * 512]);
			if (bytes[i] == 'n')
				mask |= 1U << (i / 512);
		}
		seen |= 1U << mask;
	}
	assert_int_equal(seen, 0xff);
}

/* A sector is as it was at one instant: never write 2 without write 1. */
static void
test_modes__reorder_keeps_sectors_whole(void **state)
{
	bool apart = false;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		int fd;
		size_t len;
		const uint8_t *bytes;
		static char zeros[1025];

		sim_reset(1);
		memset(zeros, '.', sizeof(zeros) - 1);
		fd = durable_file(zeros);
		put(fd, "a", 0);
		put(fd, "b", 600);
		put(fd, "c", 1);
		tally_sys_close(fd);
		sim_reboot(SIM_REORDER, seed);
		bytes = sim_file("a", &len);
		assert_int_equal(len, 1024);
		assert_true(bytes[1] == '.' || bytes[0] == 'a');
		apart = apart || (bytes[600] == 'b' && bytes[0] == '.');
	}
	assert_true(apart);
}

static void
test_modes__mix_has_stale_sectors(void **state)
{
	bool stale = false;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		static char page[1025];
		int fd;
		size_t len;
		const uint8_t *bytes;

		sim_reset(1);
		fd = durable_file("one");
		memset(page, 'n', sizeof(page) - 1);
		put(fd, page, 512);
		tally_sys_close(fd);
		sim_reboot(SIM_MIX, seed);
		bytes = sim_file("a", &len);
		assert_memory_equal(bytes, "one", 3);
		for (size_t i = 512; i < len; i++)
			stale = stale || (bytes[i] != 'n' && bytes[i] != 0);
	}
	assert_true(stale);
}

/* A rename is done or not done, never half. */
static void
test_modes__renames_are_atomic(void **state)
{
	(void)state;
	for (int mode = 0; mode < SIM_MODE_COUNT; mode++) {
		for (uint64_t seed = 0; seed < 20; seed++) {
			size_t a, b;
			int root, fd;

			sim_reset(1);
			fd = durable_file("one");
			root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
			assert_int_equal(tally_sys_rename(root, "a", "b"), 0);
			tally_sys_close(fd);
			tally_sys_close(root);
			sim_reboot((enum sim_mode)mode, seed);
			assert_true((sim_file("a", &a) == NULL) !=
			    (sim_file("b", &b) == NULL));
			assert_int_equal(a + b, 3);
		}
	}
}

/* ---- copies ------------------------------------------------------------ */

static void
test_copy__goes_back(void **state)
{
	int fd = durable_file("one");
	struct sim_image *image;

	(void)state;
	put(fd, "two", 0);
	tally_sys_close(fd);
	image = sim_save();
	sim_reboot(SIM_DROP, 0);
	expect_file("a", "one");
	sim_restore(image);
	expect_file("a", "two");
	sim_reboot(SIM_KEEP, 0);
	expect_file("a", "two");
	sim_restore(image);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", "one");
	sim_image_free(image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SIM_TEST(test_sync__content_needs_it),
		SIM_TEST(test_sync__content_is_kept),
		SIM_TEST(test_sync__names_need_their_directory),
		SIM_TEST(test_sync__a_directory_needs_its_parent),
		SIM_TEST(test_sync__renames_and_unlinks_need_it),
		SIM_TEST(test_sync__a_size_needs_it),
		SIM_TEST(test_modes__size_only_gives_zeros),
		SIM_TEST(test_modes__content_only_loses_names),
		SIM_TEST(test_modes__entry_only_loses_content),
		SIM_TEST(test_modes__prefix),
		SIM_TEST(test_modes__torn_by_sectors),
		SIM_TEST(test_modes__reorder_keeps_sectors_whole),
		SIM_TEST(test_modes__mix_has_stale_sectors),
		SIM_TEST(test_modes__renames_are_atomic),
		SIM_TEST(test_copy__goes_back),
	};

	return cmocka_run_group_tests_name("simdisk", tests, NULL, NULL);
}
