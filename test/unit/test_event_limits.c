/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the event scanner: depth, length, room for names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "event_judge.h"

/* ---- limits ----------------------------------------------------------- */

static size_t
nest(char *text, size_t depth, const char *open, const char *middle,
    const char *close)
{
	char *p = text;
	size_t i;

	for (i = 0; i < depth; i++)
		p = stpcpy(p, open);
	p = stpcpy(p, middle);
	for (i = 0; i < depth; i++)
		p = stpcpy(p, close);
	return (size_t)(p - text);
}

static void
test_event__depth(void **state)
{
	char text[1024];
	size_t len, n;

	(void)state;
	len = nest(text, 64, "[", "", "]");
	assert_true(accepted(text, len));
	len = nest(text, 64, "[", "1,\"x\"", "]");
	assert_true(accepted(text, len));
	len = nest(text, 65, "[", "", "]");
	assert_refused(text, len, TALLY_E_LIMIT,
	    "event: nested deeper than 64 at byte 64");
	len = nest(text, 64, "{\"a\":", "1", "}");
	assert_true(accepted(text, len));
	len = nest(text, 64, "{\"a\":", "{}", "}");
	assert_refused(text, len, TALLY_E_LIMIT,
	    "event: nested deeper than 64 at byte 320");
	len = nest(text, 32, "[{\"\":", "[]", "}]");
	assert_refused(text, len, TALLY_E_LIMIT,
	    "event: nested deeper than 64 at byte 160");
	/* Closed levels do not count. */
	len = nest(text, 300, "", "[", "[],");
	text[len - 1] = ']';
	assert_true(accepted(text, len));
	/* A thousand brackets need no more stack than sixty-four. */
	memset(text, '[', sizeof(text));
	assert_int_equal(judge(text, sizeof(text), LIMIT, &n, NULL),
	    TALLY_E_LIMIT);
}

static void
test_event__length(void **state)
{
	char *text = malloc(4 * LIMIT + 16);
	struct tally_error error;
	size_t n;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 4 * LIMIT + 16);
	text[0] = '"';
	text[LIMIT - 1] = '"';
	assert_int_equal(judge(text, LIMIT, LIMIT, &n, NULL), 0);
	text[LIMIT - 1] = 'x';
	text[LIMIT] = '"';
	assert_refused(text, LIMIT + 1, TALLY_E_LIMIT,
	    "event: longer than 4096 bytes");
	assert_int_equal(tally_event_check(text, LIMIT + 1, LIMIT, &room),
	    TALLY_E_LIMIT);
	/* White space does not count, up to four times the limit. */
	memset(text, ' ', 4 * LIMIT + 16);
	text[0] = '[';
	text[4 * LIMIT - 1] = ']';
	assert_keeps(text, 4 * LIMIT, "[]");
	assert_refused(text, 4 * LIMIT + 1, TALLY_E_LIMIT,
	    "event: input longer than 16384 bytes");
	/* Nothing is written past the limit, wherever it is hit. */
	memset(text, 'x', 4 * LIMIT);
	memcpy(text, "[ \"", 3);
	memcpy(text + LIMIT + 1, "\" , 1]", 6);
	assert_int_equal(judge(text, LIMIT + 7, LIMIT, &n, &error),
	    TALLY_E_LIMIT);
	assert_string_equal(error.message, "event: longer than 4096 bytes");
	free(text);
}

static void
test_event__every_limit(void **state)
{
	static const char text[] =
	    "{ \"actor\" : \"alice\" , \"list\" : [ 1 , 22 , 333 ] }";
	static const char want[] = "{\"actor\":\"alice\",\"list\":[1,22,333]}";
	const size_t whole = sizeof(want) - 1;
	size_t limit, n;

	(void)state;
	for (limit = sizeof(text) / 4 + 1; limit <= LIMIT; limit++) {
		assert_int_equal(judge(text, sizeof(text) - 1, limit, &n, NULL),
		    limit < whole ? TALLY_E_LIMIT : 0);
		if (limit >= whole)
			assert_memory_equal(guard_high(&out_guard, limit), want,
			    whole);
	}
}

