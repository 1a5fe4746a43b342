/* SPDX-License-Identifier: Apache-2.0 */
/* The file register: compare-and-swap, also by processes at once; its end; and
 * entries that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/sys.h"
#include "publish/register.h"
#include "publish/register_file.h"

#include "place.h"

#define ORIGIN "example.org/unit"
#define PROCESSES 4
#define SWAPS 200

static struct tally_hasher hasher;

static void
open_register(struct place *place, struct tally_file_register *out)
{
	static char path[192];

	(void)snprintf(path, sizeof(path), "%s/register", place->top);
	if (tally_file_register_open(out, TALLY_SYS_CWD, path, &hasher,
		&place->error) != 0)
		fail_msg("register: %s", place->error.message);
}

static struct tally_checkpoint
entry_of(uint64_t size, int root)
{
	struct tally_checkpoint entry = {
		.origin = ORIGIN, .origin_len = sizeof(ORIGIN) - 1, .size = size
	};

	memset(entry.root.b, root, sizeof(entry.root.b));
	return entry;
}

static int
swap(struct place *place, struct tally_file_register *file,
    const struct tally_checkpoint *last, const struct tally_checkpoint *next)
{
	return tally_register_swap(&file->base, last, next, &place->error);
}

static void
test_register__swaps_what_was_read(void **state)
{
	struct place *place = *state;
	struct tally_checkpoint one = entry_of(0, 1), two = entry_of(5, 2);
	struct tally_checkpoint three = entry_of(9, 3), got;
	struct tally_file_register file;

	open_register(place, &file);
	assert_int_equal(tally_register_read(&file.base, ORIGIN, &got,
			     &place->error),
	    TALLY_END);
	assert_int_equal(swap(place, &file, &one, &two), TALLY_END);
	assert_int_equal(swap(place, &file, NULL, &one), 0);
	assert_int_equal(swap(place, &file, NULL, &two), TALLY_END);
	assert_int_equal(swap(place, &file, &two, &three), TALLY_END);
	assert_int_equal(swap(place, &file, &one, &two), 0);
	/* The size alone is not it. */
	two.root.b[31] ^= 1;
	assert_int_equal(swap(place, &file, &two, &three), TALLY_END);
	two.root.b[31] ^= 1;
	tally_file_register_close(&file);
	open_register(place, &file);
	assert_int_equal(tally_register_read(&file.base, ORIGIN, &got,
			     &place->error),
	    0);
	assert_int_equal(got.size, 5);
	assert_true(tally_hash_equal(&got.root, &two.root));
	tally_file_register_close(&file);
}

static void
test_register__ends(void **state)
{
	struct place *place = *state;
	struct tally_checkpoint one = entry_of(5, 1), two = entry_of(6, 2), got;
	struct tally_file_register file;
	const char *message = "nothing is signed under the origin \"" ORIGIN
			      "\" any more: the log was put back, and goes on"
			      " as \"example.org/next\"";

	open_register(place, &file);
	assert_int_equal(tally_register_end(&file.base, &one,
			     "example.org/next", &place->error),
	    TALLY_END);
	assert_int_equal(swap(place, &file, NULL, &one), 0);
	assert_int_equal(tally_register_end(&file.base, &two,
			     "example.org/next", &place->error),
	    TALLY_END);
	for (int i = 0; i < 2; i++)
		assert_int_equal(tally_register_end(&file.base, &one,
				     "example.org/next", &place->error),
		    0);
	assert_int_equal(tally_register_end(&file.base, &one,
			     "example.org/third", &place->error),
	    TALLY_E_USAGE);
	assert_string_equal(place->error.message,
	    "the log goes on as \"example.org/next\" already");
	assert_int_equal(swap(place, &file, &one, &two), TALLY_E_USAGE);
	assert_string_equal(place->error.message, message);
	assert_int_equal(tally_register_read(&file.base, ORIGIN, &got,
			     &place->error),
	    TALLY_E_USAGE);
	assert_int_equal(tally_register_find(&file.base, ORIGIN, &got,
			     "example.org/third", &place->error),
	    TALLY_E_USAGE);
	assert_int_equal(tally_register_find(&file.base, ORIGIN, &got,
			     "example.org/next", &place->error),
	    0);
	assert_int_equal(got.size, 5);
	tally_file_register_close(&file);
}

