/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying while memory runs out (test/scarce.h): no verdict is another for
 * it, whatever was done to the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scarce.h"
#include "tamper/lab.h"

static struct lab *lab;
static struct tally_verify_options options;
static char resume[128];

static int
verify(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	size_t len = 0;
	int result;

	memset(&lab->error, 0, sizeof(lab->error));
	result = lab_verify(lab, &options);
	*error = lab->error;
	if (result != 0)
		return result;
	for (size_t i = 0; i < lab->findings_len; i++) {
		const struct lab_finding *finding = &lab->findings[i];

		len += (size_t)snprintf(outcome + len, SCARCE_OUTCOME - len,
		    "%s %s %llu %llu; ", tally_finding_name(finding->kind),
		    finding->chain, (unsigned long long)finding->seq,
		    (unsigned long long)finding->index);
		if (len >= SCARCE_OUTCOME)
			len = SCARCE_OUTCOME - 1;
	}
	(void)snprintf(outcome + len, SCARCE_OUTCOME - len,
	    "%s, %llu records, %llu chains, %llu findings, %x",
	    tally_verdict_name(lab->verdict.verdict),
	    (unsigned long long)lab->verdict.records,
	    (unsigned long long)lab->verdict.chains,
	    (unsigned long long)lab->verdict.findings,
	    lab->verdict.not_covered);
	return 0;
}

static void
all(const char *name)
{
	struct scarce_case what = { .name = name, .act = verify };

	for (unsigned jobs = 1; jobs <= 3; jobs += 2) {
		options.jobs = jobs;
		scarce_all(&what, 10);
	}
}

static int
begin(void **state)
{
	(void)state;
	lab = lab_small();
	memset(&options, 0, sizeof(options));
	return 0;
}

static int
end(void **state)
{
	(void)state;
	lab_free(lab);
	return 0;
}

/* ---- what was done ------------------------------------------------------ */

static void
test_memory__intact(void **state)
{
	(void)state;
	lab_lay_all(lab, 7);
	options.has_root = true;
	options.root_size = lab->len;
	options.root = lab_root(lab, lab->len);
	all("intact");
}

static void
test_memory__altered(void **state)
{
	struct lab_record *record = &lab->records[lab->len / 2];

	(void)state;
	record->line[record->len - 3] ^= 1;
	lab_lay_all(lab, 7);
	all("altered");
}

/* Records that are missing, or stand where they do not belong, are looked for
 * in a second walk. */
static void
test_memory__moved(void **state)
{
	size_t order[LAB_RECORDS_MAX], len = 0;

	(void)state;
	for (size_t i = 0; i < lab->len; i++) {
		if (i != 5)
			order[len++] = i == 8 ? 9 : i == 9 ? 8 : i;
	}
	order[len++] = 3;
	lab_lay(lab, order, len, 7);
	all("moved");
}

static void
test_memory__twice_an_id(void **state)
{
	(void)state;
	options.ids = true;
	lab_append(lab, "t", "the id", false, "1");
	lab_append(lab, "t", "the id", false, "2");
	lab_lay_all(lab, 0);
	all("an id twice");
}

static void
test_memory__garbage(void **state)
{
	(void)state;
	memset(lab->records[4].line, 'x', lab->records[4].len - 1);
	lab_lay_all(lab, 7);
	all("garbage");
}

static void
test_memory__cut(void **state)
{
	static struct tally_outside_head head;
	const struct lab_record *last = &lab->records[lab->len - 1];

	(void)state;
	head.chain = last->chain;
	head.chain_len = strlen(last->chain);
	head.seq = last->seq;
	head.hash = last->hash;
	options.heads = &head;
	options.heads_len = 1;
	options.has_root = true;
	options.root_size = lab->len;
	options.root = lab_root(lab, lab->len);
	lab->len--;
	lab_lay_all(lab, 7);
	all("cut");
	lab->len++;
}

static void
test_memory__orders(void **state)
{
	static const char *const vkeys[] = {
		"example.com/foo+530d903a+"
		"AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
	};

	(void)state;
	lab_append(lab, "tally:log", NULL, false,
	    "{\"erased\":{\"after\":\"x\",\"by\":\"530d903a\",\"records\":[]},"
	    "\"sig\":\"00\"}");
	strcpy(lab->origin, "example.com/foo");
	lab_lay_all(lab, 0);
	options.vkeys = vkeys;
	options.vkeys_len = 1;
	all("orders");
}

/* ---- interrupted ------------------------------------------------------- */

static int
stop(void *arg, const struct tally_progress *progress)
{
	(void)arg;
	(void)progress;
	return 1;
}

static void
no_state(void)
{
	(void)unlink(resume);
}

/* Interrupted, then to the end: the state is whole, or not there. */
static int
in_two(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	int result;

	options.progress = stop;
	options.resume = resume;
	result = lab_verify(lab, &options);
	*error = lab->error;
	options.progress = NULL;
	return result < 0 ? result : verify(outcome, error);
}

static void
test_memory__resumed(void **state)
{
	struct scarce_case what = {
		.name = "resumed", .prepare = no_state, .act = in_two
	};
	char chain[16];

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		(void)snprintf(chain, sizeof(chain), "c%u", i % 40);
		lab_append(lab, chain, NULL, true, "{\"a\":[1,2,3]}");
	}
	lab_lay_all(lab, 100);
	(void)snprintf(resume, sizeof(resume), "%s/resume", lab->dir);
	options.jobs = 1;
	scarce_all(&what, 20);
	(void)unlink(resume);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_memory__intact, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_memory__altered, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_memory__moved, begin, end),
		cmocka_unit_test_setup_teardown(test_memory__twice_an_id, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_memory__garbage, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_memory__cut, begin, end),
		cmocka_unit_test_setup_teardown(test_memory__orders, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_memory__resumed, begin,
		    end),
	};

	scarce_begin();
	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