/* A limit over what the format has is the format's. */
static void
test_event__limit_of_the_format(void **state)
{
	struct tally_error error;
	size_t n;
	char out[8];

	(void)state;
	assert_int_equal(tally_event_room_max(SIZE_MAX),
	    tally_event_room_max(TALLY_EVENT_MAX));
	assert_int_equal(tally_event_scan("{}", 2, SIZE_MAX, &room, out, &n,
			     &error),
	    0);
	assert_int_equal(tally_event_check("{}", 2, SIZE_MAX, &room), 0);
	assert_int_equal(tally_event_check("{}", SIZE_MAX, SIZE_MAX, &room),
	    TALLY_E_LIMIT);
	assert_int_equal(tally_event_scan("{}", SIZE_MAX, SIZE_MAX, &room, out,
			     &n, &error),
	    TALLY_E_LIMIT);
	assert_string_equal(error.message,
	    "event: input longer than 67108864 bytes");
}

/* ---- room ------------------------------------------------------------- */

/* With one name too few it is partial, and with enough it is not. */
static void
test_event__room(void **state)
{
	static const char text[] =
	    "{\"a\":{\"b\":1,\"c\":{\"d\":1}},\"e\":[{\"f\":1,\"g\":2}]}";
	struct tally_event_name few[4];
	struct tally_event_room small = { NULL, 0 };
	char out[100];
	size_t n = 4711;

	(void)state;
	assert_int_equal(tally_event_scan(text, sizeof(text) - 1, LIMIT, &small,
			     out, &n, NULL),
	    TALLY_PARTIAL);
	assert_int_equal(tally_event_check(text, sizeof(text) - 1, LIMIT,
			     &small),
	    TALLY_PARTIAL);
	assert_int_equal(tally_event_check("[1,{}]", 6, LIMIT, &small), 0);
	small.names = few;
	for (small.capacity = 1; small.capacity < 4; small.capacity++)
		assert_int_equal(tally_event_scan(text, sizeof(text) - 1, LIMIT,
				     &small, out, &n, NULL),
		    TALLY_PARTIAL);
	assert_int_equal(n, 4711);
	/* a, b, c, d; then b, c and d are closed. */
	assert_int_equal(tally_event_scan(text, sizeof(text) - 1, LIMIT, &small,
			     out, &n, NULL),
	    0);
	assert_int_equal(n, sizeof(text) - 1);
}

/* The densest names, cut anywhere, never want more than room_max. */
static void
test_event__room_max_is_enough(void **state)
{
	char text[1024];
	struct tally_event_room exact = { names, 0 };
	size_t len, limit, n, i;
	char out[1024];

	(void)state;
	len = nest(text, 60, "{\"\":", "{\"\":1,\"a\":1,\"b\":1}", "}");
	for (limit = 1; limit <= len; limit++) {
		exact.capacity = tally_event_room_max(limit);
		assert_true(tally_event_scan(text, limit, limit, &exact, out,
				&n, NULL) != TALLY_PARTIAL);
		/* Longer than the limit is no want of room either. */
		assert_true(tally_event_scan(text,
				len < 4 * limit ? len : 4 * limit, limit,
				&exact, out, &n, NULL) != TALLY_PARTIAL);
	}
	for (i = 0; i < 250; i++)
		memcpy(text + 4 * i, "{\"\":", 4);
	for (limit = 1; limit < 200; limit++) {
		exact.capacity = tally_event_room_max(limit);
		assert_true(tally_event_scan(text, 4 * limit, limit, &exact,
				out, &n, NULL) < 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(depth),
		TEST(length),
		TEST(every_limit),
		TEST(limit_of_the_format),
		TEST(room),
		TEST(room_max_is_enough),
	};

	return cmocka_run_group_tests(tests, open_guards, close_guards);
}
