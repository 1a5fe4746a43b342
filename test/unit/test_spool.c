/* SPDX-License-Identifier: Apache-2.0 */
/* A spool gives back what was added, in memory and through its file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sort/spool.h"

struct entry {
	uint64_t number;
	char bytes[56];
};

static void
add(struct tally_spool *spool, uint64_t from, uint64_t to)
{
	struct entry entry = { .number = 0 };

	for (; from < to; from++) {
		entry.number = from;
		memset(entry.bytes, (int)from, sizeof(entry.bytes));
		assert_int_equal(tally_spool_add(spool, &entry, NULL), 0);
	}
}

static void
expect(struct tally_spool *spool, uint64_t count)
{
	const void *at;
	uint64_t i;

	assert_int_equal(tally_spool_count(spool), count);
	tally_spool_rewind(spool);
	for (i = 0; i < count; i++) {
		const struct entry *entry;

		assert_int_equal(tally_spool_next(spool, &at, NULL), 0);
		entry = at;
		assert_int_equal(entry->number, i);
		assert_int_equal((uint8_t)entry->bytes[55], i & 0xff);
	}
	assert_int_equal(tally_spool_next(spool, &at, NULL), TALLY_END);
	assert_int_equal(tally_spool_next(spool, &at, NULL), TALLY_END);
}

static void
test_spool__gives_back_any_number(void **state)
{
	/* A piece is 4096 of these entries. */
	static const uint64_t counts[] = { 0, 1, 4095, 4096, 4097, 8191, 8192,
		8193, 100000 };
	struct tally_spool spool;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		tally_spool_init(&spool, sizeof(struct entry));
		add(&spool, 0, counts[i]);
		expect(&spool, counts[i]);
		expect(&spool, counts[i]);
		tally_spool_wipe(&spool);
	}
}

static void
test_spool__can_be_emptied(void **state)
{
	struct tally_spool spool;

	(void)state;
	tally_spool_init(&spool, sizeof(struct entry));
	add(&spool, 0, 10000);
	expect(&spool, 10000);
	tally_spool_empty(&spool);
	expect(&spool, 0);
	add(&spool, 0, 5000);
	expect(&spool, 5000);
	tally_spool_wipe(&spool);
}

static void
test_spool__says_where_no_file_can_be_made(void **state)
{
	struct tally_error error = { .code = 0 };
	struct entry entry = { .number = 0 };
	struct tally_spool spool;
	int i, r = 0;

	(void)state;
	assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
	tally_spool_init(&spool, sizeof(struct entry));
	for (i = 0; i < 5000 && r == 0; i++)
		r = tally_spool_add(&spool, &entry, &error);
	assert_int_equal(i, 4097);
	assert_int_equal(r, TALLY_E_IO);
	assert_string_equal(error.message,
	    "cannot use a temporary file: No such file or directory; TMPDIR"
	    " says where");
	tally_spool_wipe(&spool);
	assert_int_equal(unsetenv("TMPDIR"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spool__gives_back_any_number),
		cmocka_unit_test(test_spool__can_be_emptied),
		cmocka_unit_test(test_spool__says_where_no_file_can_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
