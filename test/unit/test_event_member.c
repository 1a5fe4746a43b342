/* SPDX-License-Identifier: Apache-2.0 */
/* One string member of an event, for readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <tally/record.h>

#include "guard.h"

static struct guard guard;

static int
open_guard(void **state)
{
	(void)state;
	guard_open(&guard, 4096);
	return 0;
}

static int
close_guard(void **state)
{
	(void)state;
	guard_close(&guard);
	return 0;
}

static void
assert_member(const char *event, const char *member, const char *want)
{
	const char *in = guard_put(&guard, event, strlen(event));
	char out[256];
	size_t len = 4711;
	int r;

	r = tally_event_member(in, strlen(event), member, out, sizeof(out),
	    &len);
	if (want == NULL) {
		assert_int_equal(r, TALLY_END);
		assert_int_equal(len, 4711);
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(out, want);
	assert_int_equal(len, strlen(want));
}

static void
test_event_member__finds_strings_of_the_top_level(void **state)
{
	(void)state;
	assert_member("{\"a\":\"x\"}", "a", "x");
	assert_member("{\"b\":1,\"a\":\"x\"}", "a", "x");
	assert_member("{\"b\":\"a\",\"a\":\"x\"}", "a", "x");
	assert_member("{\"b\":[{\"a\":\"no\"}],\"a\":\"x\"}", "a", "x");
	assert_member("{\"b\":{\"a\":\"no\"},\"a\":\"x\"}", "a", "x");
	assert_member("{\"b\":\"}]\\\"\",\"a\":\"x\"}", "a", "x");
	assert_member("{\"b\":true,\"c\":null,\"a\":\"\"}", "a", "");
	assert_member(" { \"b\" : -1.5e3 ,\n\t\"a\" : \"x y\" } ", "a", "x y");
	assert_member("{\"\":\"empty\"}", "", "empty");
	assert_member("{\"actor\":\"zo\xc3\xab, a name beyond one vector\"}",
	    "actor", "zo\xc3\xab, a name beyond one vector");
}

static void
test_event_member__decodes_escapes(void **state)
{
	char out[8];
	size_t len;

	(void)state;
	assert_member("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "a",
	    "\"\\/\b\f\n\r\t");
	assert_member("{\"a\":\"caf\\u00e9 \\u20AC \\ud83d\\ude00\"}", "a",
	    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
	assert_member("{\"\\u0061\\n\":\"x\"}", "a\n", "x");
	assert_member("{\"\\u00e9\\ud83d\\ude00\":\"x\"}",
	    "\xc3\xa9\xf0\x9f\x98\x80", "x");
	assert_member("{\"\\u0061b\":\"x\"}", "a", NULL);
	assert_member("{\"\\u0061\":\"x\"}", "ab", NULL);
	assert_member("{\"\\u0062\":\"x\"}", "a", NULL);
	/* A NUL inside is counted. */
	assert_int_equal(tally_event_member("{\"a\":\"x\\u0000y\"}", 16, "a",
			     out, sizeof(out), &len),
	    0);
	assert_int_equal(len, 3);
	assert_memory_equal(out, "x\0y", 4);
}

static void
test_event_member__knows_what_is_not_there(void **state)
{
	static const char *const events[] = { "{}", "[]", "\"a\"", "1", "null",
		"{\"b\":\"x\"}", "{\"a\":1}", "{\"a\":null}", "{\"a\":true}",
		"{\"a\":{\"a\":\"x\"}}", "{\"a\":[\"x\"]}", "{\"A\":\"x\"}",
		"{\"ab\":\"x\"}", "{\"\":\"x\"}", "[{\"a\":\"x\"}]",
		"{\"b\":{\"a\":\"x\"}}", "{\"b\":\"a\",\"c\":\"a\"}" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		assert_member(events[i], "a", NULL);
}

/* What is no valid JSON gives no answer and is not read beyond its end. */
static void
test_event_member__survives_what_is_no_json(void **state)
{
	static const char *const events[] = { "", " ", "{", "{\"", "{\"a", "{a",
		"{\"a\"", "{\"a\" ", "{\"a\":", "{\"a\": ", "{\"a\":\"",
		"{\"a\":\"x", "{\"a\":\"\\", "{\"a\":\"\\u", "{\"a\":\"\\\"",
		"{\"a\":\"\\x\"", "{\"a\":\"\\ud800\"", "{\"a\";\"x\"",
		"{\"\\\":\"x\"", "{\"\\u00\":1,\"b\":2}", "{\"b\":", "{\"b\":1",
		"{\"b\":[", "{\"b\":]", "{\"b\":\"", "{,", "{}}", "{\"b\":1,",
		"{\"b\":1,}", "{\"b\":1]", "{\"b\":[}" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		assert_member(events[i], "a", NULL);
}

static void
test_event_member__every_prefix(void **state)
{
	static const char event[] = "{\"b\":[1,{\"c\":\"\\\"\"}],\"\\u0061\":"
				    "\"x\\ud83d\\ude00\\n\",\"d\":{}}";
	const size_t enough = (size_t)(strstr(event, ",\"d\"") - event);
	char out[64];
	size_t i, len;
	int r;

	(void)state;
	for (i = 0; i < sizeof(event); i++) {
		r = tally_event_member(guard_put(&guard, event, i), i, "a", out,
		    sizeof(out), &len);
		assert_int_equal(r, i < enough ? TALLY_END : 0);
	}
}

static void
test_event_member__limits(void **state)
{
	static const char event[] = "{\"a\":\"12\\u20ac4\"}";
	char *out;
	size_t size, len;
	int r;

	(void)state;
	for (size = 0; size < 12; size++) {
		out = guard_high(&guard, size);
		len = 4711;
		r = tally_event_member(event, sizeof(event) - 1, "a", out, size,
		    &len);
		assert_int_equal(r, size < 7 ? TALLY_E_LIMIT : 0);
		if (r == 0)
			assert_string_equal(out,
			    "12\xe2\x82\xac"
			    "4");
		else
			assert_int_equal(len, 4711);
	}
}

#define TEST(name) cmocka_unit_test(test_event_member__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds_strings_of_the_top_level),
		TEST(decodes_escapes),
		TEST(knows_what_is_not_there),
		TEST(survives_what_is_no_json),
		TEST(every_prefix),
		TEST(limits),
	};

	return cmocka_run_group_tests(tests, open_guard, close_guard);
}
