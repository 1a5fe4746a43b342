/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the tests of the event scanner judge a text.  It goes through scan and
 * check, flush against a page that cannot be touched, and both must agree.
 * Include behind cmocka.h.
 */
#ifndef TALLY_TEST_EVENT_JUDGE_H
#define TALLY_TEST_EVENT_JUDGE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"
#include "guard.h"

#define LIMIT ((size_t)4096)

static struct guard in_guard, out_guard, text_guard;
static struct tally_event_name names[LIMIT / 4 + 1];
static struct tally_event_room room = { names, LIMIT / 4 + 1 };

static inline int
open_guards(void **state)
{
	(void)state;
	guard_open(&in_guard, 4 * LIMIT + 16);
	guard_open(&out_guard, LIMIT);
	guard_open(&text_guard, LIMIT);
	return 0;
}

static inline int
close_guards(void **state)
{
	(void)state;
	guard_close(&in_guard);
	guard_close(&out_guard);
	guard_close(&text_guard);
	return 0;
}

/*
 * Scans text; compact text is in out_guard then.  Asserts that check accepts
 * the text if and only if scan gave it back unchanged, and that what scan
 * gives is compact.
 */
static inline int
judge(const char *text, size_t len, size_t limit, size_t *out_len,
    struct tally_error *error)
{
	const char *in = guard_put(&in_guard, text, len);
	char *out = guard_high(&out_guard, limit);
	size_t n = 0;
	bool same;
	int r;

	r = tally_event_scan(in, len, limit, &room, out, &n, error);
	same = r == 0 && n == len && memcmp(in, out, len) == 0;
	assert_int_equal(tally_event_check(in, len, limit, &room) == 0, same);
	if (r == 0) {
		assert_true(n <= limit && n <= len);
		assert_int_equal(tally_event_check(guard_put(&text_guard, out,
						       n),
				     n, limit, &room),
		    0);
	}
	*out_len = n;
	return r;
}

static inline void
assert_keeps(const char *text, size_t len, const char *want)
{
	struct tally_error error = { .code = 0 };
	size_t n;

	if (judge(text, len, LIMIT, &n, &error) != 0)
		fail_msg("refused: %s: %s", text, error.message);
	assert_int_equal(n, strlen(want));
	assert_memory_equal(guard_high(&out_guard, LIMIT), want, n);
}

static inline void
assert_refused(const char *text, size_t len, int code, const char *message)
{
	const char *at = strstr(message, " at byte ");
	struct tally_error error = { .code = 0 };
	size_t n;

	assert_int_equal(judge(text, len, LIMIT, &n, &error), code);
	assert_int_equal(n, 0);
	assert_int_equal(error.code, code);
	assert_int_equal(error.os_errno, 0);
	assert_int_equal(error.item, 0);
	assert_string_equal(error.message, message);
	if (at != NULL)
		assert_int_equal(error.offset, atoi(at + 9));
}

static inline bool
accepted(const char *text, size_t len)
{
	size_t n;

	return judge(text, len, LIMIT, &n, NULL) == 0;
}

#define TEST(name) cmocka_unit_test(test_event__##name)

#endif
