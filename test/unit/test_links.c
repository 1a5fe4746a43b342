/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of records: where loose links lead, small and through files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "foreign/links.h"

/* A hash that is known by a number. */
static uint64_t
key_of(uint64_t number)
{
	return number * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static struct tally_item
item(uint64_t index, uint64_t hash, uint64_t child)
{
	struct tally_item made = {
		.key = { key_of(hash), ~key_of(hash) },
		.child = child != 0 ? key_of(child) : 0,
		.place = { index, 100 * index, index + 1, 0 },
		.holds = 1,
		.child_holds = child != 0,
	};

	return made;
}

static void
add(struct tally_links *links, struct tally_item made)
{
	assert_int_equal(tally_links_add(links, &made), 0);
}

/* The record of this hash names that link. */
static void
loose(struct tally_links *links, uint64_t index, uint64_t hash, uint64_t link,
    bool holds, bool first)
{
	struct tally_item made = item(index, link, hash);

	made.holds = holds;
	made.first = first;
	assert_int_equal(tally_links_loose(links, &made), 0);
}

/* Everything that is found, "kind reason index other" in one text. */
static const char *
judged(struct tally_links *links)
{
	static char text[4096];
	struct tally_found found;
	size_t len = 0;
	int r;

	text[0] = '\0';
	assert_int_equal(tally_links_judge(links), 0);
	while ((r = tally_links_next(links, &found)) == 0)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "%s %d %llu %llu\n", tally_finding_name(found.kind),
		    found.reason, (unsigned long long)found.place.index,
		    (unsigned long long)found.other);
	assert_int_equal(r, TALLY_END);
	tally_links_wipe(links);
	return text;
}

static struct tally_links
fresh(void)
{
	struct tally_links links;

	assert_int_equal(tally_links_init(&links, NULL), 0);
	return links;
}

static void
test_links__a_second_child_is_a_fork(void **state)
{
	struct tally_links links = fresh();
	char want[80];

	(void)state;
	add(&links, item(0, 1, 2));
	add(&links, item(1, 2, 0));
	add(&links, item(2, 3, 0));
	loose(&links, 2, 3, 1, true, false);
	snprintf(want, sizeof(want), "forked %d 2 0\n",
	    TALLY_REASON_FORK_BENIGN);
	assert_string_equal(judged(&links), want);
}

static void
test_links__one_branch_that_does_not_hold_spoils_all(void **state)
{
	struct tally_links links = fresh();
	char want[120];

	(void)state;
	add(&links, item(0, 1, 2));
	loose(&links, 2, 3, 1, true, false);
	loose(&links, 3, 4, 1, false, false);
	snprintf(want, sizeof(want), "forked %d 2 0\nforked %d 3 0\n",
	    TALLY_REASON_FORK, TALLY_REASON_FORK);
	assert_string_equal(judged(&links), want);
}

static void
test_links__a_branch_that_goes_on_is_none(void **state)
{
	struct tally_links links = fresh();

	(void)state;
	add(&links, item(0, 1, 0));
	loose(&links, 5, 9, 1, true, false);
	assert_string_equal(judged(&links), "");
}

static void
test_links__without_a_direct_child_the_first_is_none(void **state)
{
	struct tally_links links = fresh();
	char want[80];

	(void)state;
	add(&links, item(0, 1, 0));
	/* The own hash of the later one sorts before or behind: no matter. */
	loose(&links, 7, 8, 1, true, false);
	loose(&links, 5, 9, 1, true, false);
	snprintf(want, sizeof(want), "forked %d 7 0\n",
	    TALLY_REASON_FORK_BENIGN);
	assert_string_equal(judged(&links), want);
}

