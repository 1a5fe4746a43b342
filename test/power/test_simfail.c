/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated machine: cuts, kills, mapped memory, faults, wrong use. */
#include "simtest.h"

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
	two = tally_sys_open(TALLY_SYS_CWD, "/a", TALLY_SYS_WRITE);
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
		assert_true(sim_trap_stores(true));
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
	int two = tally_sys_open(TALLY_SYS_CWD, "/a", TALLY_SYS_WRITE);

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

#define SIM_BAD(f) cmocka_unit_test_setup_teardown(f, setup, teardown_violation)

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests_name("simfail", tests, NULL, NULL);
}
