/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated machine itself: what it keeps, what it forgets, and that a
 * writer who forgets a sync is caught. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "log/sys.h"

#include "simdisk.h"

static int
setup(void **state)
{
	(void)state;
	sim_reset(1);
	return 0;
}

static int
teardown(void **state)
{
	const char *violation = sim_violation();

	(void)state;
	if (violation != NULL)
		print_message("# violation: %s\n", violation);
	sim_wipe();
	return violation == NULL ? 0 : -1;
}

#define MAKE (TALLY_SYS_WRITE | TALLY_SYS_CREATE)

static void
put(int fd, const char *text, uint64_t offset)
{
	size_t written;

	assert_int_equal(tally_sys_write(fd, text, strlen(text), offset,
			     &written),
	    0);
	assert_int_equal(written, strlen(text));
}

static void
expect_file(const char *path, const char *text)
{
	size_t len;
	const uint8_t *bytes = sim_file(path, &len);

	if (text == NULL) {
		assert_null(bytes);
		return;
	}
	assert_non_null(bytes);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(bytes, text, len);
}

/* A file "a" with durable content and a durable name. */
static int
durable_file(const char *text)
{
	int root = tally_sys_open_dir(-1, "/");
	int fd = tally_sys_open(root, "a", MAKE);

	put(fd, text, 0);
	assert_int_equal(tally_sys_sync(fd), 0);
	assert_int_equal(tally_sys_sync_all(root), 0);
	tally_sys_close(root);
	return fd;
}

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
	int root = tally_sys_open_dir(-1, "/");
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
	int root = tally_sys_open_dir(-1, "/");
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
	assert_int_equal(tally_sys_open_dir(-1, "/d"), -ENOENT);
}

