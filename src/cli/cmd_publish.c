/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally publish: carries a database into a log on another machine, once or
 * for ever, and signs checkpoints of it.
 *
 * Every round opens the log, asks it where it ends, and connects anew: what a
 * round leaves behind is in the log, so nothing is lost with the process.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/pg.h>
#include <tally/publish.h>

#include "carried.h"
#include "commands.h"
#include "progress.h"
#include "register.h"
#include "signals.h"
#include "signer.h"
#include "verdict.h"

/* How often another carrier may be ahead in one round. */
#define TRIES 8

#define INTERVAL_MAX 86400

struct settings {
	const char *conninfo;
	const char *into;
	bool without_events;
	struct option_count interval;
	const char *key;
	const char *passphrase_file;
	const char *where; /* the register */
	bool quiet;
	bool json;
};

static const struct option options[] = {
	{ "pg", "CONNINFO", OPTION_TEXT, offsetof(struct settings, conninfo),
	    "the database; needed" },
	{ "into", "DIR", OPTION_TEXT, offsetof(struct settings, into),
	    "the log that it is carried into; needed" },
	{ "without-events", NULL, OPTION_FLAG,
	    offsetof(struct settings, without_events),
	    "leave the events where they are" },
	{ "interval", "SECONDS", OPTION_COUNT,
	    offsetof(struct settings, interval),
	    "go on for ever, every so often" },
	{ "key", "FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "sign a checkpoint with it, too" },
	{ "passphrase-file", "FILE", OPTION_TEXT,
	    offsetof(struct settings, passphrase_file),
	    "the passphrase is FILE's first line" },
	{ "register", "WHERE", OPTION_TEXT, offsetof(struct settings, where),
	    "where sizes are registered, see tally-checkpoint(1)" },
	{ "quiet", NULL, OPTION_FLAG, offsetof(struct settings, quiet),
	    "print findings only" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object for each round" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

struct round {
	const struct settings *settings;
	struct tally_signer *signer; /* or NULL */
	struct tally_register *reg;  /* or NULL: a directory */
	struct carried carried;
	struct progress progress;
	struct tally_pg_carried done;
	uint64_t findings; /* printed */
};

/* ---- carrying --------------------------------------------------------- */

static int
on_take(void *arg, const struct tally_record *records, size_t count,
    struct tally_error *error)
{
	struct round *round = arg;

	return tally_carrier_take(round->carried.carrier, records, count,
	    error);
}

static void
on_finding(void *arg, const struct tally_finding *finding)
{
	struct round *round = arg;

	progress_clear(&round->progress);
	verdict_finding(finding, round->settings->json, round->findings++ == 0);
}

static int
on_progress(void *arg, const struct tally_progress *now)
{
	struct round *round = arg;

	progress_draw(&round->progress, now);
	return signals_caught();
}

static int
carry_once(struct round *round, const struct tally_pg_place *place,
    struct tally_error *error)
{
	const struct tally_pg_carry_options how = {
		.place = *place,
		.heads = round->carried.heads,
		.heads_len = round->carried.heads_len,
		.without_events = round->settings->without_events,
		.take = on_take,
		.finding = on_finding,
		.progress = on_progress,
		.arg = round,
	};

	return tally_pg_carry(round->settings->conninfo, &how, &round->done,
	    error);
}

/* Opens the log, and carries; *out_busy: another carrier was ahead. */
static enum status
carry(struct round *round, bool *out_busy)
{
	struct tally_error error = { 0 };
	struct tally_pg_place place;
	struct tally_carried_source source;
	enum status status;
	int result = tally_pg_locate(round->settings->conninfo, &place, &error);

	*out_busy = false;
	if (result != 0)
		return output_failure(result, &error, true);
	source = (struct tally_carried_source){ .cluster = place.cluster,
		.database = place.database,
		.timeline = place.timeline };
	status = carried_open(&round->carried, round->settings->into, &source);
	if (status == STATUS_DONE) {
		result = carry_once(round, &place, &error);
		*out_busy = result == TALLY_E_CONFLICT;
	}
	status = carried_close(&round->carried, status);
	if (result == TALLY_PARTIAL)
		return STATUS_INTERRUPTED;
	if (status != STATUS_DONE || result == 0 || *out_busy)
		return status;
	return output_failure(result, &error, true);
}

/* ---- the checkpoint --------------------------------------------------- */

static enum status
sign(struct round *round, struct tally_published_checkpoint *out)
{
	struct tally_signer *const signers[] = { round->signer };
	const struct tally_publish_options how = { .signers = signers,
		.signers_len = 1,
		.register_dir = round->settings->where,
		.reg = round->reg };
	struct tally_error error = { 0 };
	int result = tally_publish(round->settings->into, &how, out, &error);

	if (result != 0)
		return output_failure(result, &error, false);
	free(out->note);
	out->note = NULL;
	if (out->verdict == TALLY_PUBLISH_SIGNED ||
	    out->verdict == TALLY_PUBLISH_CURRENT)
		return STATUS_DONE;
	complain("the log is not what went out last; nothing was signed: see"
		 " \"tally checkpoint\"");
	return STATUS_TAMPERED;
}

/* ---- a round ---------------------------------------------------------- */

static void
print_root(const struct tally_published_checkpoint *signed_, const char *head)
{
	printf("%s%" PRIu64 ":", head, signed_->size);
	output_hash(&signed_->root);
}

static void
print_round(const struct round *round,
    const struct tally_published_checkpoint *out)
{
	if (round->settings->json) {
		printf("%s],\"records\":%" PRIu64 ",\"events\":%" PRIu64
		       ",\"root\":",
		    round->findings == 0 ? "{\"findings\":[" : "",
		    round->done.records, round->done.events);
		if (out->size > 0)
			print_root(out, "\"");
		fputs(out->size > 0 ? "\"}\n" : "null}\n", stdout);
	} else {
		printf("%" PRIu64 " records carried, %" PRIu64
		       " with their events\n",
		    round->done.records, round->done.events);
		if (out->size > 0) {
			print_root(out, "root ");
			fputc('\n', stdout);
		}
	}
	(void)fflush(stdout);
}

static enum status
run_round(struct round *round)
{
	struct tally_published_checkpoint out = { 0 };
	enum status status = STATUS_DONE;
	bool busy = true;

	memset(&round->done, 0, sizeof(round->done));
	round->findings = 0;
	for (int i = 0; busy && status == STATUS_DONE && i < TRIES; i++)
		status = carry(round, &busy);
	progress_clear(&round->progress);
	if (status == STATUS_DONE && busy) {
		complain("another process carries into \"%s\" all the time",
		    round->settings->into);
		status = STATUS_BUSY;
	}
	if (status == STATUS_DONE && round->signer != NULL)
		status = sign(round, &out);
	if (status != STATUS_DONE && round->settings->json &&
	    round->findings > 0)
		verdict_break_off(round->findings);
	if (status == STATUS_DONE &&
	    (!round->settings->quiet || round->findings > 0))
		print_round(round, &out);
	if (status == STATUS_DONE && round->findings > 0)
		status = STATUS_TAMPERED;
	return status;
}

/* What went wrong in a round is said; the next one may go better. */
static enum status
serve(struct round *round)
{
	enum status status;

	do {
		status = run_round(round);
		if (!signals_caught())
			signals_sleep(round->settings->interval.value);
	} while (!signals_caught());
	return status == STATUS_INTERRUPTED ? STATUS_DONE : status;
}

static enum status
check(const struct settings *settings)
{
	if (settings->conninfo == NULL || settings->into == NULL)
		return options_refuse(&command_publish,
		    "\"--pg\" and \"--into\" are needed");
	if (settings->interval.given &&
	    (settings->interval.value == 0 ||
		settings->interval.value > INTERVAL_MAX))
		return options_refuse(&command_publish,
		    "\"--interval\" needs 1 to %d", INTERVAL_MAX);
	if (settings->key == NULL &&
	    (settings->passphrase_file != NULL || settings->where != NULL))
		return options_refuse(&command_publish,
		    "\"--register\" and \"--passphrase-file\" go with"
		    " \"--key\"");
	return STATUS_DONE;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct round round = { .settings = settings };
	enum status status = check(settings);

	(void)operand;
	if (status == STATUS_DONE && settings->key != NULL)
		status = signer_load(settings->key, settings->passphrase_file,
		    &round.signer);
	if (status == STATUS_DONE)
		status = register_open(settings->where, &round.reg);
	if (status != STATUS_DONE) {
		tally_signer_free(round.signer);
		return status;
	}
	signals_catch();
	progress_init(&round.progress,
	    settings->quiet || settings->interval.given);
	if (settings->interval.given)
		status = serve(&round);
	else
		status = run_round(&round);
	if (status == STATUS_INTERRUPTED)
		complain("interrupted; the same call goes on");
	tally_outside_register_close(round.reg);
	tally_signer_free(round.signer);
	return status;
}

const struct command command_publish = {
	.name = "publish",
	.summary = "carry a database into a log elsewhere",
	.synopsis = "publish --pg CONNINFO --into DIR [--without-events]\n"
		    "                     [--interval SECONDS] [--key FILE]"
		    " [--register WHERE]\n"
		    "                     [--passphrase-file FILE] [--quiet]"
		    " [--json]",
	.about =
	    "Copies what the database sealed since the last call, once it is"
	    " flushed and\nreplicated, as it was sealed, into a log on a"
	    " machine that the database's owner\ndoes not control.  \"tally pg"
	    " verify --against DIR\" then compares them.",
	.options = options,
	.example = "  tally init /backup/app --origin example.org/app\n"
		   "  tally publish --pg dbname=app --into /backup/app"
		   " --interval 60",
	.statuses =
	    "  0 done  1 the database is not what was carried  2 another"
	    " source\n  4 no such log  5 database, input or output error"
	    "  6 not durable yet\n  130 interrupted",
	.settings_size = sizeof(struct settings),
	.run = run,
};
