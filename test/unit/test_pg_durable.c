/* SPDX-License-Identifier: Apache-2.0 */
/* How far WAL has to be flushed before what a snapshot shows may leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pgclient/durable.h"

#define BLOCK ((uint64_t)8192)
#define SEGMENT ((uint64_t)16 << 20)

static uint64_t
end(uint64_t lsn)
{
	return tally_pg_durable_end(lsn, BLOCK, SEGMENT);
}

static void
test_durable__behind_a_header_nothing_stands(void **state)
{
	const uint64_t page = 7 * SEGMENT + 5 * BLOCK, first = 7 * SEGMENT;

	(void)state;
	assert_int_equal(end(page), page);
	assert_int_equal(end(page + 24), page);
	assert_int_equal(end(first + 24), first);
	assert_int_equal(end(first + 40), first);
	assert_int_equal(end(page - 8), page - 8);
}

/* A record that began on the page before may end right behind the header. */
static void
test_durable__the_end_of_a_record_counts(void **state)
{
	const uint64_t page = 7 * SEGMENT + 5 * BLOCK, first = 7 * SEGMENT;

	(void)state;
	assert_int_equal(end(page + 32), page + 32);
	assert_int_equal(end(page + 40), page + 40);
	assert_int_equal(end(page + 48), page + 48);
	assert_int_equal(end(first + 48), first + 48);
	assert_int_equal(tally_pg_durable_end(1000, 0, 0), 1000);
}

static void
test_durable__standbys_are_counted_as_the_server_does(void **state)
{
	static const struct {
		const char *names;
		unsigned count;
	} cases[] = {
		{ "", 0 },
		{ "  ", 0 },
		{ "*", 1 },
		{ "a", 1 },
		{ "a, b", 1 },
		{ "\"a (\", b", 1 },
		{ "2", 1 },
		{ "2, b", 1 },
		{ "2, \"b(\"", 1 },
		{ "2 (a, b)", 2 },
		{ "2(a,b)", 2 },
		{ "\t3\n( a , \"b)\" )", 3 },
		{ "ANY 2 (a, b, c)", 2 },
		{ "any\t2(*)", 2 },
		{ "  First \n 12 ( a, b )", 12 },
		{ "FIRST 1 (*)", 1 },
		{ "anyone, b", 1 },
		{ "first_site", 1 },
		{ "\"any\", 2", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(tally_pg_durable_standbys(cases[i].names),
		    cases[i].count);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durable__behind_a_header_nothing_stands),
		cmocka_unit_test(test_durable__the_end_of_a_record_counts),
		cmocka_unit_test(
		    test_durable__standbys_are_counted_as_the_server_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
