/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R2: what somebody does to the files of a log while it is open, or between
 * two openings.  What is refused is refused with a text, and nothing was
 * appended; what can be rebuilt is.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/state.h"

#include "lab.h"

#define SEGMENT "00000000000000000000.jsonl"
#define REPLACED_TEXT \
	"segment \"log/" SEGMENT "\" was replaced underneath; segments must" \
	" not be rotated or edited, put the original back"

static struct tally_log *
filled(struct lab *lab, uint64_t segment_bytes, int records)
{
	struct tally_log *log;
	char id[24];

	lab_init(lab, segment_bytes);
	log = lab_must_open(lab);
	for (int i = 0; i < records; i++) {
		snprintf(id, sizeof(id), "first %d", i);
		lab_must_put(lab, log, i % 3 == 0 ? "a" : "b", id,
		    i % 10 == 9 ? TALLY_SYNC : TALLY_BUFFERED);
	}
	assert_int_equal(tally_log_sync(log, NULL), 0);
	return log;
}

/* All calls that append, and a new handle, say so. */
static void
expect_swapped(struct lab *lab, struct tally_log *log, const char *text)
{
	struct tally_log *other = NULL;

	for (int i = 0; i < 3; i++)
		lab_expect_error(lab,
		    lab_put(lab, log, "a", i == 1 ? "new" : NULL, NULL,
			i == 2 ? TALLY_BUFFERED : TALLY_SYNC, NULL),
		    TALLY_E_SWAPPED, text);
	lab_expect_error(lab,
	    tally_log_open(lab->dir, NULL, &other, &lab->error),
	    TALLY_E_SWAPPED, text);
}

/* As it was: the handle goes on, and nothing came in between. */
static void
expect_mended(struct lab *lab, struct tally_log *log, uint64_t size)
{
	assert_int_equal(lab_size(lab), size);
	lab_must_put(lab, log, "a", "after", TALLY_SYNC);
	assert_int_equal(lab_size(lab), size + 1);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
}

static void
test_swapped__directory_moved_away(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log = filled(lab, 0, 20);
	char text[400];

	snprintf(text, sizeof(text),
	    "\"%s/log\" was moved or replaced; close"
	    " the log and open it again",
	    lab->dir);
	assert_int_equal(lab_shell("cd '%s' && mv log away", lab->dir), 0);
	lab_expect_error(lab,
	    lab_put(lab, log, "a", NULL, NULL, TALLY_SYNC, NULL),
	    TALLY_E_SWAPPED, text);
	/* Another in its place is no better. */
	assert_int_equal(lab_shell("cd '%s' && cp -a away log", lab->dir), 0);
	lab_expect_error(lab,
	    lab_put(lab, log, "a", NULL, NULL, TALLY_SYNC, NULL),
	    TALLY_E_SWAPPED, text);
	assert_int_equal(lab_shell("cd '%s' && cmp away/" SEGMENT
				   " log/" SEGMENT
				   " && rm -r log && mv away log",
			     lab->dir),
	    0);
	expect_mended(lab, log, 21);
}

static void
test_swapped__segment_replaced_by_its_copy(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log = filled(lab, 0, 20);

	assert_int_equal(lab_shell("cd '%s/log' && cp -p " SEGMENT " copy &&"
				   " mv " SEGMENT
				   " ../orig && mv copy " SEGMENT,
			     lab->dir),
	    0);
	expect_swapped(lab, log, REPLACED_TEXT);
	assert_int_equal(lab_shell("cd '%s/log' && cmp " SEGMENT " ../orig &&"
				   " mv ../orig " SEGMENT,
			     lab->dir),
	    0);
	expect_mended(lab, log, 21);
}

