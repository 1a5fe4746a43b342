/* SPDX-License-Identifier: Apache-2.0 */
/* Results in words, and what fills a struct tally_error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/fail.h"

static void
test_fail__fills_every_member(void **state)
{
	struct tally_error error;

	(void)state;
	memset(&error, 0xa5, sizeof(error));
	assert_int_equal(tally_fail(&error, TALLY_E_USAGE, "%s: %d", "x", 7),
	    TALLY_E_USAGE);
	assert_int_equal(error.code, TALLY_E_USAGE);
	assert_int_equal(error.os_errno, 0);
	assert_int_equal(error.item, 0);
	assert_int_equal(error.offset, 0);
	assert_string_equal(error.message, "x: 7");
	assert_int_equal(tally_fail(NULL, TALLY_E_IO, "%s", "x"), TALLY_E_IO);
}

static void
test_fail__cuts_what_does_not_fit(void **state)
{
	struct tally_error error;
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	tally_fail(&error, TALLY_E_IO, "%s", text);
	assert_int_equal(strlen(error.message), sizeof(error.message) - 1);
	assert_memory_equal(error.message, text, sizeof(error.message) - 1);
}

/* Every code has a sentence of its own, in the form of messages. */
static void
test_fail__every_code_has_its_words(void **state)
{
	const char *text, *other;
	int code, next;

	(void)state;
	for (code = TALLY_E_BUG; code <= TALLY_PARTIAL; code++) {
		text = tally_strerror(code);
		assert_string_not_equal(text, "an unknown result");
		assert_true(text[0] >= 'a' && text[0] <= 'z');
		assert_true(text[strlen(text) - 1] != '.');
		for (next = code + 1; next <= TALLY_PARTIAL; next++) {
			other = tally_strerror(next);
			assert_string_not_equal(text, other);
		}
	}
	assert_string_equal(tally_strerror(TALLY_PARTIAL + 1),
	    "an unknown result");
	assert_string_equal(tally_strerror(TALLY_E_BUG - 1),
	    "an unknown result");
	assert_string_equal(tally_strerror(TALLY_OK), "done");
}

static void
test_fail__version_is_three_numbers(void **state)
{
	const char *p = tally_version();
	int part;

	(void)state;
	for (part = 0; part < 3; part++) {
		assert_true(strspn(p, "0123456789") > 0);
		p += strspn(p, "0123456789");
		assert_int_equal(*p, part < 2 ? '.' : '\0');
		p++;
	}
}

#define TEST(name) cmocka_unit_test(test_fail__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fills_every_member),
		TEST(cuts_what_does_not_fit),
		TEST(every_code_has_its_words),
		TEST(version_is_three_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
