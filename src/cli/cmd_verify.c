/* SPDX-License-Identifier: Apache-2.0 */
/* tally verify: a log's verdict. */
#include <stdio.h>
#include <string.h>

#include <tally/verify.h>

#include "adopted.h"
#include "commands.h"
#include "heads.h"
#include "profile.h"
#include "trust.h"
#include "verifying.h"

struct settings {
	const char *chain;
	struct option_count jobs;
	bool ids;
	struct option_root root;
	const char *heads;
	const char *key;
	const char *resume;
	struct foreign_options foreign;
	const char *adopted;
	bool quiet;
	bool json;
};

static const struct option options[] = {
	{ "chain", "NAME", OPTION_TEXT, offsetof(struct settings, chain),
	    "judge this chain only" },
	{ "jobs", "N", OPTION_COUNT, offsetof(struct settings, jobs),
	    "use N processors; all of them" },
	{ "ids", NULL, OPTION_FLAG, offsetof(struct settings, ids),
	    "also that no id stands twice" },
	{ "root", "SIZE:HEX", OPTION_ROOT, offsetof(struct settings, root),
	    "a root that was kept outside" },
	{ "heads", "FILE", OPTION_TEXT, offsetof(struct settings, heads),
	    "heads that were kept outside" },
	{ "key", "VKEY|FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "the log's public key: judge who signed" },
	{ "resume", "FILE", OPTION_TEXT, offsetof(struct settings, resume),
	    "go on from FILE, keep the state there" },
	{ "profile", "NAME", OPTION_TEXT,
	    offsetof(struct settings, foreign.profile),
	    "a foreign chain: FILE in place of DIR" },
	{ "pg", "CONNINFO", OPTION_TEXT, offsetof(struct settings, foreign.pg),
	    "with --profile: in a database, no FILE" },
	{ "query", "SQL", OPTION_TEXT, offsetof(struct settings, foreign.query),
	    "with --pg: in place of the profile's" },
	{ "csv", NULL, OPTION_FLAG, offsetof(struct settings, foreign.csv),
	    "with --profile: FILE is CSV" },
	{ "set", "NAME=VALUE", OPTION_TEXT,
	    offsetof(struct settings, foreign.set),
	    "parameters of the profile" },
	{ "adopted", "DIR", OPTION_TEXT, offsetof(struct settings, adopted),
	    "FILE against what this log adopted of it" },
	{ "quiet", NULL, OPTION_FLAG, offsetof(struct settings, quiet),
	    "print nothing if the log is intact" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static int
verify_foreign(const struct settings *settings, const char *path,
    const struct tally_verify_options *how, struct tally_verdict *verdict,
    struct tally_error *error)
{
	struct foreign_options where = settings->foreign;
	struct foreign foreign;
	int result;

	where.path = path;
	result = foreign_open(&foreign, &where, error);
	if (result == 0 && !settings->quiet)
		foreign_warn(&foreign);
	if (result == 0)
		result = tally_profile_verify(foreign.profile, &foreign.source,
		    how, verdict, error);
	foreign_close(&foreign);
	return result;
}

static enum status
verify(const struct settings *settings, const char *dir,
    const struct heads *heads, const struct trust *trust)
{
	char interrupted[4200];
	struct verifying verifying = {
		.json = settings->json,
		.quiet = settings->quiet,
		.interrupted = "interrupted; with \"--resume FILE\" it could"
			       " go on",
	};
	struct tally_verify_options how = {
		.jobs = (unsigned)settings->jobs.value,
		.chain = settings->chain,
		.ids = settings->ids,
		.has_root = settings->root.given,
		.root_size = settings->root.size,
		.root = settings->root.hash,
		.heads = heads->head,
		.heads_len = heads->count,
		.vkeys = trust->vkey,
		.vkeys_len = trust->vkeys,
		.resume = settings->resume,
	};
	struct tally_error error = { 0 };
	struct tally_verdict verdict;
	int result;

	if (settings->resume != NULL) {
		(void)snprintf(interrupted, sizeof(interrupted),
		    "interrupted; the same call goes on from \"%s\"",
		    settings->resume);
		verifying.interrupted = interrupted;
	}
	if (settings->chain != NULL)
		how.chain_len = strlen(settings->chain);
	verifying_begin(&verifying, &how);
	if (settings->foreign.profile != NULL)
		result = verify_foreign(settings, dir, &how, &verdict, &error);
	else
		result = tally_verify(dir, &how, &verdict, &error);
	return verifying_end(&verifying, result, &verdict,
	    settings->foreign.profile != NULL ? VERDICT_FOREIGN : VERDICT_LOG,
	    &error);
}

static enum status
verify_adopted(const struct settings *settings, const char *path)
{
	struct tally_adoption adoption = { .path = path,
		.chain = settings->chain };
	struct adopted_source source = { .options = &settings->foreign };
	struct verifying verifying = { .json = settings->json,
		.quiet = settings->quiet,
		.interrupted = "interrupted" };
	enum status status = adopted_prepare(&adoption, &settings->foreign,
	    &source);

	if (status == STATUS_DONE)
		status = adopted_verify(&adoption, settings->adopted,
		    &verifying);
	adopted_end(&adoption, &source);
	return status;
}

/* Is there an option that only a log of ours has a use for? */
static bool
takes_a_log(const struct settings *settings)
{
	return (settings->chain != NULL && settings->adopted == NULL) ||
	    settings->jobs.given || settings->ids || settings->root.given ||
	    settings->heads != NULL || settings->key != NULL ||
	    settings->resume != NULL;
}

/* Is there one that only a foreign chain has a use for? */
static bool
takes_foreign(const struct settings *settings)
{
	return settings->foreign.pg != NULL ||
	    settings->foreign.query != NULL || settings->foreign.set != NULL ||
	    settings->foreign.csv;
}

static enum status
check_foreign(const struct settings *settings, const char *path)
{
	struct foreign_options where = settings->foreign;

	where.path = path;
	if (takes_a_log(settings))
		return options_refuse(&command_verify,
		    "\"--profile\" goes with \"--pg\", \"--query\", \"--csv\","
		    " \"--set\", \"--quiet\" and \"--json\" only");
	return foreign_check(&command_verify, &where);
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct heads heads = { 0 };
	struct trust trust = { 0 };
	enum status status = STATUS_DONE;

	if (settings->root.given && !settings->root.has_size)
		return options_refuse(&command_verify,
		    "\"--root\" needs the size, too: SIZE:HEX");
	if (settings->jobs.given &&
	    (settings->jobs.value == 0 || settings->jobs.value > 1024))
		return options_refuse(&command_verify,
		    "\"--jobs\" needs 1 to 1024");
	if (settings->adopted != NULL && settings->foreign.profile == NULL)
		return options_refuse(&command_verify,
		    "\"--adopted\" needs \"--profile\"");
	if (settings->foreign.profile != NULL || takes_foreign(settings))
		status = check_foreign(settings, operand[0]);
	else if (operand[0] == NULL)
		status = options_refuse(&command_verify, "DIR is missing");
	if (status != STATUS_DONE)
		return status;
	if (settings->adopted != NULL)
		return verify_adopted(settings, operand[0]);
	if (settings->heads != NULL)
		status = heads_read(&heads, settings->heads);
	if (status == STATUS_DONE)
		status = trust_read(settings->key, NULL, &trust);
	if (status == STATUS_DONE)
		status = verify(settings, operand[0], &heads, &trust);
	trust_free(&trust);
	heads_free(&heads);
	return status;
}

const struct command command_verify = {
	.name = "verify",
	.summary = "verify a log, and name what was changed",
	.synopsis = "verify DIR [--chain NAME] [--jobs N] [--json] [--ids]\n"
		    "                    [--root SIZE:HEX] [--heads FILE]"
		    " [--key VKEY|FILE]\n"
		    "                    [--resume FILE] [--quiet]\n"
		    "       tally verify (FILE | --pg CONNINFO) --profile NAME"
		    " [--query SQL]\n"
		    "                    [--csv] [--set NAME=VALUE] [--json]"
		    " [--quiet]\n"
		    "       tally verify (FILE | --pg CONNINFO) --profile NAME"
		    " --adopted DIR\n"
		    "                    [--chain NAME] ...",
	.about = "Reads the whole log, beside its writers, prints every finding"
		 " and the verdict,\nand says what it did not cover.  Roots and"
		 " heads from outside cover more.",
	.options = options,
	.example = "  tally head audit.log --json >/elsewhere/heads\n"
		   "  tally verify audit.log --heads /elsewhere/heads",
	.statuses =
	    "  0 intact  1 tampering found  3 could not verify  4 no such"
	    " log\n  5 input or output error  130 interrupted",
	.operands = { "DIR" },
	.needed = 0,
	.settings_size = sizeof(struct settings),
	.run = run,
};
