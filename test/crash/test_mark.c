/* SPDX-License-Identifier: Apache-2.0 */
/*
 * R6: what stands behind the watermark may be torn and is set aside; what
 * stands below it is damaged, and such a log takes no append.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab.h"

#define SEGMENT "00000000000000000000.jsonl"

static void
fill(struct lab *lab, int records)
{
	struct tally_log *log;

	lab_init(lab, 0);
	log = lab_must_open(lab);
	for (int i = 0; i < records; i++)
		lab_must_put(lab, log, i % 2 ? "a" : "b", NULL, TALLY_BUFFERED);
	assert_int_equal(tally_log_close(log, NULL), 0);
}

/* Opens, appends, and the garbage is aside, told in tally:log. */
static void
expect_set_aside(struct lab *lab, struct tally_log *log, long torn)
{
	struct tally_stat stat;

	lab_must_put(lab, log, "a", NULL, TALLY_SYNC);
	assert_int_equal(tally_log_stat(log, &stat, NULL), 0);
	assert_int_equal(stat.set_aside, torn);
	assert_int_equal(tally_log_close(log, NULL), 0);
	assert_int_equal(lab_torn(lab), torn);
	assert_int_equal(lab_shell("cat '%s/log/torn-'*-0 | cmp - '%s/all'",
			     lab->dir, lab->top),
	    0);
	lab_check(lab);
	assert_true(lab_python_agrees(lab));
}

static void
append_garbage(struct lab *lab, const char *printf_text)
{
	assert_int_equal(lab_shell("printf '%s' >> '%s/log/" SEGMENT "'",
			     printf_text, lab->dir),
	    0);
	assert_int_equal(lab_shell("printf '%s' >> '%s/all'", printf_text,
			     lab->top),
	    0);
}

/* Garbage of several kinds, met by a live handle and by a new one. */
static void
garbage(struct lab *lab, bool recovers)
{
	static const char *const kinds[] = {
		"x",
		"\\n",
		"{\"chain\":\"a\"",
		"{\"chain\":\"a\"}\\n",
		"\\0\\0\\0\\0\\0\\0\\0\\0",
		"one\\ntwo\\nthree",
	};
	struct tally_log *log;
	long torn = 0;

	fill(lab, 20);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		log = lab_must_open(lab);
		if (recovers)
			assert_int_equal(lab_shell("rm -r '%s/run'", lab->dir),
			    0);
		append_garbage(lab, kinds[i]);
		expect_set_aside(lab, log, ++torn);
		if (recovers)
			assert_int_equal(lab_shell("rm -r '%s/run'", lab->dir),
			    0);
		append_garbage(lab, kinds[i]);
		expect_set_aside(lab, lab_must_open(lab), ++torn);
	}
}

static void
test_mark__garbage_is_set_aside(void **state)
{
	garbage(*state, false);
}

static void
test_mark__garbage_is_set_aside_without_the_state(void **state)
{
	garbage(*state, true);
}

/*
 * A line that was in the log, once more: valid by itself, but not linked; and
 * whole lines behind garbage go with it.
 */
static void
test_mark__valid_lines_that_do_not_link(void **state)
{
	struct lab *lab = *state;

	fill(lab, 20);
	for (int recovers = 0; recovers < 2; recovers++) {
		if (recovers)
			assert_int_equal(lab_shell("rm -r '%s/run'", lab->dir),
			    0);
		assert_int_equal(lab_shell("cd '%s/log' && (sed -n 5p " SEGMENT
					   "; echo; tail -n 2 " SEGMENT
					   ") > ../more && cat"
					   " ../more >> " SEGMENT
					   " && cat ../more >> '%s/all'",
				     lab->dir, lab->top),
		    0);
		expect_set_aside(lab, lab_must_open(lab), recovers + 1);
	}
}