static void
test_links__the_same_child_again_is_a_duplicate(void **state)
{
	struct tally_links links = fresh();
	char want[120];

	(void)state;
	add(&links, item(0, 1, 2));
	loose(&links, 2, 2, 1, true, false);
	loose(&links, 3, 5, 1, true, false);
	loose(&links, 4, 5, 1, true, false);
	snprintf(want, sizeof(want),
	    "duplicate %d 2 0\nforked %d 3 0\nduplicate %d 4 0\n",
	    TALLY_REASON_TWICE, TALLY_REASON_FORK_BENIGN, TALLY_REASON_TWICE);
	assert_string_equal(judged(&links), want);
}

static void
test_links__later_elsewhere_and_nowhere(void **state)
{
	struct tally_links links = fresh();
	struct tally_item other = item(1, 2, 0);
	char want[160];

	(void)state;
	other.place.chain = 7;
	add(&links, item(9, 1, 0));
	add(&links, other);
	loose(&links, 2, 3, 1, true, false);
	loose(&links, 4, 5, 2, true, false);
	loose(&links, 5, 6, 77, true, false);
	loose(&links, 6, 7, 78, true, true);
	snprintf(want, sizeof(want),
	    "reordered %d 2 9\ninserted %d 4 1\nlink-altered %d 5 0\n"
	    "missing %d 6 0\n",
	    TALLY_REASON_LATER, TALLY_REASON_OTHER_CHAIN,
	    TALLY_REASON_NO_PARENT, TALLY_REASON_BEGINNING);
	assert_string_equal(judged(&links), want);
	links = fresh();
	links.pruned = true;
	loose(&links, 6, 7, 78, true, true);
	assert_string_equal(judged(&links), "");
}

static void
test_links__a_link_of_ones_does_not_meet_the_end(void **state)
{
	struct tally_links links = fresh();
	struct tally_item ones = item(3, 1, 5);
	char want[80];

	(void)state;
	memset(ones.key, 0xff, sizeof(ones.key));
	add(&links, item(0, 1, 0));
	assert_int_equal(tally_links_loose(&links, &ones), 0);
	snprintf(want, sizeof(want), "link-altered %d 3 0\n",
	    TALLY_REASON_NO_PARENT);
	assert_string_equal(judged(&links), want);
}

/* More than memory holds: 400,000 forks, and one record with 300,000
 * children. */
static void
test_links__many(void **state)
{
	struct tally_links links = fresh();
	uint64_t i, n = 400000, wide = 300000, forks = 0, last = 0;
	struct tally_found found;
	int r;

	(void)state;
	for (i = 0; i < n; i++) {
		add(&links, item(i, i + 1, i + 2));
		loose(&links, 2 * n + i, 4 * n + i, i + 1, true, false);
	}
	add(&links, item(n, n + 1, 0));
	for (i = 0; i < wide; i++)
		loose(&links, 4 * n + i, 6 * n + i, n + 1, true, false);
	assert_int_equal(tally_links_judge(&links), 0);
	while ((r = tally_links_next(&links, &found)) == 0) {
		assert_int_equal(found.kind, TALLY_FORKED);
		assert_int_equal(found.reason, TALLY_REASON_FORK_BENIGN);
		assert_true(forks == 0 || found.place.index > last);
		last = found.place.index;
		assert_int_equal(found.other, last < 4 * n ? last - 2 * n : n);
		forks++;
	}
	assert_int_equal(r, TALLY_END);
	/* The first of the wide ones goes on with the chain. */
	assert_int_equal(forks, n + wide - 1);
	tally_links_wipe(&links);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links__a_second_child_is_a_fork),
		cmocka_unit_test(
		    test_links__one_branch_that_does_not_hold_spoils_all),
		cmocka_unit_test(test_links__a_branch_that_goes_on_is_none),
		cmocka_unit_test(
		    test_links__without_a_direct_child_the_first_is_none),
		cmocka_unit_test(
		    test_links__the_same_child_again_is_a_duplicate),
		cmocka_unit_test(test_links__later_elsewhere_and_nowhere),
		cmocka_unit_test(
		    test_links__a_link_of_ones_does_not_meet_the_end),
		cmocka_unit_test(test_links__many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
