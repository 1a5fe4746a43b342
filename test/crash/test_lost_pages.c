/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R5, for real: the log is on a file system in a file, and that file is on a
 * disk that fills up.  The log's own file system has space, so its writes
 * succeed; what fails is bringing the pages to the disk, and the kernel then
 * drops them.
 */
#include <stdlib.h>
#include <unistd.h>

#include "disk.h"

static bool
disk_that_lies(struct lab *lab)
{
	if (lab_shell(
		"mkdir '%s/back' '%s/disk' && mount -t tmpfs -o size=40m"
		" tmpfs '%s/back' && truncate -s 64m '%s/back/image' &&"
		" mkfs.ext4 -q -O ^has_journal -E nodiscard '%s/back/image'"
		" > /dev/null 2>&1 && mount -o loop,nodiscard '%s/back/image'"
		" '%s/disk' 2> /dev/null",
		lab->top, lab->top, lab->top, lab->top, lab->top, lab->top,
		lab->top) != 0)
		return false;
	snprintf(lab->dir, sizeof(lab->dir), "%.120s/disk/audit", lab->top);
	return true;
}

static int
put_large(struct lab *lab, struct tally_log *log, int number,
    enum tally_durability durability)
{
	static char event[100000];
	struct tally_receipt receipt;
	char id[24];
	int result;

	memset(event, 'x', sizeof(event));
	memcpy(event, "{\"pad\":\"", 8);
	memcpy(event + sizeof(event) - 3, "\"}", 3);
	snprintf(id, sizeof(id), "id %d", number);
	result = lab_put(lab, log, "a", id, event, durability, &receipt);
	if (result == 0 && durability == TALLY_SYNC)
		lab_ack(lab, "a", &receipt);
	return result;
}

/* Appends until a sync fails; its number, or -1. */
static int
append_until_lost(struct lab *lab, struct tally_log *log, int from)
{
	for (int i = from; i < from + 300; i++) {
		int result = put_large(lab, log, i,
		    i % 4 ? TALLY_SYNC : TALLY_BUFFERED);

		if (result == 0)
			continue;
		print_message("# at %d: %d, %s\n", i, result,
		    lab->error.message);
		assert_true(result == TALLY_E_POISONED ||
		    result == TALLY_E_IO || result == TALLY_E_FULL);
		return i;
	}
	return -1;
}

static void
lose_pages(struct lab *lab, bool with_a_new_process)
{
	struct tally_log *log, *other;
	int lost, result = 0;

	lab_init(lab, 0);
	log = lab_must_open(lab);
	other = lab_must_open(lab);
	for (int i = 0; i < 10; i++)
		assert_int_equal(put_large(lab, log, i, TALLY_SYNC), 0);
	(void)lab_shell("cat /dev/zero > '%s/back/ballast' 2> /dev/null",
	    lab->top);
	lost = append_until_lost(lab, log, 10);
	assert_true(lost >= 0);
	/* While nothing can be written nobody is told that it is durable. */
	for (int i = 0; i < 5; i++)
		(void)put_large(lab, i % 2 ? log : other, lost, TALLY_SYNC);
	assert_int_equal(lab_shell("rm '%s/back/ballast'", lab->top), 0);
	if (with_a_new_process) {
		(void)tally_log_close(log, NULL);
		(void)tally_log_close(other, NULL);
		log = lab_must_open(lab);
		other = lab_must_open(lab);
	}
	for (int tries = 0; tries < 3; tries++) {
		result = put_large(lab, other, lost, TALLY_SYNC);
		if (result == 0)
			break;
	}
	if (result != 0)
		fail_msg("with space again: %d, %s", result,
		    lab->error.message);
	assert_int_equal(put_large(lab, log, lost + 1, TALLY_SYNC), 0);
	(void)tally_log_close(log, NULL);
	(void)tally_log_close(other, NULL);
	lab_check(lab);
	/* Not from the page cache: from what really is on the disk. */
	assert_int_equal(lab_shell("umount '%s/disk' && mount -o loop"
				   " '%s/back/image' '%s/disk'",
			     lab->top, lab->top, lab->top),
	    0);
	lab_check(lab);
	assert_true(lab_python_agrees(lab));
}

