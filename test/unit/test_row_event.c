/* SPDX-License-Identifier: Apache-2.0 */
/* A row's event, with some of its columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/row_event.h"
#include "guard.h"

static const char *const names[] = { "\"a\"", "\"b\\\"\"", "\"d\"" };

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

static size_t
reduce(const char *event, size_t len, char *out)
{
	return tally_row_event_reduce(guard_put(&guard, event, len), len, names,
	    3, out);
}

static void
assert_reduced(const char *event, const char *want)
{
	char out[256] = { 0 };
	size_t len = reduce(event, strlen(event), out);

	assert_int_equal(len, want == NULL ? 0 : strlen(want));
	if (want != NULL)
		assert_memory_equal(out, want, len);
}

static void
test_row_event__keeps_the_columns_that_are_named(void **state)
{
	(void)state;
	assert_reduced("{\"row\":{\"a\":\"1\",\"c\":\"x\"},\"table\":\"t\"}",
	    "{\"row\":{\"a\":\"1\"},\"table\":\"t\"}");
	assert_reduced("{\"row\":{\"A\":\"1\",\"a\":null},\"table\":\"t\"}",
	    "{\"row\":{\"a\":null},\"table\":\"t\"}");
	assert_reduced("{\"op\":\"update\",\"row\":{\"a\":\"\\\"}\",\"b\\\"\":"
		       "\"\\\\\",\"c\":null,\"d\":\"\"},\"table\":\"t\"}",
	    "{\"op\":\"update\",\"row\":{\"a\":\"\\\"}\",\"b\\\"\":\"\\\\\","
	    "\"d\":\"\"},\"table\":\"t\"}");
	assert_reduced("{\"op\":\"backfill\",\"row\":{\"c\":\"1\"},\"table\":"
		       "\"t\"}",
	    "{\"op\":\"backfill\",\"row\":{},\"table\":\"t\"}");
	assert_reduced("{\"row\":{},\"table\":\"t\"}",
	    "{\"row\":{},\"table\":\"t\"}");
}

static void
test_row_event__of_another_kind_is_none(void **state)
{
	(void)state;
	assert_reduced("", NULL);
	assert_reduced("{}", NULL);
	assert_reduced("{\"op\":\"delete\",\"row\":{\"a\":\"1\"},\"table\":"
		       "\"t\"}",
	    NULL);
	assert_reduced("{\"row\":{\"a\":1},\"table\":\"t\"}", NULL);
	assert_reduced("{\"row\":{\"a\" :\"1\"},\"table\":\"t\"}", NULL);
	assert_reduced("{\"row\":{\"a\":\"1\" },\"table\":\"t\"}", NULL);
	assert_reduced("{\"row\":{\"a\":{}},\"table\":\"t\"}", NULL);
	assert_reduced("{\"row\":{\"a\":\"1\"", NULL);
}

static void
test_row_event__no_prefix_is_read_beyond(void **state)
{
	static const char event[] =
	    "{\"op\":\"update\",\"row\":{\"a\":\"\\\"\","
	    "\"c\":null,\"d\":\"\\\\\"}";
	char out[sizeof(event)];

	(void)state;
	for (size_t len = 0; len < sizeof(event) - 1; len++)
		assert_true(reduce(event, len, out) <= len);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_row_event__keeps_the_columns_that_are_named),
		cmocka_unit_test(test_row_event__of_another_kind_is_none),
		cmocka_unit_test(test_row_event__no_prefix_is_read_beyond),
	};

	return cmocka_run_group_tests(tests, open_guard, close_guard);
}