/* An entry that is none stops everything; every prefix of one is such. */
static void
test_register__entries_that_are_none(void **state)
{
	struct place *place = *state;
	struct tally_checkpoint one = entry_of(5, 1), two = entry_of(6, 2), got;
	char text[TALLY_CHECKPOINT_TEXT_MAX + 32], path[256];
	char hex[TALLY_HASH_TEXT_SIZE];
	struct tally_file_register file;
	struct tally_hash name = tally_hash_bytes(&hasher, ORIGIN,
	    sizeof(ORIGIN) - 1);
	size_t len = tally_checkpoint_format(&one, text);

	open_register(place, &file);
	assert_int_equal(swap(place, &file, NULL, &one), 0);
	tally_hash_format(&name, hex);
	(void)snprintf(path, sizeof(path), "%s/register/%s", place->top, hex);
	len += (size_t)sprintf(text + len, "closed x\n");
	for (size_t n = 0; n <= len + 1; n++) {
		FILE *out = fopen(path, "w");
		bool is_entry = n == len - 9 || n == len;

		assert_non_null(out);
		(void)fwrite(text, 1, n <= len ? n : len, out);
		if (n > len)
			(void)fputs("more\n", out);
		assert_int_equal(fclose(out), 0);
		if (n == len - 9)
			continue;
		assert_int_equal(tally_register_read(&file.base, ORIGIN, &got,
				     &place->error),
		    is_entry ? TALLY_E_USAGE : TALLY_E_FORMAT);
		assert_true(swap(place, &file, &one, &two) < 0);
		assert_true(swap(place, &file, NULL, &two) < 0);
	}
	tally_file_register_close(&file);
}

/* Counts up by compare-and-swap; returns how often it was first. */
static int
count_up(struct place *place, int me)
{
	struct tally_file_register file;
	struct tally_hasher own;
	int done = 0;

	if (tally_hasher_open(&own) != 0)
		return 255;
	open_register(place, &file);
	file.hasher = &own;
	while (done < SWAPS / PROCESSES) {
		struct tally_checkpoint last, next;
		int result;

		if (tally_register_read(&file.base, ORIGIN, &last,
			&place->error) != 0)
			return 255;
		next = entry_of(last.size + 1, me);
		result = swap(place, &file, &last, &next);
		if (result < 0)
			return 255;
		done += result == 0;
	}
	tally_file_register_close(&file);
	tally_hasher_close(&own);
	return done;
}

static void
test_register__processes(void **state)
{
	struct place *place = *state;
	struct tally_checkpoint zero = entry_of(0, 0), got;
	struct tally_file_register file;
	pid_t pid[PROCESSES];
	int status;

	open_register(place, &file);
	assert_int_equal(swap(place, &file, NULL, &zero), 0);
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(count_up(place, i + 1));
		assert_true(pid[i] > 0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), SWAPS / PROCESSES);
	}
	/* No swap was lost: each that was acknowledged counts. */
	assert_int_equal(tally_register_read(&file.base, ORIGIN, &got,
			     &place->error),
	    0);
	assert_int_equal(got.size, SWAPS);
	tally_file_register_close(&file);
}

static int
begin(void **state)
{
	if (tally_hasher_open(&hasher) != 0)
		return -1;
	return setup(state);
}

static int
end(void **state)
{
	tally_hasher_close(&hasher);
	return teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_register__swaps_what_was_read),
		TEST(test_register__ends),
		TEST(test_register__entries_that_are_none),
		TEST(test_register__processes),
	};

	return cmocka_run_group_tests_name("register", tests, NULL, NULL);
}
