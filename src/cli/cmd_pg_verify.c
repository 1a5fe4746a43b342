/* SPDX-License-Identifier: Apache-2.0 */
/* tally pg verify: a database's verdict, from outside. */
#include <string.h>

#include <tally/pg.h>

#include "commands.h"
#include "heads.h"
#include "verifying.h"

#define JOBS_MAX 64

struct settings {
	const char *chain;
	struct option_count jobs;
	const char *heads;
	bool quiet;
	bool json;
};

static const struct option options[] = {
	{ "chain", "NAME", OPTION_TEXT, offsetof(struct settings, chain),
	    "judge this chain only" },
	{ "jobs", "N", OPTION_COUNT, offsetof(struct settings, jobs),
	    "use N connections; one for each processor" },
	{ "heads", "FILE", OPTION_TEXT, offsetof(struct settings, heads),
	    "heads that were kept outside" },
	{ "quiet", NULL, OPTION_FLAG, offsetof(struct settings, quiet),
	    "print nothing if all is intact" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static enum status
verify(const struct settings *settings, const char *conninfo,
    const struct heads *heads)
{
	struct verifying verifying = {
		.json = settings->json,
		.quiet = settings->quiet,
		.interrupted = "interrupted",
	};
	struct tally_verify_options how = {
		.jobs = (unsigned)settings->jobs.value,
		.chain = settings->chain,
		.heads = heads->head,
		.heads_len = heads->count,
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
	enum status status = STATUS_DONE;

	if (settings->jobs.given &&
	    (settings->jobs.value == 0 || settings->jobs.value > JOBS_MAX))
		return options_refuse(&command_pg_verify,
		    "\"--jobs\" needs 1 to %d", JOBS_MAX);
	if (settings->heads != NULL)
		status = heads_read(&heads, settings->heads);
	if (status != STATUS_DONE)
		return status;
	status = verify(settings, operand[0], &heads);
	heads_free(&heads);
	return status;
}

const struct command command_pg_verify = {
	.name = "pg verify",
	.summary = "verify a database from outside",
	.synopsis = "pg verify CONNINFO [--chain NAME] [--jobs N] [--json]\n"
		    "                       [--heads FILE] [--quiet]",
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