static void
flip(struct lab *lab, off_t at, uint8_t bit)
{
	char path[256];
	uint8_t byte;
	int fd;

	snprintf(path, sizeof(path), "%s/log/" SEGMENT, lab->dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= bit;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void
expect_damaged(struct lab *lab, long records, off_t bytes)
{
	struct tally_log *log = lab_open(lab);
	char path[256], text[300];
	unsigned long long at, record;
	struct stat st;

	if (log != NULL)
		fail_msg("the log opens");
	assert_int_equal(lab->error.code, TALLY_E_DAMAGED);
	if (sscanf(lab->error.message,
		"\"log/" SEGMENT "\" is damaged at byte"
		" %llu, record %llu,",
		&at, &record) != 2)
		fail_msg("%s", lab->error.message);
	snprintf(text, sizeof(text),
	    "\"log/" SEGMENT "\" is damaged at byte"
	    " %llu, record %llu, which was durable; nothing is appended to"
	    " such a log, \"tally verify\" says more",
	    at, record);
	assert_string_equal(lab->error.message, text);
	assert_true(record < (unsigned long long)records);
	snprintf(path, sizeof(path), "%s/log/" SEGMENT, lab->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, bytes);
}

static void
test_mark__damage_below_it_takes_no_append(void **state)
{
	struct lab *lab = *state;
	struct stat st;
	char path[256];

	fill(lab, 8);
	snprintf(path, sizeof(path), "%s/log/" SEGMENT, lab->dir);
	assert_int_equal(stat(path, &st), 0);
	for (off_t at = 0; at < st.st_size; at += LAB_SLOW ? 97 : 13) {
		assert_int_equal(lab_shell("rm -rf '%s/run' '%s/index'",
				     lab->dir, lab->dir),
		    0);
		flip(lab, at, 0x01);
		expect_damaged(lab, 9, st.st_size);
		flip(lab, at, 0x01);
	}
	/* As it was, it opens. */
	lab_check(lab);
}

/* The end of what was durable is gone. */
static void
test_mark__cut_below_it(void **state)
{
	struct lab *lab = *state;
	char path[256];

	fill(lab, 8);
	lab_last_segment(lab, path);
	assert_int_equal(lab_shell("cp '%s' '%s/kept' && rm -r '%s/run'", path,
			     lab->top, lab->dir),
	    0);
	for (int cut = 1; cut < 700; cut += 99) {
		struct stat st;

		assert_int_equal(lab_shell("truncate -s -%d '%s'", cut, path),
		    0);
		assert_int_equal(stat(path, &st), 0);
		expect_damaged(lab, 9, st.st_size);
		assert_int_equal(lab_shell("cat '%s/kept' > '%s'", lab->top,
				     path),
		    0);
	}
	lab_check(lab);
}

/* Either slot may be torn, and the file may be missing: no line is torn. */
static void
test_mark__one_slot_of_it_is_enough(void **state)
{
	struct lab *lab = *state;

	fill(lab, 8);
	for (int slot = 0; slot < 2; slot++) {
		assert_int_equal(
		    lab_shell(
			"cp '%s/log/watermark' '%s/w' && rm"
			" -r '%s/run' && dd if=/dev/zero of='%s/log/watermark'"
			" bs=512 count=1 seek=%d conv=notrunc status=none",
			lab->dir, lab->top, lab->dir, lab->dir, slot),
		    0);
		lab_check(lab);
	}
	assert_int_equal(lab_shell("rm -r '%s/run' '%s/log/watermark'",
			     lab->dir, lab->dir),
	    0);
	lab_check(lab);
}

#define CASE(name) \
	cmocka_unit_test_setup_teardown(name, lab_setup, lab_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_mark__garbage_is_set_aside),
		CASE(test_mark__garbage_is_set_aside_without_the_state),
		CASE(test_mark__valid_lines_that_do_not_link),
		CASE(test_mark__damage_below_it_takes_no_append),
		CASE(test_mark__cut_below_it),
		CASE(test_mark__one_slot_of_it_is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
