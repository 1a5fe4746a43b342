/* SPDX-License-Identifier: Apache-2.0 */
/* tally pg verify: a database's verdict, from outside. */
#include <inttypes.h>
#include <string.h>

#include <tally/pg.h>

#include "carried.h"
#include "commands.h"
#include "heads.h"
#include "verifying.h"

#define JOBS_MAX 64

struct settings {
	const char *chain;
	struct option_count jobs;
	bool ids;
	const char *heads;
	const char *against;
	struct option_root root;
	bool quiet;
	bool json;
};

static const struct option options[] = {
	{ "chain", "NAME", OPTION_TEXT, offsetof(struct settings, chain),
	    "judge this chain only" },
	{ "jobs", "N", OPTION_COUNT, offsetof(struct settings, jobs),
	    "use N connections; one for each processor" },
	{ "ids", NULL, OPTION_FLAG, offsetof(struct settings, ids),
	    "also that no id stands twice" },
	{ "heads", "FILE", OPTION_TEXT, offsetof(struct settings, heads),
	    "heads that were kept outside" },
	{ "against", "DIR", OPTION_TEXT, offsetof(struct settings, against),
	    "the log that it was carried into" },
	{ "root", "SIZE:HEX", OPTION_ROOT, offsetof(struct settings, root),
	    "a root of that log that was kept outside" },
	{ "quiet", NULL, OPTION_FLAG, offsetof(struct settings, quiet),
	    "print nothing if all is intact" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static int
on_copy(void *arg, const char *chain, size_t chain_len, uint64_t seq,
    struct tally_hash *out_hash, struct tally_error *error)
{
	int result = tally_carrier_hash(arg, chain, chain_len, seq, out_hash,
	    error);

	if (result == TALLY_END) {
		complain("the copy has no record %" PRIu64 " of chain \"%s\"",
		    seq, chain);
		return TALLY_E_DAMAGED;
	}
	return result;
}

/* Events that were left at the source are none of the copy's faults. */
static void
on_break(void *arg, const struct tally_finding *finding)
{
	struct verifying *verifying = arg;

	if (tally_finding_is_break(finding->kind))
		verdict_finding(finding, verifying->json,
		    verifying->findings++ == 0);
}

/* The copy itself, against what is known of it elsewhere. */
static enum status
verify_copy(const struct settings *settings)
{
	struct verifying verifying = {
		.json = settings->json,
		.quiet = true,
		.interrupted = "interrupted",
	};
	struct tally_verify_options how = {
		.has_root = true,
		.root_size = settings->root.size,
		.root = settings->root.hash,
	};
	struct tally_error error = { 0 };
	struct tally_verdict verdict = { 0 };
	enum status status;
	int result;

	verifying_begin(&verifying, &how);
	how.finding = on_break;
	result = tally_verify(settings->against, &how, &verdict, &error);
	if (result == 0 && verdict.verdict != TALLY_TAMPERED)
		return STATUS_DONE;
	status = verifying_end(&verifying, result, &verdict, VERDICT_LOG,
	    &error);
	if (status == STATUS_TAMPERED)
		complain("\"%s\" is not the log that it was carried into",
		    settings->against);
	return status;
}

static enum status
verify(const struct settings *settings, const char *conninfo,
    const struct tally_outside_head *heads, size_t heads_len,
    struct tally_carrier *copy)
{
	struct verifying verifying = {
		.json = settings->json,
		.quiet = settings->quiet,
		.interrupted = "interrupted",
	};
	struct tally_verify_options how = {
		.jobs = (unsigned)settings->jobs.value,
		.chain = settings->chain,
		.ids = settings->ids,
		.heads = heads,
		.heads_len = heads_len,
		.copy = copy == NULL ? NULL : on_copy,
		.copy_arg = copy,
	};
	struct tally_error error = { 0 };
	struct tally_verdict verdict;
	int result;

	if (settings->chain != NULL)
		how.chain_len = strlen(settings->chain);
	verifying_begin(&verifying, &how);
	result = tally_pg_verify(conninfo, &how, &verdict, &error);
	return verifying_end(&verifying, result, &verdict, VERDICT_DATABASE,
	    &error);
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct heads heads = { 0 };
	struct carried carried = { 0 };
	enum status status = STATUS_DONE;

	if (settings->jobs.given &&
	    (settings->jobs.value == 0 || settings->jobs.value > JOBS_MAX))
		return options_refuse(&command_pg_verify,
		    "\"--jobs\" needs 1 to %d", JOBS_MAX);
	if (settings->heads != NULL && settings->against != NULL)
		return options_refuse(&command_pg_verify,
		    "\"--heads\" and \"--against\" are one too many");
	if (settings->root.given &&
	    (settings->against == NULL || !settings->root.has_size))
		return options_refuse(&command_pg_verify,
		    "\"--root SIZE:HEX\" goes with \"--against\"");
	if (settings->heads != NULL)
		status = heads_read(&heads, settings->heads);
	if (status == STATUS_DONE && settings->root.given)
		status = verify_copy(settings);
	if (status == STATUS_DONE && settings->against != NULL)
		status = carried_open(&carried, settings->against, NULL);
	if (status == STATUS_DONE)
		status = verify(settings, operand[0],
		    settings->against == NULL ? heads.head : carried.heads,
		    settings->against == NULL ? heads.count : carried.heads_len,
		    carried.carrier);
	heads_free(&heads);
	return carried_close(&carried, status);
}

const struct command command_pg_verify = {
	.name = "pg verify",
	.summary = "verify a database from outside",
	.synopsis = "pg verify CONNINFO [--chain NAME] [--jobs N] [--json]\n"
		    "                       [--heads FILE | --against DIR"
		    " [--root SIZE:HEX]]\n"
		    "                       [--ids] [--quiet]",
	.about = "Reads records and rows over several connections under one"
		 " snapshot, judges them\nhere, trusting nothing in the server"
		 " but PostgreSQL, and says what it did not\ncover.  Writers"
		 " are not stopped, and nothing is written.",
	.options = options,
	.example = "  tally pg verify 'host=db dbname=app user=auditor'",
	.statuses =
	    "  0 intact  1 tampering found  3 could not verify  4 no chains"
	    " there\n  5 database error  130 interrupted",
	.operands = { "CONNINFO" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
