/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which conditions go back to the server as SQL.  Those that call functions
 * are judged with its help, and in test/cli/pg.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pgclient/condition.h"

static const char *
judge(const char *condition)
{
	static struct tally_pg_verifier none;
	const char *why;

	assert_int_equal(tally_pg_condition_judge(&none, condition, &why, NULL),
	    0);
	return why;
}

static void
test_condition__as_postgresql_prints_them(void **state)
{
	static const char *const good[] = {
		"(severity >= 3)",
		"(kind = 'security'::text)",
		"((a > 1.5) AND (b IS NOT NULL))",
		"(c = ANY (ARRAY['x;y'::text, '--'::text]))",
		"(\"odd \"\"name; --\" <> E'\\\\'::text)",
		"(mood = 'sad'::public.mood)",
		"(mood = 'sad'::\"a b\".\"mood\")",
		"(v = ('x'::character varying(3))::text)",
		"((-5) < n)",
		"(b = B'101'::\"bit\")",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_null(judge(good[i]));
}

static void
test_condition__that_are_more_than_that(void **state)
{
	static const char *const bad[][2] = {
		{ "true); DROP TABLE a; --", "its parentheses are not closed" },
		{ "true; DROP TABLE a",
		    "it holds a character that no condition has" },
		{ "(true -- x\n)", "it holds a comment" },
		{ "(true /* x */)", "it holds a comment" },
		{ "(SELECT true)", "it holds a query" },
		{ "((SeLeCt true))", "it holds a query" },
		{ "(TABLE a)", "it holds a query" },
		{ "public.evil(1)", "it names something with its schema" },
		{ "\"public\".\"evil\"(1)",
		    "it names something with its schema" },
		{ "\"evil\"(1)", "it calls a function with a quoted name" },
		{ "(1 OPERATOR(public.=) 2)",
		    "it names something with its schema" },
		{ "(a = $$x$$)", "it holds a character that no condition has" },
		{ "(a = 'x)", "a quotation mark is not closed" },
		{ "(a = E'\\')", "a quotation mark is not closed" },
		{ "(r .evil)", "it selects a part of something" },
		{ "((r) .evil)", "it selects a part of something" },
		{ "((r). evil)", "it selects a part of something" },
		{ "((r).*)", "it selects a part of something" },
		{ "((r).Evil)", "it selects a part of something" },
		{ "((r).evil(1))", "it selects a part of something" },
		{ "((r).\"evil\"(1))", "it selects a part of something" },
		{ "((r).u&\"\\0065vil\")", "it selects a part of something" },
		{ "(u&\"\\0061\" = 1)",
		    "it holds a string of a kind that no condition has" },
		{ "(a = U&'x')",
		    "it holds a string of a kind that no condition has" },
		{ "(a = e'\\' || ' || evil')",
		    "it holds a string of a kind that no condition has" },
		{ "(a = N'x')",
		    "it holds a string of a kind that no condition has" },
		{ "(a = E'x'\n'\\' || evil')",
		    "it holds a character that no condition has" },
		{ "(a = 1", "its parentheses are not closed" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *why = judge(bad[i][0]);

		assert_non_null(why);
		assert_string_equal(why, bad[i][1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_condition__as_postgresql_prints_them),
		cmocka_unit_test(test_condition__that_are_more_than_that),
	};

	return cmocka_run_group_tests_name("pg_condition", tests, NULL, NULL);
}
