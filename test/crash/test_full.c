/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that is full for real. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"

static int
put_sized(struct lab *lab, struct tally_log *log, const char *id, size_t size,
    enum tally_durability durability)
{
	struct tally_receipt receipt;
	char *event = malloc(size + 1);
	int result;

	memset(event, 'x', size);
	memcpy(event, "{\"pad\":\"", 8);
	memcpy(event + size - 2, "\"}", 3);
	result = lab_put(lab, log, "a", id, event, durability, &receipt);
	free(event);
	if (result == 0)
		lab_ack(lab, "a", &receipt);
	return result;
}

static off_t
bytes_of_segments(struct lab *lab)
{
	char command[300];
	long bytes = -1;
	FILE *pipe;

	snprintf(command, sizeof(command), "cat '%s/log/'*.jsonl | wc -c",
	    lab->dir);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fscanf(pipe, "%ld", &bytes), 1);
	pclose(pipe);
	return bytes;
}

/* Appends until there is no space; what was refused left nothing. */
static void
fill_up(struct lab *lab, struct tally_log *log, bool ids, size_t size)
{
	int result = 0, refused = 0;
	char id[24];

	for (int i = 0; refused < 20; i++) {
		off_t before = bytes_of_segments(lab);

		snprintf(id, sizeof(id), "%zu %d", size, i);
		result = put_sized(lab, log, ids ? id : NULL, size,
		    i % 3 ? TALLY_SYNC : TALLY_BUFFERED);
		if (result == 0)
			continue;
		refused++;
		assert_int_equal(result, TALLY_E_FULL);
		assert_int_equal(lab->error.code, TALLY_E_FULL);
		assert_non_null(strstr(lab->error.message,
		    "no space left on the device"));
		assert_int_equal(bytes_of_segments(lab), before);
	}
}

static void
full(struct lab *lab, bool ids)
{
	struct tally_log *log, *other;

	DISK_NEEDS_MOUNTS();
	disk_small(lab, "3m");
	lab_init(lab, LAB_SEGMENT * 4);
	assert_int_equal(lab_shell("head -c 500000 /dev/zero >"
				   " '%s/disk/ballast'",
			     lab->top),
	    0);
	log = lab_must_open(lab);
	other = lab_must_open(lab);
	fill_up(lab, log, ids, 20000);
	print_message("# %s\n", lab->error.message);
	fill_up(lab, other, ids, 3000);
	fill_up(lab, log, ids, 300);
	/* What is there can be read, and is whole. */
	assert_true(lab_python_agrees(lab));
	assert_int_equal(lab_shell("rm '%s/disk/ballast'", lab->top), 0);
	assert_int_equal(put_sized(lab, log, "after", 3000, TALLY_SYNC), 0);
	assert_int_equal(put_sized(lab, other, "after", 3000, TALLY_SYNC), 0);
	assert_int_equal(tally_log_close(other, NULL), 0);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
	assert_int_equal(lab_torn(lab), 0);
	assert_true(lab_python_agrees(lab));
}

static void
test_full__nothing_half_done(void **state)
{
	full(*state, false);
}

static void
test_full__with_ids(void **state)
{
	full(*state, true);
}

/* No room for the shared state: an error, not a SIGBUS in an application. */
static void
test_full__no_room_for_the_state(void **state)
{
	struct tally_open_options read_only = { .read_only = true };
	struct lab *lab = *state;
	struct tally_head head;
	struct tally_log *log;

	DISK_NEEDS_MOUNTS();
	disk_small(lab, "2m");
	lab_init(lab, 0);
	log = lab_must_open(lab);
	for (int i = 0; i < 20; i++)
		lab_must_put(lab, log, "a", NULL, TALLY_SYNC);
	assert_int_equal(tally_log_close(log, NULL), 0);
	assert_int_equal(lab_shell("rm -r '%s/run' && cat /dev/zero >"
				   " '%s/disk/ballast' 2> /dev/null",
			     lab->dir, lab->top),
	    1);
	assert_null(lab_open(lab));
	assert_int_equal(lab->error.code, TALLY_E_FULL);
	print_message("# %s\n", lab->error.message);
	/* Reading needs no room. */
	assert_int_equal(tally_log_open(lab->dir, &read_only, &log, NULL), 0);
	assert_int_equal(tally_log_head(log, "a", 1, &head, NULL), 0);
	assert_int_equal(head.seq, 20);
	assert_int_equal(tally_log_close(log, NULL), 0);
	assert_int_equal(lab_shell("rm '%s/disk/ballast'", lab->top), 0);
	lab_check(lab);
}

/* The init of a log where there is none left. */
static void
test_full__init(void **state)
{
	struct lab *lab = *state;

	DISK_NEEDS_MOUNTS();
	disk_small(lab, "64k");
	assert_int_equal(lab_shell("cat /dev/zero > '%s/disk/ballast'"
				   " 2> /dev/null",
			     lab->top),
	    1);
	assert_int_equal(tally_log_init(lab->dir, NULL, &lab->error),
	    TALLY_E_FULL);
	print_message("# %s\n", lab->error.message);
	assert_null(lab_open(lab));
	assert_int_equal(lab->error.code, TALLY_E_NO_LOG);
	assert_int_equal(lab_shell("rm '%s/disk/ballast'", lab->top), 0);
	assert_int_equal(tally_log_init(lab->dir, NULL, &lab->error), 0);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, disk_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_full__nothing_half_done),
		CASE(test_full__with_ids),
		CASE(test_full__no_room_for_the_state),
		CASE(test_full__init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