static void
test_sync__renames_and_unlinks_need_it(void **state)
{
	int root = tally_sys_open_dir(-1, "/");
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

	root = tally_sys_open_dir(-1, "/");
	assert_int_equal(tally_sys_unlink(root, "a"), 0);
	expect_file("a", NULL);
	tally_sys_close(root);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", "one");

	root = tally_sys_open_dir(-1, "/");
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
	int root = tally_sys_open_dir(-1, "/");

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
	int root = tally_sys_open_dir(-1, "/");
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
			root = tally_sys_open_dir(-1, "/");
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

/* ---- power cuts and kills ---------------------------------------------- */

static void
test_cut__from_the_op_on_nothing_happens(void **state)
{
	int fd = durable_file("one");
	size_t written;

	(void)state;
	sim_cut_at(sim_ops() + 1);
	put(fd, "two", 0);
	assert_int_equal(tally_sys_sync(fd), -EIO);
	assert_true(sim_is_dead());
	assert_int_equal(tally_sys_write(fd, "x", 1, 0, &written), -EIO);
	assert_int_equal(written, 0);
	assert_null(tally_sys_alloc(1));
	tally_sys_close(fd);
	sim_reboot(SIM_KEEP, 0);
	assert_false(sim_is_dead());
	expect_file("a", "two");
}

static void
test_cut__changes_the_boot_id(void **state)
{
	uint8_t before[16], after[16];

	(void)state;
	assert_int_equal(tally_sys_boot_id(before), 0);
	sim_reboot(SIM_KEEP, 0);
	assert_int_equal(tally_sys_boot_id(after), 0);
	assert_memory_not_equal(before, after, 16);
}

static void
test_kill__frees_locks_and_keeps_the_view(void **state)
{
	int one, two;
	uint8_t before[16], after[16];

	(void)state;
	one = durable_file("one");
	assert_int_equal(tally_sys_boot_id(before), 0);
	assert_int_equal(tally_sys_lock(one, true), 0);
	put(one, "two", 0);
	sim_as(2);
	two = tally_sys_open(-1, "a", TALLY_SYS_WRITE);
	assert_int_equal(tally_sys_lock(two, false), -EWOULDBLOCK);
	sim_as(1);
	sim_kill_at(sim_ops());
	assert_int_equal(tally_sys_truncate(one, 0), -EIO);
	tally_sys_close(one);
	sim_reap();
	sim_as(2);
	assert_int_equal(tally_sys_lock(two, false), 0);
	expect_file("a", "two");
	assert_int_equal(tally_sys_boot_id(after), 0);
	assert_memory_equal(before, after, 16);
	tally_sys_close(two);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", "one");
}

/* ---- mapped memory ----------------------------------------------------- */

static void
test_map__is_shared_and_volatile(void **state)
{
	int one = durable_file("one");
	void *a, *b;
	char text[4] = "";

	(void)state;
	assert_int_equal(tally_sys_map(one, 3, true, &a), 0);
	assert_int_equal(tally_sys_map(one, 3, false, &b), 0);
	memcpy(a, "two", 3);
	assert_memory_equal(b, "two", 3);
	assert_int_equal(tally_sys_read(one, text, 3, 0), 3);
	assert_string_equal(text, "two");
	tally_sys_unmap(a, 3);
	tally_sys_unmap(b, 3);
	tally_sys_close(one);
	sim_reboot(SIM_DROP, 0);
	expect_file("a", "one");
}

static void
test_map__may_survive(void **state)
{
	int one = durable_file("one");
	void *a;

	(void)state;
	assert_int_equal(tally_sys_map(one, 3, true, &a), 0);
	memcpy(a, "two", 3);
	tally_sys_unmap(a, 3);
	tally_sys_close(one);
	sim_reboot(SIM_KEEP, 0);
	expect_file("a", "two");
}

/* The code of a dead process runs on; what it stores does not count. */
static void
test_map__the_dead_do_not_write(void **state)
{
	int one = durable_file("one");
	char *a;
	void *map;

	(void)state;
	assert_int_equal(tally_sys_map(one, 3, true, &map), 0);
	a = map;
	a[0] = '1';
	sim_kill_at(sim_ops());
	assert_int_equal(tally_sys_sync(one), -EIO);
	a[1] = '2';
	tally_sys_unmap(map, 3);
	tally_sys_close(one);
	sim_reap();
	expect_file("a", "1ne");
}

static void
test_map__a_kill_between_two_stores(void **state)
{
	(void)state;
	if (!sim_trap_stores(true))
		skip();
	for (uint64_t n = 0; n < 3; n++) {
		volatile char *a;
		void *map;
		int one;

		sim_reset(1);
		one = durable_file("...");
		assert_int_equal(tally_sys_map(one, 3, true, &map), 0);
		a = map;
		sim_kill_at(sim_ops() + n);
		for (int i = 0; i < 3; i++)
			a[i] = 'x';
		assert_true(sim_is_dead());
		tally_sys_unmap(map, 3);
		tally_sys_close(one);
		sim_reap();
		expect_file("a", n == 0 ? "..." : n == 1 ? "x.." : "xx.");
	}
	assert_true(sim_trap_stores(false));
}

/* ---- faults ------------------------------------------------------------ */

static void
test_fault__a_failed_sync_is_not_made_up_for(void **state)
{
	int fd = durable_file("one");

	(void)state;
	put(fd, "two", 0);
	sim_fail_sync(0, EIO);
	assert_int_equal(tally_sys_sync(fd), -EIO);
	assert_int_equal(tally_sys_sync(fd), 0);
	expect_file("a", "two");
	tally_sys_close(fd);
	sim_reboot(SIM_KEEP, 0);
	expect_file("a", "one");
}

static void
test_fault__a_failed_sync_with_eviction(void **state)
{
	int fd = durable_file("one");
	size_t len;

	(void)state;
	sim_set(SIM_EVICT);
	put(fd, "three", 0);
	sim_fail_sync(0, EIO);
	assert_int_equal(tally_sys_sync(fd), -EIO);
	assert_memory_equal(sim_file("a", &len), "one\0\0", 5);
	assert_int_equal(len, 5);
	tally_sys_close(fd);
}

static void
test_fault__writes(void **state)
{
	static const struct sim_fault faults[3] = {
		{ .error = EIO, .part = SIM_NOTHING },
		{ .error = ENOSPC, .part = SIM_HALF },
		{ .error = EDQUOT, .part = SIM_ALL },
	};
	static const char *const left[3] = { "one", "twe", "two!" };
	size_t written;

	(void)state;
	for (int i = 0; i < 3; i++) {
		int fd;

		sim_reset(1);
		fd = durable_file("one");
		sim_fault_at(sim_ops(), &faults[i]);
		assert_int_equal(tally_sys_write(fd, "two!", 4, 0, &written),
		    -faults[i].error);
		assert_true(sim_fault_fired());
		assert_int_equal(written, i * 2);
		expect_file("a", left[i]);
		tally_sys_close(fd);
	}
}

static void
test_fault__a_full_disk(void **state)
{
	int fd = durable_file("one");
	size_t written;

	(void)state;
	sim_capacity(5);
	assert_int_equal(tally_sys_write(fd, "four", 4, 3, &written), -ENOSPC);
	assert_int_equal(written, 2);
	expect_file("a", "onefo");
	assert_int_equal(tally_sys_truncate(fd, 3), 0);
	sim_capacity(UINT64_MAX);
	put(fd, "four", 3);
	tally_sys_close(fd);
}

static void
test_fault__a_lock_and_an_allocation(void **state)
{
	struct sim_fault fault = { .error = EINTR };
	int fd = durable_file("one");
	void *memory;

	(void)state;
	sim_fault_at(sim_ops(), &fault);
	assert_int_equal(tally_sys_lock(fd, true), -EINTR);
	fault.error = ENOMEM;
	sim_fault_at(sim_ops(), &fault);
	assert_null(tally_sys_alloc(8));
	memory = tally_sys_alloc(8);
	assert_non_null(memory);
	assert_int_equal(sim_memory_count(), 1);
	tally_sys_free(memory);
	tally_sys_close(fd);
}

/* ---- wrong use is told ------------------------------------------------- */

static int
teardown_violation(void **state)
{
	const char *violation = sim_violation();
	int rc = violation != NULL ? 0 : -1;

	(void)state;
	sim_wipe();
	return rc;
}

static void
test_violation__deadlock(void **state)
{
	int one = durable_file("one");
	int two = tally_sys_open(-1, "a", TALLY_SYS_WRITE);

	(void)state;
	assert_int_equal(tally_sys_lock(one, true), 0);
	assert_int_equal(tally_sys_lock(two, true), -EDEADLK);
	assert_string_equal(sim_violation(),
	    "a lock that would block for ever");
	tally_sys_close(one);
	tally_sys_close(two);
}

static void
test_violation__map_beyond_the_end(void **state)
{
	int one = durable_file("one");
	void *map;

	(void)state;
	assert_int_equal(tally_sys_map(one, 4, true, &map), 0);
	tally_sys_unmap(map, 4);
	tally_sys_close(one);
}

static void
test_violation__frozen(void **state)
{
	int one = durable_file("one");

	(void)state;
	sim_set(SIM_FROZEN);
	put(one, "x", 0);
	tally_sys_close(one);
}

/* ---- a toy writer ------------------------------------------------------ */

enum toy {
	TOY_RIGHT,
	TOY_NO_SYNC,
	TOY_NO_DIR_SYNC,
	TOY_RENAME_FIRST,
};

/* Replaces "a" by a new content; 0 means that it is durable. */
static int
toy_replace(enum toy toy, const char *text)
{
	int root = tally_sys_open_dir(-1, "/");
	int fd = tally_sys_open(root, "a.new", MAKE | TALLY_SYS_EMPTY);
	size_t written;
	int rc = root < 0 || fd < 0 ? -1 : 0;

	if (rc == 0)
		rc = tally_sys_write(fd, text, strlen(text), 0, &written);
	if (rc == 0 && toy == TOY_RENAME_FIRST)
		rc = tally_sys_rename(root, "a.new", "a");
	if (rc == 0 && toy != TOY_NO_SYNC)
		rc = tally_sys_sync(fd);
	if (rc == 0 && toy != TOY_RENAME_FIRST)
		rc = tally_sys_rename(root, "a.new", "a");
	if (rc == 0 && toy != TOY_NO_DIR_SYNC)
		rc = tally_sys_sync_all(root);
	if (fd >= 0)
		tally_sys_close(fd);
	if (root >= 0)
		tally_sys_close(root);
	return rc;
}

/* Is "a" what was acknowledged last, or what was in flight? */
static bool
toy_holds(int acknowledged)
{
	size_t len;
	const uint8_t *a = sim_file("a", &len);

	for (int i = acknowledged; i <= 3 && i <= acknowledged + 1; i++) {
		if (i == 0 && a == NULL)
			return true;
		if (i > 0 && a != NULL && len == 600 && a[0] == 'a' + i &&
		    a[599] == 'a' + i)
			return true;
	}
	return false;
}

/* Cuts the power at every op of three replacements; counts the losses. */
static unsigned
toy_losses(enum toy toy, unsigned bits)
{
	char text[601] = "";
	unsigned losses = 0;
	bool cut = true;

	for (uint64_t op = 0; cut; op++) {
		for (uint64_t n = 0; n < SIM_MODE_COUNT * UINT64_C(8); n++) {
			int acknowledged = 0;

			sim_reset(1);
			sim_set(bits);
			sim_cut_at(op);
			for (int i = 1; i <= 3; i++) {
				memset(text, 'a' + i, 600);
				if (toy_replace(toy, text) != 0)
					break;
				acknowledged = i;
			}
			cut = sim_is_dead();
			sim_reboot((enum sim_mode)(n / 8), n % 8);
			losses += !toy_holds(acknowledged);
		}
	}
	return losses;
}

static void
test_toy__right(void **state)
{
	(void)state;
	assert_int_equal(toy_losses(TOY_RIGHT, 0), 0);
}

static void
test_toy__forgets_the_sync(void **state)
{
	(void)state;
	assert_true(toy_losses(TOY_NO_SYNC, 0) > 0);
}

static void
test_toy__forgets_the_directory(void **state)
{
	(void)state;
	assert_true(toy_losses(TOY_NO_DIR_SYNC, 0) > 0);
}

static void
test_toy__renames_before_it_syncs(void **state)
{
	(void)state;
	assert_true(toy_losses(TOY_RENAME_FIRST, 0) > 0);
}

static void
test_toy__mutants_of_the_disk(void **state)
{
	(void)state;
	assert_true(toy_losses(TOY_RIGHT, SIM_NO_SYNC) > 0);
	assert_true(toy_losses(TOY_RIGHT, SIM_NO_SYNC_DIR) > 0);
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

#define SIM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define SIM_BAD(f) cmocka_unit_test_setup_teardown(f, setup, teardown_violation)

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
		SIM_TEST(test_cut__from_the_op_on_nothing_happens),
		SIM_TEST(test_cut__changes_the_boot_id),
		SIM_TEST(test_kill__frees_locks_and_keeps_the_view),
		SIM_TEST(test_map__is_shared_and_volatile),
		SIM_TEST(test_map__may_survive),
		SIM_TEST(test_map__the_dead_do_not_write),
		SIM_TEST(test_map__a_kill_between_two_stores),
		SIM_TEST(test_fault__a_failed_sync_is_not_made_up_for),
		SIM_TEST(test_fault__a_failed_sync_with_eviction),
		SIM_TEST(test_fault__writes),
		SIM_TEST(test_fault__a_full_disk),
		SIM_TEST(test_fault__a_lock_and_an_allocation),
		SIM_BAD(test_violation__deadlock),
		SIM_BAD(test_violation__map_beyond_the_end),
		SIM_BAD(test_violation__frozen),
		SIM_TEST(test_toy__right),
		SIM_TEST(test_toy__forgets_the_sync),
		SIM_TEST(test_toy__forgets_the_directory),
		SIM_TEST(test_toy__renames_before_it_syncs),
		SIM_TEST(test_toy__mutants_of_the_disk),
		SIM_TEST(test_copy__goes_back),
	};

	return cmocka_run_group_tests_name("simdisk", tests, NULL, NULL);
}