static void
test_lost_pages__the_log_recovers(void **state)
{
	DISK_NEEDS_MOUNTS();
	if (!disk_that_lies(*state)) {
		print_message("# needs a loop device and mkfs.ext4\n");
		skip();
	}
	lose_pages(*state, false);
}

static void
test_lost_pages__a_new_process_recovers(void **state)
{
	DISK_NEEDS_MOUNTS();
	if (!disk_that_lies(*state)) {
		print_message("# needs a loop device and mkfs.ext4\n");
		skip();
	}
	lose_pages(*state, true);
}

/*
 * Nobody syncs: everybody was killed, and the pages are lost in the kernel's
 * own time.  What was only buffered may be gone, but nothing is acknowledged
 * on top of it that is not durable.
 */
static int
buffer_and_die(struct lab *lab, void *arg)
{
	struct tally_log *log = lab_open(lab);

	(void)arg;
	if (log == NULL)
		return lab_wrong(lab, "open: %s", lab->error.message);
	for (int i = 10; i < 60; i++) {
		if (put_large(lab, log, i, TALLY_BUFFERED) != 0)
			return lab_wrong(lab, "append: %s", lab->error.message);
	}
	hooks_die();
}

/* Meets the kernel's error, which tells each file's readers only once. */
static void
meet_the_error(struct lab *lab)
{
	struct tally_open_options read_only = { .read_only = true };
	struct tally_head head;
	struct tally_log *log;
	int result;

	assert_int_equal(tally_log_open(lab->dir, &read_only, &log,
			     &lab->error),
	    0);
	result = tally_log_head(log, "a", 1, &head, &lab->error);
	print_message("# the reader is told: %d, %s\n", result,
	    lab->error.message);
	assert_true(result < 0);
	assert_int_equal(tally_log_close(log, NULL), 0);
}

static void
behind_a_killed_process(struct lab *lab, bool somebody_reads)
{
	struct tally_log *log;
	int result = -1;

	lab_init(lab, 0);
	log = lab_must_open(lab);
	for (int i = 0; i < 10; i++)
		assert_int_equal(put_large(lab, log, i, TALLY_SYNC), 0);
	assert_int_equal(tally_log_close(log, NULL), 0);
	(void)lab_shell("cat /dev/zero > '%s/back/ballast' 2> /dev/null",
	    lab->top);
	lab_expect_killed(lab, lab_spawn(lab, buffer_and_die, NULL));
	/* Write back, by somebody who does not look at our file's errors. */
	(void)lab_shell("sync");
	if (somebody_reads)
		meet_the_error(lab);
	(void)lab_shell("rm '%s/back/ballast'", lab->top);
	for (int tries = 0; tries < 3 && result != 0; tries++) {
		log = lab_open(lab);
		if (log == NULL)
			continue;
		result = put_large(lab, log, 1000, TALLY_SYNC);
		(void)tally_log_close(log, NULL);
	}
	if (result != 0)
		fail_msg("with space again: %d, %s", result,
		    lab->error.message);
	assert_int_equal(lab_shell("umount '%s/disk' && mount -o loop"
				   " '%s/back/image' '%s/disk'",
			     lab->top, lab->top, lab->top),
	    0);
	lab_check(lab);
	assert_true(lab_python_agrees(lab));
}

static void
test_lost_pages__behind_a_killed_process(void **state)
{
	DISK_NEEDS_MOUNTS();
	if (!disk_that_lies(*state)) {
		print_message("# needs a loop device and mkfs.ext4\n");
		skip();
	}
	behind_a_killed_process(*state, false);
}

/*
 * The same, but a reader synced in between and took the error with it: the
 * next writer's own sync succeeds over pages that are lost.  It must not trust
 * it (handle.c, arrive).
 */
static void
test_lost_pages__behind_a_killed_process_and_a_reader(void **state)
{
	DISK_NEEDS_MOUNTS();
	if (!disk_that_lies(*state)) {
		print_message("# needs a loop device and mkfs.ext4\n");
		skip();
	}
	behind_a_killed_process(*state, true);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, disk_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_lost_pages__the_log_recovers),
		CASE(test_lost_pages__a_new_process_recovers),
		CASE(test_lost_pages__behind_a_killed_process),
		CASE(test_lost_pages__behind_a_killed_process_and_a_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
