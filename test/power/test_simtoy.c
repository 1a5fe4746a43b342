/* SPDX-License-Identifier: Apache-2.0 */
/* A toy writer on the simulated machine: one who forgets a sync is caught,
 * and so is a disk that does not sync. */
#include "simtest.h"

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
	int root = tally_sys_open_dir(TALLY_SYS_CWD, "/");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SIM_TEST(test_toy__right),
		SIM_TEST(test_toy__forgets_the_sync),
		SIM_TEST(test_toy__forgets_the_directory),
		SIM_TEST(test_toy__renames_before_it_syncs),
		SIM_TEST(test_toy__mutants_of_the_disk),
	};

	return cmocka_run_group_tests_name("simtoy", tests, NULL, NULL);
}
