/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proving and judging while memory runs out (test/scarce.h): no proof, bundle
 * or log is called forged, broken or unsigned for it, and none holds for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tally/bundle.h>
#include <tally/dispatch.h>
#include <tally/proof.h>
#include <tally/publish.h>
#include <tally/verify.h>

#include "scarce.h"

#include "went_out.h"

/* ---- proofs ------------------------------------------------------------- */

/* An open log, as it went out. */
static struct tally_log *open_log;
static char *text, *orders;
static size_t text_len, orders_len;
static struct tally_trust trust;

static void
put_out(void)
{
	char outcome[SCARCE_OUTCOME];

	must(publish(outcome, &place->error));
	open_log = must_open(place);
}

static int
prove(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	char *made = NULL;
	size_t len;
	int result = tally_log_prove(open_log, "c3", 2, 9, &made, &len, error);

	if (result == 0)
		(void)snprintf(outcome, SCARCE_OUTCOME, "%s", made);
	tally_sys_free(made);
	return result;
}

static int
judge(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	struct tally_proof proof;
	int result = tally_proof_judge(text, text_len, &trust, &proof, error);

	(void)snprintf(outcome, SCARCE_OUTCOME, "%d, %s", proof.verdict,
	    proof.detail == NULL ? "" : proof.detail);
	tally_proof_wipe(&proof);
	return result;
}

static int
take(void *arg, const void *bytes, size_t len)
{
	char **end_of = arg;

	memcpy(*end_of, bytes, len);
	*end_of += len;
	return 0;
}

static char *
must_bundle(const char *chain, size_t *out_len)
{
	const struct tally_bundle_range range = { .chain = chain,
		.chain_len = strlen(chain) };
	char *bytes = malloc(1 << 20), *at = bytes;

	assert_non_null(bytes);
	must(tally_log_bundle(open_log, &range, take, &at, &place->error));
	*out_len = (size_t)(at - bytes);
	return bytes;
}

static int
bundle(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	const struct tally_bundle_range range = { .chain = "c3",
		.chain_len = 2 };
	static char bytes[1 << 20];
	char *at = bytes;
	int result = tally_log_bundle(open_log, &range, take, &at, error);

	(void)snprintf(outcome, SCARCE_OUTCOME, "%ld", (long)(at - bytes));
	return result;
}

static int
give(void *arg, void *bytes, size_t room, size_t *out_len)
{
	size_t *at = arg;

	*out_len = text_len - *at < room ? text_len - *at : room;
	memcpy(bytes, text + *at, *out_len);
	*at += *out_len;
	return 0;
}

static int
judge_bundle(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	struct tally_bundle found;
	size_t at = 0;
	int result = tally_bundle_judge(give, &at, &trust, &found, error);

	(void)snprintf(outcome, SCARCE_OUTCOME, "%d, %s", found.verdict,
	    found.detail);
	return result;
}

/* What is judged, as it is and, then, with another signature. */
static void
judge_all(const char *name,
    int (*act)(char outcome[SCARCE_OUTCOME], struct tally_error *error),
    const char *signature)
{
	struct scarce_case what = { .name = name, .act = act };
	size_t at = (size_t)(strstr(text, signature) - text) + 30;
	const char *vkeys[] = { vkey };
	char policy[512];

	trust.vkeys = vkeys;
	trust.vkeys_len = 1;
	scarce_all(&what, 5);
	trust.orders = orders;
	trust.orders_len = orders_len;
	scarce_all(&what, 20);
	trust.orders = NULL;
	trust.orders_len = 0;
	trust.policy_len = (size_t)snprintf(policy, sizeof(policy),
	    "log %s\nquorum none\n", vkey);
	trust.policy = policy;
	scarce_all(&what, 5);
	trust.policy = NULL;
	/* Other base64, so that it is still a note. */
	text[at] = text[at] == 'A' ? 'B' : 'A';
	scarce_all(&what, 5);
	memset(&trust, 0, sizeof(trust));
}

static void
test_proof_memory__proofs(void **state)
{
	struct scarce_case making = { "prove", NULL, prove };
	struct scarce_case bundling = { "bundle", NULL, bundle };
	char *proof = NULL;

	(void)state;
	put_back();
	put_out();
	scarce_all(&making, 5);
	scarce_all(&bundling, 5);
	orders = must_bundle("tally:log", &orders_len);
	must(tally_log_prove(open_log, "c3", 2, 9, &proof, &text_len,
	    &place->error));
	text = proof;
	judge_all("judge", judge, "\xe2\x80\x94 " PLACE_ORIGIN);
	tally_sys_free(proof);
	text = must_bundle("c3", &text_len);
	judge_all("judge a bundle", judge_bundle, "\xe2\x80\x94 " PLACE_ORIGIN);
	free(text);
	free(orders);
	must_close(open_log);
}

static int
judge_extends(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	struct tally_consistency_proof found;
	int result = tally_consistency_judge(text, text_len, &trust, &found,
	    error);

	(void)snprintf(outcome, SCARCE_OUTCOME, "%d", found.verdict);
	return result;
}

