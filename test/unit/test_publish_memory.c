/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing while memory runs out (test/scarce.h): nothing is signed that
 * another checkpoint contradicts, and what failed can be done again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tally/publish.h>

#include "scarce.h"

#include "went_out.h"

static char third[192];
static struct tally_signer *successor;

/* ---- publishing --------------------------------------------------------- */

static void
test_publish_memory__publish(void **state)
{
	struct scarce_case what = { "publish", put_back, publish };

	(void)state;
	scarce_all(&what, 50);
}

static void
put_back_first(void)
{
	must(shell("cd '%s' && rm -rf now audit && mkdir now && cp -a"
		   " kept/audit . && rm -rf audit/public audit/index audit/run"
		   " && cp -a kept/first audit/log/00000000000000000000.jsonl"
		   " && rm -f audit/log/watermark",
	    place->top));
}

/* The first checkpoint of a log, from nothing but its lines. */
static void
test_publish_memory__publish_first(void **state)
{
	struct scarce_case what = { "first", put_back_first, publish };

	(void)state;
	must(shell("cd '%s/kept' && grep -hv tally:heads"
		   " audit/log/00000000000000000000.jsonl >first",
	    place->top));
	scarce_all(&what, 50);
}

static int
refuse(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	return publish(outcome, error);
}

static void
cut(void)
{
	put_back();
	must(shell("cd '%s/audit' && rm -rf index run log/watermark &&"
		   " head -n 100 log/00000000000000000000.jsonl >new && cat new"
		   " >log/00000000000000000000.jsonl",
	    place->top));
}

static void
test_publish_memory__publish_refused(void **state)
{
	struct scarce_case what = { "refused", cut, refuse };

	(void)state;
	scarce_all(&what, 20);
}

static int
change_key(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	char made[TALLY_VKEY_TEXT_SIZE];
	struct tally_log *log;
	int result = tally_key_show(third, made, NULL, error);

	if (result == 0)
		result = tally_log_open(now, NULL, &log, error);
	if (result != 0)
		return result;
	result = tally_key_order(log, signer, TALLY_KEY_ADD, made, NULL, error);
	/* The call before may have sealed it. */
	if (result == TALLY_E_USAGE &&
	    strstr(error->message, "knows the key") != NULL)
		result = 0;
	if (result == 0)
		result = tally_log_close(log, error);
	else
		(void)tally_log_close(log, NULL);
	(void)snprintf(outcome, SCARCE_OUTCOME, "%d", result);
	return result;
}

static void
test_publish_memory__key_order(void **state)
{
	struct scarce_case what = { "key order", put_back, change_key };
	char made[TALLY_VKEY_TEXT_SIZE];

	(void)state;
	(void)snprintf(third, sizeof(third), "%s/third", place->top);
	must(tally_key_generate(third, PLACE_ORIGIN, NULL, made,
	    &place->error));
	scarce_all(&what, 20);
}

static int
load_key(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	struct tally_signer *loaded;
	int result = tally_signer_load(key, NULL, &loaded, error);

	if (result == 0)
		tally_signer_free(loaded);
	(void)snprintf(outcome, SCARCE_OUTCOME, "%d", result);
	return result;
}

static void
test_publish_memory__key_file(void **state)
{
	struct scarce_case what = { "key file", NULL, load_key };

	(void)state;
	scarce_all(&what, 20);
}

static int
restore(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	char into[192];
	const struct tally_restore_options how = { .dir = now,
		.into = into,
		.origin = "example.org/next",
		.signer = successor,
		.register_dir = registers,
		.reason = "a test" };
	struct tally_restored out;
	int result;

	(void)snprintf(into, sizeof(into), "%s/new", place->top);
	result = tally_restore(&how, &out, error);
	if (result == 0)
		(void)snprintf(outcome, SCARCE_OUTCOME, "%llu, %llu, %llu",
		    (unsigned long long)out.size,
		    (unsigned long long)out.outside_size,
		    (unsigned long long)out.receipt.seq);
	return result;
}

static void
test_publish_memory__restore(void **state)
{
	struct scarce_case what = { "restore", cut, restore };
	char made[TALLY_VKEY_TEXT_SIZE];

	(void)state;
	(void)snprintf(third, sizeof(third), "%s/third", place->top);
	must(tally_key_generate(third, "example.org/next", NULL, made,
	    &place->error));
	must(tally_signer_load(third, NULL, &successor, &place->error));
	scarce_all(&what, 50);
	tally_signer_free(successor);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_publish_memory__publish,
		    begin, end),
		cmocka_unit_test_setup_teardown(
		    test_publish_memory__publish_first, begin, end),
		cmocka_unit_test_setup_teardown(
		    test_publish_memory__publish_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_publish_memory__key_order,
		    begin, end),
		cmocka_unit_test_setup_teardown(test_publish_memory__key_file,
		    begin, end),
		cmocka_unit_test_setup_teardown(test_publish_memory__restore,
		    begin, end),
	};

	scarce_begin();
	return cmocka_run_group_tests_name("publish_memory", tests, NULL, NULL);
}
