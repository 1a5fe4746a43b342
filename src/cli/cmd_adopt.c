/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally adopt: a foreign chain becomes the beginning of chains of a log; or the
 * table that it is in is attached, where it is.
 *
 * What it says of the source is the same with and without --apply; only then
 * is anything written, and never to the old chain.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tally/adopt.h>

#include "adopted.h"
#include "commands.h"
#include "handle.h"
#include "signals.h"

struct settings {
	struct foreign_options foreign;
	const char *into;
	const char *table;
	const char *chain_by;
	const char *chain;
	const char *from;
	bool salt;
	bool apply;
	bool json;
};

static const struct option options[] = {
	{ "profile", "NAME", OPTION_TEXT,
	    offsetof(struct settings, foreign.profile),
	    "by which its records are chained" },
	{ "pg", "CONNINFO", OPTION_TEXT, offsetof(struct settings, foreign.pg),
	    "in a database, no FILE" },
	{ "query", "SQL", OPTION_TEXT, offsetof(struct settings, foreign.query),
	    "with --pg: in place of the profile's" },
	{ "table", "NAME", OPTION_TEXT, offsetof(struct settings, table),
	    "with --pg: attach this table there" },
	{ "chain-by", "COLUMN", OPTION_TEXT,
	    offsetof(struct settings, chain_by),
	    "with --table: its chains, if not the profile's" },
	{ "into", "DIR", OPTION_TEXT, offsetof(struct settings, into),
	    "the log that commits to them" },
	{ "chain", "NAME", OPTION_TEXT, offsetof(struct settings, chain),
	    "the chain that goes on; the profile's name" },
	{ "from", "TEXT", OPTION_TEXT, offsetof(struct settings, from),
	    "what the log calls the source; FILE" },
	{ "csv", NULL, OPTION_FLAG, offsetof(struct settings, foreign.csv),
	    "FILE is CSV, not JSON Lines" },
	{ "set", "NAME=VALUE", OPTION_TEXT,
	    offsetof(struct settings, foreign.set),
	    "parameters of the profile" },
	{ "salt", NULL, OPTION_FLAG, offsetof(struct settings, salt),
	    "salt the records, so that they can be erased" },
	{ "apply", NULL, OPTION_FLAG, offsetof(struct settings, apply),
	    "do it; without, say what would be done" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static int
on_progress(void *arg, const struct tally_progress *now)
{
	progress_draw(arg, now);
	return signals_caught();
}

static void
print_findings(const struct tally_verdict *verdict)
{
	const char *between = "";

	for (int i = 0; i < TALLY_KIND_COUNT; i++) {
		if (verdict->by_kind[i] == 0)
			continue;
		printf("%s%" PRIu64 " %s", between, verdict->by_kind[i],
		    tally_finding_name((enum tally_finding_kind)i));
		between = ", ";
	}
	printf("%s\n", *between == '\0' ? "none" : "");
}

static void
print_json(const struct settings *settings, const struct tally_adopted *adopted)
{
	const struct tally_verdict *verdict = &adopted->diagnosis;
	const char *between = "";

	printf("{\"applied\":%s,\"records\":%" PRIu64 ",\"chains\":%" PRIu64
	       ",\"before\":%" PRIu64 ",\"appended\":%" PRIu64 ",\"digest\":\"",
	    settings->apply ? "true" : "false", adopted->records,
	    adopted->chains, adopted->before, adopted->appended);
	output_hash(&adopted->digest);
	printf("\",\"verdict\":\"%s\",\"findings\":{",
	    tally_verdict_name(verdict->verdict));
	for (int i = 0; i < TALLY_KIND_COUNT; i++) {
		if (verdict->by_kind[i] == 0)
			continue;
		printf("%s\"%s\":%" PRIu64, between,
		    tally_finding_name((enum tally_finding_kind)i),
		    verdict->by_kind[i]);
		between = ",";
	}
	printf("}}\n");
}

/* What the source is, for people. */
static const char *
name_of(const struct tally_adoption *adoption)
{
	return adoption->path != NULL ? adoption->path : adoption->from;
}

static void
print_source(const struct tally_adoption *adoption,
    const struct tally_adopted *adopted)
{
	printf("source    ");
	output_name(name_of(adoption), strlen(name_of(adoption)));
	printf("\nrecords   %" PRIu64 "\nfindings  ", adopted->records);
	print_findings(&adopted->diagnosis);
	printf("digest    ");
	output_hash(&adopted->digest);
	putchar('\n');
}

static void
print(const struct settings *settings, const struct tally_adoption *adoption,
    const struct tally_adopted *adopted)
{
	uint64_t new = adopted->records - adopted->before;

	print_source(adoption, adopted);
	printf("chains    %" PRIu64 ", ", adopted->chains);
	output_name(adoption->chain, strlen(adoption->chain));
	printf(adopted->chains > 1 ? " and below it\n" : "\n");
	if (adopted->before > 0)
		printf("before    %" PRIu64 " records were adopted already, and"
		       " are as they were\n",
		    adopted->before);
	if (settings->apply)
		printf("adopted   %" PRIu64 " records, in %" PRIu64
		       " records of the log\n",
		    new, adopted->appended);
	else
		printf("plan      %" PRIu64 " records would be adopted; --apply"
		       " does it, and changes nothing of the source\n",
		    new);
}

static enum status
adopt(const struct settings *settings, const struct tally_adoption *adoption,
    struct tally_log *log, struct tally_adopted *adopted)
{
	struct tally_error error = { 0 };
	int result = settings->apply && settings->table == NULL
	    ? tally_adopt(adoption, log, adopted, &error)
	    : tally_adopt_plan(adoption, log, adopted, &error);

	progress_clear(adoption->options->arg);
	if (result == TALLY_PARTIAL || (result != 0 && signals_caught())) {
		complain("interrupted; the same call goes on");
		return STATUS_INTERRUPTED;
	}
	return result == 0 ? STATUS_DONE : output_failure(result, &error, true);
}

/* The log: to write to, or to ask; a plan needs none. */
static enum status
open_log(const struct settings *settings, struct tally_log **out)
{
	struct tally_error error = { 0 };
	const struct tally_open_options how = { .read_only = true };
	int result;

	*out = NULL;
	if (settings->into == NULL)
		return STATUS_DONE;
	if (settings->apply)
		return handle_open_writer(settings->into, out);
	result = tally_log_open(settings->into, &how, out, &error);
	if (result == TALLY_E_NO_LOG) {
		complain("there is no log \"%s\" yet; \"tally init\" makes it",
		    settings->into);
		return STATUS_DONE;
	}
	return result == 0 ? STATUS_DONE
			   : output_failure(result, &error, false);
}

static enum status
into_log(const struct settings *settings, const struct tally_adoption *adoption)
{
	struct tally_adopted adopted;
	struct tally_log *log;
	enum status status = open_log(settings, &log);

	if (status == STATUS_DONE)
		status = adopt(settings, adoption, log, &adopted);
	if (status == STATUS_DONE && settings->json)
		print_json(settings, &adopted);
	else if (status == STATUS_DONE)
		print(settings, adoption, &adopted);
	return log != NULL ? handle_close(log, status) : status;
}

static enum status
into_database(const struct settings *settings,
    const struct tally_adoption *adoption)
{
	struct tally_adopted adopted;
	enum status status = adopt(settings, adoption, NULL, &adopted);

	if (status != STATUS_DONE)
		return status;
	if (settings->json)
		print_json(settings, &adopted);
	else
		print_source(adoption, &adopted);
	return adopted_attach(adoption, &adopted,
	    &(struct adopted_table){ settings->foreign.pg, settings->table,
		settings->chain_by, settings->apply, settings->json });
}

/* Options that need or exclude each other. */
static enum status
check(const struct settings *settings, const char *path)
{
	struct foreign_options where = settings->foreign;

	where.path = path;
	if (settings->apply &&
	    (settings->into == NULL) == (settings->table == NULL))
		return options_refuse(&command_adopt,
		    "\"--apply\" needs either \"--into\" or \"--table\"");
	if (settings->table != NULL && settings->foreign.pg == NULL)
		return options_refuse(&command_adopt,
		    "\"--table\" needs \"--pg\"");
	if (settings->chain_by != NULL && settings->table == NULL)
		return options_refuse(&command_adopt,
		    "\"--chain-by\" needs \"--table\"");
	return foreign_check(&command_adopt, &where);
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct progress progress;
	const struct tally_verify_options how = { .progress = on_progress,
		.arg = &progress };
	struct tally_adoption adoption = { .path = operand[0],
		.from = settings->from,
		.chain = settings->chain,
		.salted = settings->salt,
		.options = &how };
	struct adopted_source source = { .options = &settings->foreign };
	enum status status = check(settings, operand[0]);

	if (status != STATUS_DONE)
		return status;
	signals_catch();
	progress_init(&progress, settings->json);
	status = adopted_prepare(&adoption, &settings->foreign, &source);
	if (status == STATUS_DONE)
		status = settings->table != NULL
		    ? into_database(settings, &adoption)
		    : into_log(settings, &adoption);
	adopted_end(&adoption, &source);
	return status;
}

const struct command command_adopt = {
	.name = "adopt",
	.summary = "commit to a foreign chain, and go on from there",
	.synopsis =
	    "adopt FILE --profile NAME [--into DIR [--apply]] [--chain NAME]\n"
	    "                   [--from TEXT] [--csv] [--set NAME=VALUE]"
	    " [--salt] [--json]\n"
	    "       tally adopt --pg CONNINFO --profile NAME [--query SQL]\n"
	    "                   (--into DIR | --table NAME [--chain-by COLUMN])"
	    " [--apply] ...",
	.about =
	    "Verifies FILE by its profile and says what it would do.  With"
	    " --apply it appends\nto the log in DIR the digest of every record,"
	    " the hash that it stores, and what\nwas found in it, in an era of"
	    " its own at the beginning of a chain.  FILE is only\nread."
	    "  A table is attached where it is, and its rows of before are"
	    " sealed.\nInterrupted, the same call goes on; later it adopts what"
	    " came since.",
	.options = options,
	.example =
	    "  tally init audit.log --origin example.org/kb\n"
	    "  tally adopt audit.jsonl --profile vouch --into audit.log"
	    " --apply\n"
	    "  tally verify audit.jsonl --profile vouch --adopted audit.log\n"
	    "  tally adopt --pg dbname=app --profile breeze-v1 --table"
	    " audit_logs --apply",
	.statuses =
	    "  0 adopted, or what would be  2 refused  4 no such file or log\n"
	    "  5 not adopted  6 the source has a writer  130 interrupted",
	.operands = { "FILE" },
	.needed = 0,
	.settings_size = sizeof(struct settings),
	.run = run,
};