static char old_note[4096];
static size_t old_len;

static int
prove_extends(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	enum tally_consistency_verdict verdict = TALLY_CONSISTENT_SHORT;
	char *made = NULL;
	size_t len;
	int result = tally_log_prove_consistency(open_log, old_note, old_len,
	    NULL, 0, &verdict, &made, &len, error);

	(void)snprintf(outcome, SCARCE_OUTCOME, "%d", (int)verdict);
	tally_sys_free(made);
	return result;
}

static void
test_proof_memory__consistency(void **state)
{
	struct scarce_case what = { "extend", NULL, prove_extends };
	enum tally_consistency_verdict verdict;
	char path[256], *made;
	FILE *file;

	(void)state;
	put_back();
	(void)snprintf(path, sizeof(path), "%s/public/checkpoint", now);
	file = fopen(path, "r");
	assert_non_null(file);
	old_len = fread(old_note, 1, sizeof(old_note), file);
	(void)fclose(file);
	put_out();
	scarce_all(&what, 5);
	must(tally_log_prove_consistency(open_log, old_note, old_len, NULL, 0,
	    &verdict, &made, &text_len, &place->error));
	orders = must_bundle("tally:log", &orders_len);
	text = made;
	judge_all("judge an extension", judge_extends,
	    "\xe2\x80\x94 " PLACE_ORIGIN);
	tally_sys_free(made);
	free(orders);
	must_close(open_log);
}

/* ---- what goes to sinks ------------------------------------------------- */

static char line[TALLY_DISPATCH_MAX + 1];
static size_t line_len;

static int
keep_line(void *arg, const char *bytes, size_t len, uint32_t part,
    uint32_t parts)
{
	(void)arg;
	assert_int_equal(part, 1);
	assert_int_equal(parts, 1);
	memcpy(line, bytes, len);
	line_len = len;
	return 0;
}

static int
dispatch(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	int result = tally_dispatch_make(open_log, signer, old_note, old_len, 0,
	    keep_line, NULL, error);

	(void)snprintf(outcome, SCARCE_OUTCOME, "%zu", line_len);
	return result;
}

static int
read_dispatch(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	const char *vkeys[] = { vkey };
	struct tally_dispatch read;
	uint64_t findings = 0;
	int result = tally_dispatch_parse(line, line_len, vkeys, 1, &read,
	    error);

	if (result != 0)
		return result;
	result = tally_dispatch_compare(open_log, &read, NULL, NULL, &findings,
	    error);
	(void)snprintf(outcome, SCARCE_OUTCOME, "%d, %zu heads, %llu findings",
	    read.verdict, read.heads_len, (unsigned long long)findings);
	tally_dispatch_wipe(&read);
	return result;
}

static void
test_proof_memory__dispatch(void **state)
{
	struct scarce_case making = { "dispatch", NULL, dispatch };
	struct scarce_case reading = { "read a dispatch", NULL, read_dispatch };
	char path[256];
	FILE *file;

	(void)state;
	put_back();
	put_out();
	(void)snprintf(path, sizeof(path), "%s/public/checkpoint", now);
	file = fopen(path, "r");
	assert_non_null(file);
	old_len = fread(old_note, 1, sizeof(old_note), file);
	(void)fclose(file);
	scarce_all(&making, 5);
	scarce_all(&reading, 5);
	must_close(open_log);
}

/* ---- verifying, with the key ------------------------------------------- */

static void
hear(void *arg, const struct tally_finding *finding)
{
	char *outcome = arg;
	size_t len = strlen(outcome);

	(void)snprintf(outcome + len, SCARCE_OUTCOME - len, "%s: %s; ",
	    tally_finding_name(finding->kind), finding->detail);
}

static int
verify(char outcome[SCARCE_OUTCOME], struct tally_error *error)
{
	const char *vkeys[] = { vkey };
	const struct tally_verify_options how = { .jobs = 2,
		.vkeys = vkeys,
		.vkeys_len = 1,
		.ids = true,
		.finding = hear,
		.arg = outcome };
	struct tally_verdict verdict;
	int result = tally_verify(now, &how, &verdict, error);
	size_t len = strlen(outcome);

	if (result == 0)
		(void)snprintf(outcome + len, SCARCE_OUTCOME - len,
		    "%s, %llu, %x", tally_verdict_name(verdict.verdict),
		    (unsigned long long)verdict.records, verdict.not_covered);
	return result;
}

static void
test_proof_memory__verify(void **state)
{
	struct scarce_case what = { "verify", NULL, verify };

	(void)state;
	put_back();
	scarce_all(&what, 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_proof_memory__proofs,
		    begin, end),
		cmocka_unit_test_setup_teardown(test_proof_memory__consistency,
		    begin, end),
		cmocka_unit_test_setup_teardown(test_proof_memory__dispatch,
		    begin, end),
		cmocka_unit_test_setup_teardown(test_proof_memory__verify,
		    begin, end),
	};

	scarce_begin();
	return cmocka_run_group_tests_name("proof_memory", tests, NULL, NULL);
}