/* logrotate with "create". */
static void
test_swapped__segment_rotated(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log = filled(lab, 0, 20);

	assert_int_equal(lab_shell("cd '%s/log' && mv " SEGMENT " " SEGMENT
				   ".1",
			     lab->dir),
	    0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(lab_put(lab, log, "a", NULL, NULL, TALLY_SYNC,
				     NULL),
		    TALLY_E_SWAPPED);
	assert_true(strstr(lab->error.message, SEGMENT) != NULL);
	print_message("# %s\n", lab->error.message);
	assert_null(lab_open(lab));
	assert_int_equal(lab->error.code, TALLY_E_SWAPPED);
	assert_string_equal(lab->error.message,
	    "segment \"log/" SEGMENT "\" is gone; was it rotated or removed?");
	assert_int_equal(lab_shell("cd '%s/log' && touch " SEGMENT, lab->dir),
	    0);
	expect_swapped(lab, log, REPLACED_TEXT);
	assert_int_equal(lab_shell("cd '%s/log' && test ! -s " SEGMENT
				   " && mv " SEGMENT ".1 " SEGMENT,
			     lab->dir),
	    0);
	expect_mended(lab, log, 21);
}

/* logrotate with "copytruncate". */
static void
test_swapped__segment_cut(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log = filled(lab, 0, 20);
	struct stat st;
	char text[400], path[256];

	lab_last_segment(lab, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(lab_shell("cd '%s/log' && cp " SEGMENT " ../kept && :"
				   " > " SEGMENT,
			     lab->dir),
	    0);
	snprintf(text, sizeof(text),
	    "segment \"log/" SEGMENT "\" was cut"
	    " underneath from %lld to 0 bytes; segments must not be rotated"
	    " or truncated",
	    (long long)st.st_size);
	expect_swapped(lab, log, text);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(lab_shell("cd '%s/log' && cat ../kept > " SEGMENT,
			     lab->dir),
	    0);
	expect_mended(lab, log, 21);
}

/* Cut by one byte, and by one line. */
static void
test_swapped__segment_cut_a_little(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log = filled(lab, 0, 20);
	char path[256];

	lab_last_segment(lab, path);
	assert_int_equal(lab_shell("cp '%s' '%s/kept' && truncate -s -1 '%s'",
			     path, lab->dir, path),
	    0);
	expect_swapped(lab, log, NULL);
	assert_int_equal(lab_shell("head -n -1 '%s/kept' > '%s'", lab->dir,
			     path),
	    0);
	expect_swapped(lab, log, NULL);
	assert_int_equal(lab_shell("cat '%s/kept' > '%s'", lab->dir, path), 0);
	expect_mended(lab, log, 21);
}

/* ---- a state that is not ours ----------------------------------------- */

/* Puts a state in the place of the log's; not into its file. */
static void
put_state(struct lab *lab, const char *from)
{
	assert_int_equal(lab_shell("cp '%s' '%s/run/x' && mv '%s/run/x'"
				   " '%s/run/state'",
			     from, lab->dir, lab->dir, lab->dir),
	    0);
}

static void
keep_state(struct lab *lab, const char *name)
{
	assert_int_equal(lab_shell("cp '%s/run/state' '%s/%s'", lab->dir,
			     lab->top, name),
	    0);
}

static void
expect_rebuilt(struct lab *lab, struct tally_log *log)
{
	lab_must_put(lab, log, "a", NULL, TALLY_SYNC);
	lab_must_put(lab, log, "b", "first 1", TALLY_SYNC);
	lab_must_put(lab, log, "new", "new", TALLY_SYNC);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
	log = lab_must_open(lab);
	lab_must_put(lab, log, "new", "new", TALLY_SYNC);
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_check(lab);
	assert_true(lab_python_agrees(lab));
}

static void
test_swapped__state_of_another_log(void **state)
{
	struct lab *lab = *state, other;
	struct tally_log *log;
	char path[256];

	memcpy(&other, lab, sizeof(other));
	snprintf(other.dir, sizeof(other.dir), "%s/other", lab->top);
	lab_init(&other, 0);
	log = lab_must_open(&other);
	assert_int_equal(lab_put(&other, log, "a", NULL, NULL, TALLY_SYNC,
			     NULL),
	    0);
	assert_int_equal(tally_log_close(log, NULL), 0);
	log = filled(lab, 0, 20);
	snprintf(path, sizeof(path), "%s/run/state", other.dir);
	put_state(lab, path);
	/* While the handle is open, and for a new one. */
	lab_must_put(lab, log, "a", "open", TALLY_SYNC);
	put_state(lab, path);
	expect_rebuilt(lab, log);
	put_state(lab, path);
	expect_rebuilt(lab, lab_must_open(lab));
}

/* A byte of the state's, at an offset of struct tally_shared. */
static void
spoil_state(struct lab *lab, size_t offset)
{
	char path[256];
	uint8_t byte;
	int fd;

	keep_state(lab, "spoilt");
	snprintf(path, sizeof(path), "%s/spoilt", lab->top);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= 0x55;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
	put_state(lab, path);
}

static void
test_swapped__state_of_another_boot(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log = filled(lab, 0, 20);
	const size_t at[] = {
		offsetof(struct tally_shared, magic),
		offsetof(struct tally_shared, boot) + 3,
		offsetof(struct tally_shared, log_id) + 15,
		offsetof(struct tally_shared, log_inode),
		offsetof(struct tally_shared, bytes),
		offsetof(struct tally_shared, chain_slots),
		offsetof(struct tally_shared, arena_at),
		offsetof(struct tally_shared, last) +
		    offsetof(struct tally_last, hash),
		offsetof(struct tally_shared, last) +
		    sizeof(struct tally_last) +
		    offsetof(struct tally_last, hash),
	};

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		spoil_state(lab, at[i]);
		expect_rebuilt(lab, log);
		spoil_state(lab, at[i]);
		log = lab_must_open(lab);
		lab_must_put(lab, log, "b", "first 4", TALLY_SYNC);
	}
	assert_int_equal(tally_log_close(log, NULL), 0);
}

/* Two continuations of one log, of the same length: the state is of the other
 * one.  Only the hash of the last record tells them apart. */
static void
test_swapped__state_of_another_history(void **state)
{
	struct lab *lab = *state;
	char path[256], first[300];
	struct tally_log *log;

	assert_int_equal(tally_log_close(filled(lab, 0, 20), NULL), 0);
	lab_last_segment(lab, path);
	assert_int_equal(
	    lab_shell("cp '%s' '%s/kept' && cp '%s/log/watermark' '%s/mark'",
		path, lab->top, lab->dir, lab->top),
	    0);
	log = lab_must_open(lab);
	assert_int_equal(lab_put(lab, log, "a", NULL, "{\"history\":1}",
			     TALLY_SYNC, NULL),
	    0);
	assert_int_equal(tally_log_close(log, NULL), 0);
	keep_state(lab, "first");
	assert_int_equal(lab_shell("cat '%s/kept' > '%s' && cat '%s/mark' >"
				   " '%s/log/watermark' && rm -r '%s/run'",
			     lab->top, path, lab->top, lab->dir, lab->dir),
	    0);
	log = lab_must_open(lab);
	assert_int_equal(lab_put(lab, log, "a", NULL, "{\"history\":2}",
			     TALLY_SYNC, NULL),
	    0);
	snprintf(first, sizeof(first), "%s/first", lab->top);
	put_state(lab, first);
	expect_rebuilt(lab, log);
}

static void
test_swapped__state_cut_short(void **state)
{
	struct lab *lab = *state;

	assert_int_equal(tally_log_close(filled(lab, 0, 20), NULL), 0);
	for (int bytes = 0; bytes <= 8192; bytes += 512) {
		assert_int_equal(lab_shell("truncate -s %d '%s/run/state'",
				     bytes, lab->dir),
		    0);
		expect_rebuilt(lab, lab_must_open(lab));
	}
}

/*
 * A state from before: of the same segment, and of one before the last; and
 * one from the moment when its segment was full.
 */
static void
test_swapped__state_from_before(void **state)
{
	struct lab *lab = *state;
	struct tally_log *log = filled(lab, LAB_SEGMENT, 0);
	char path[256], last[256], event[2000];
	struct tally_receipt receipt;
	int states = 0;

	memset(event, 'x', sizeof(event));
	memcpy(event, "{\"pad\":\"", 8);
	strcpy(event + sizeof(event) - 3, "\"}");
	for (int i = 0; i < 150; i++) {
		if (i % 5 == 0) {
			snprintf(path, sizeof(path), "state%d", states++);
			keep_state(lab, path);
		}
		assert_int_equal(lab_put(lab, log, "a", NULL, event, TALLY_SYNC,
				     &receipt),
		    0);
		lab_ack(lab, "a", &receipt);
	}
	assert_int_equal(tally_log_close(log, NULL), 0);
	lab_last_segment(lab, last);
	assert_null(strstr(last, SEGMENT));
	for (int i = 0; i < states; i++) {
		char what[40];

		snprintf(what, sizeof(what), "state before record %d", 5 * i);
		lab->what = what;
		snprintf(path, sizeof(path), "%s/state%d", lab->top, i);
		put_state(lab, path);
		log = lab_must_open(lab);
		lab_must_put(lab, log, "b", NULL, TALLY_SYNC);
		lab_must_put(lab, log, "a", NULL, TALLY_SYNC);
		assert_int_equal(tally_log_close(log, NULL), 0);
		lab_check(lab);
		lab->what = NULL;
	}
	assert_true(lab_python_agrees(lab));
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_swapped__directory_moved_away),
		CASE(test_swapped__segment_replaced_by_its_copy),
		CASE(test_swapped__segment_rotated),
		CASE(test_swapped__segment_cut),
		CASE(test_swapped__segment_cut_a_little),
		CASE(test_swapped__state_of_another_log),
		CASE(test_swapped__state_of_another_boot),
		CASE(test_swapped__state_of_another_history),
		CASE(test_swapped__state_cut_short),
		CASE(test_swapped__state_from_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
