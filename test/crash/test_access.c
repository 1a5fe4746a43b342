/* SPDX-License-Identifier: Apache-2.0 */
/* A read-only file system, and a directory without rights. */
#include <grp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

#define RECORDS 50
#define NOBODY 65534

static void
fill(struct lab *lab)
{
	struct tally_log *log;

	lab_init(lab, LAB_SEGMENT);
	log = lab_must_open(lab);
	for (int i = 0; i < RECORDS; i++)
		lab_must_put(lab, log, "a", NULL, TALLY_BUFFERED);
	assert_int_equal(tally_log_close(log, NULL), 0);
}

/* Through a read-only handle: head, records, a find, a proof's root. */
static int
read_it(struct lab *lab, void *arg)
{
	struct tally_open_options options = { .read_only = true };
	struct tally_find find = {
		.by = TALLY_KEY_SEQ, .chain = "a", .chain_len = 1, .seq = 30
	};
	struct tally_verdict verdict;
	struct tally_cursor *cursor;
	struct tally_record record;
	struct tally_head head;
	struct tally_log *log;
	int records = 0;

	(void)arg;
	if (tally_log_open(lab->dir, &options, &log, &lab->error) != 0)
		return lab_wrong(lab, "read-only: %s", lab->error.message);
	if (tally_log_head(log, "a", 1, &head, &lab->error) != 0 ||
	    head.seq != RECORDS)
		return lab_wrong(lab, "head: %s", lab->error.message);
	if (tally_cursor_open(log, NULL, &cursor, &lab->error) != 0)
		return lab_wrong(lab, "cursor: %s", lab->error.message);
	while (tally_cursor_next(cursor, &record, &lab->error) == 0)
		records++;
	if (records != RECORDS + 1)
		return lab_wrong(lab, "%d records: %s", records,
		    lab->error.message);
	if (tally_cursor_find(cursor, &find, &record, &lab->error) != 0)
		return lab_wrong(lab, "find: %s", lab->error.message);
	tally_cursor_close(cursor);
	if (lab_put(lab, log, "a", NULL, NULL, TALLY_SYNC, NULL) !=
	    TALLY_E_USAGE)
		return lab_wrong(lab, "it appends");
	if (tally_verify(lab->dir, NULL, &verdict, &lab->error) != 0 ||
	    verdict.verdict != TALLY_INTACT)
		return lab_wrong(lab, "verify: %s", lab->error.message);
	return tally_log_close(log, &lab->error);
}

/* As it is opened to append: the error, and nothing was written. */
static int
refused(struct lab *lab, const char *text)
{
	struct tally_log *log = lab_open(lab);

	if (log != NULL)
		return lab_wrong(lab, "it opens");
	if (lab->error.code != TALLY_E_ACCESS ||
	    strcmp(lab->error.message, text) != 0)
		return lab_wrong(lab, "%d, %s", lab->error.code,
		    lab->error.message);
	return 0;
}

static void
test_access__read_only_file_system(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log;
	int result;

	DISK_NEEDS_MOUNTS();
	disk_small(lab, "16m");
	fill(lab);
	log = lab_must_open(lab);
	assert_int_equal(lab_shell("mount --bind '%s/disk' '%s/disk' && mount"
				   " -o remount,bind,ro '%s/disk'",
			     lab->top, lab->top, lab->top),
	    0);
	for (int i = 0; i < 2; i++) {
		result = refused(lab,
		    "cannot open \"run/state\": read-only file system");
		lab_check_wrongs(lab);
		assert_int_equal(result, 0);
		assert_int_equal(read_it(lab, NULL), 0);
		lab_check_wrongs(lab);
	}
	assert_int_equal(lab_shell("umount '%s/disk'", lab->top), 0);
	/* The handle from before was never on the read-only mount. */
	lab_must_put(lab, log, "a", NULL, TALLY_SYNC);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
}

/* The same without run/ and index/, as on a medium that was burnt. */
static void
test_access__read_only_without_the_derived(void **state)
{
	struct lab *lab = *state;
	char text[300];

	DISK_NEEDS_MOUNTS();
	disk_small(lab, "16m");
	fill(lab);
	assert_int_equal(lab_shell("rm -rf '%s/run' '%s/index' && mount -o"
				   " remount,ro '%s/disk'",
			     lab->dir, lab->dir, lab->top),
	    0);
	snprintf(text, sizeof(text),
	    "cannot open \"%s/run\": read-only file"
	    " system",
	    lab->dir);
	(void)refused(lab, text);
	lab_check_wrongs(lab);
	assert_int_equal(read_it(lab, NULL), 0);
	lab_check_wrongs(lab);
	assert_int_equal(lab_shell("mount -o remount,rw '%s/disk'", lab->top),
	    0);
	lab_check(lab);
}

/* ---- another user ----------------------------------------------------- */

static int
be_nobody(struct lab *lab)
{
	if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 ||
	    setuid(NOBODY) != 0)
		return lab_wrong(lab, "cannot be nobody");
	return 0;
}

static int
no_rights_at_all(struct lab *lab, void *arg)
{
	struct tally_open_options read_only = { .read_only = true };
	struct tally_log *log;
	char text[300];

	(void)arg;
	snprintf(text, sizeof(text), "cannot open \"%s\": permission denied",
	    lab->dir);
	if (be_nobody(lab) != 0 || refused(lab, text) != 0)
		return 1;
	if (tally_log_open(lab->dir, &read_only, &log, &lab->error) !=
		TALLY_E_ACCESS ||
	    strcmp(lab->error.message, text) != 0)
		return lab_wrong(lab, "read-only: %s", lab->error.message);
	return 0;
}

static int
rights_to_read(struct lab *lab, void *arg)
{
	if (be_nobody(lab) != 0 ||
	    refused(lab, "cannot open \"run/state\": permission denied") != 0)
		return 1;
	return read_it(lab, arg);
}

static int
no_rights_to_init(struct lab *lab, void *arg)
{
	char dir[300], text[400];

	(void)arg;
	snprintf(dir, sizeof(dir), "%s/new", lab->top);
	snprintf(text, sizeof(text), "cannot make \"%s\": permission denied",
	    dir);
	if (be_nobody(lab) != 0)
		return 1;
	if (tally_log_init(dir, NULL, &lab->error) != TALLY_E_ACCESS ||
	    strcmp(lab->error.message, text) != 0)
		return lab_wrong(lab, "init: %s", lab->error.message);
	return 0;
}

static void
test_access__another_user(void **state)
{
	struct lab *lab = *state;

	if (geteuid() != 0) {
		print_message("# needs to be root, to become nobody\n");
		skip();
	}
	assert_int_equal(chmod(lab->top, 0755), 0);
	fill(lab);
	assert_int_equal(chmod(lab->dir, 0700), 0);
	lab_join(lab, lab_spawn(lab, no_rights_at_all, NULL));
	lab_join(lab, lab_spawn(lab, no_rights_to_init, NULL));
	assert_int_equal(lab_shell("chmod -R a+rX '%s'", lab->dir), 0);
	lab_join(lab, lab_spawn(lab, rights_to_read, NULL));
	assert_int_equal(lab_shell("chmod -R go-rwx '%s'", lab->dir), 0);
	lab_check(lab);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, disk_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_access__read_only_file_system),
		CASE(test_access__read_only_without_the_derived),
		CASE(test_access__another_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
