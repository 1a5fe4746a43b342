/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting in memory and through a file gives the same: every item once, in
 * order, equal ones in the order in which they were put.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sort/sort.h"

/* The same bytes for the same number, of many lengths. */
static size_t
make_item(uint64_t number, char *out)
{
	size_t len = sizeof(number) + (size_t)(number * 7919 % 300);

	memset(out, (int)(number & 0xff), len);
	memcpy(out, &number, sizeof(number));
	return len;
}

static struct tally_sort_key
make_key(uint64_t number)
{
	struct tally_sort_key key = {
		number * UINT64_C(0x9e3779b97f4a7c15) % 1000,
		number % 3,
		number % 2,
	};

	return key;
}

static int
order(const struct tally_sort_key *x, const struct tally_sort_key *y)
{
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	if (x->b != y->b)
		return x->b < y->b ? -1 : 1;
	return x->c < y->c ? -1 : x->c > y->c;
}

static void
sort_and_compare(uint64_t count)
{
	char *seen = calloc(count + 1, 1);
	struct tally_sort_key before = { 0, 0, 0 };
	struct tally_sort_key key;
	struct tally_sort *sort;
	uint64_t last = 0;
	uint64_t number;
	const void *item;
	char want[512];
	size_t len;

	assert_non_null(seen);
	assert_int_equal(tally_sort_new(&sort, 1 << 20, NULL), 0);
	for (number = 0; number < count; number++) {
		key = make_key(number);
		len = make_item(number, want);
		assert_int_equal(tally_sort_put(sort, &key, want, len, NULL),
		    0);
	}
	assert_int_equal(tally_sort_end(sort, NULL), 0);
	for (uint64_t i = 0; i < count; i++) {
		assert_int_equal(tally_sort_next(sort, &key, &item, &len, NULL),
		    0);
		assert_true(len >= sizeof(number));
		memcpy(&number, item, sizeof(number));
		assert_true(number < count && !seen[number]);
		seen[number] = 1;
		assert_int_equal(len, make_item(number, want));
		assert_memory_equal(item, want, len);
		if (i > 0 && order(&before, &key) == 0)
			assert_true(last < number);
		else if (i > 0)
			assert_true(order(&before, &key) < 0);
		before = key;
		last = number;
	}
	assert_int_equal(tally_sort_next(sort, &key, &item, &len, NULL),
	    TALLY_END);
	tally_sort_free(sort);
	free(seen);
}

static void
test_sort__orders_what_fits_into_memory(void **state)
{
	(void)state;
	for (uint64_t count = 0; count < 70; count++)
		sort_and_compare(count);
	sort_and_compare(2000);
}

/* Some 20 MiB through one: some 30 runs. */
static void
test_sort__orders_what_does_not(void **state)
{
	(void)state;
	sort_and_compare(100000);
}

static void
test_sort__refuses_an_item_that_is_too_large(void **state)
{
	const struct tally_sort_key key = { 1, 2, 3 };
	struct tally_error error = { 0 };
	struct tally_sort *sort;
	char *item = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(item);
	assert_int_equal(tally_sort_new(&sort, 1 << 20, NULL), 0);
	assert_int_equal(tally_sort_put(sort, &key, item, 1 << 20, &error),
	    TALLY_E_LIMIT);
	assert_string_equal(error.message, "an item is too large to be sorted");
	tally_sort_free(sort);
	free(item);
}

static void
test_sort__says_where_no_file_can_be_made(void **state)
{
	const struct tally_sort_key key = { 1, 2, 3 };
	struct tally_error error = { 0 };
	struct tally_sort *sort;
	char item[1024] = "";
	int result = 0;

	(void)state;
	assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
	assert_int_equal(tally_sort_new(&sort, 1 << 20, NULL), 0);
	for (int i = 0; result == 0 && i < 4096; i++)
		result = tally_sort_put(sort, &key, item, sizeof(item), &error);
	assert_int_equal(result, TALLY_E_IO);
	assert_string_equal(error.message,
	    "cannot use a temporary file: No such file or"
	    " directory; TMPDIR says where");
	tally_sort_free(sort);
	assert_int_equal(unsetenv("TMPDIR"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sort__orders_what_fits_into_memory),
		cmocka_unit_test(test_sort__orders_what_does_not),
		cmocka_unit_test(test_sort__refuses_an_item_that_is_too_large),
		cmocka_unit_test(test_sort__says_where_no_file_can_be_made),
	};

	return cmocka_run_group_tests_name("pg_sort", tests, NULL, NULL);
}
