/* SPDX-License-Identifier: Apache-2.0 */
/* tally pg export: a chain of a database as a file log. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tally/pg.h>

#include "commands.h"
#include "progress.h"
#include "signals.h"

struct settings {
	const char *chain;
	bool quiet;
};

static const struct option options[] = {
	{ "chain", "NAME", OPTION_TEXT, offsetof(struct settings, chain),
	    "the chain; needed" },
	{ "quiet", NULL, OPTION_FLAG, offsetof(struct settings, quiet),
	    "print nothing" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static int
on_progress(void *arg, const struct tally_progress *now)
{
	progress_draw(arg, now);
	return signals_caught();
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct progress progress;
	struct tally_pg_export_options how = {
		.chain = settings->chain,
		.progress = on_progress,
		.arg = &progress,
	};
	struct tally_pg_exported done;
	struct tally_error error = { 0 };
	int result;

	if (settings->chain == NULL)
		return options_refuse(&command_pg_export,
		    "\"--chain\" is needed");
	how.chain_len = strlen(settings->chain);
	progress_init(&progress, settings->quiet);
	signals_catch();
	result = tally_pg_export(operand[0], &how, operand[1], &done, &error);
	progress_clear(&progress);
	if (result == TALLY_PARTIAL) {
		complain("interrupted; \"%s\" is no log", operand[1]);
		return STATUS_INTERRUPTED;
	}
	if (result != 0)
		return output_failure(result, &error, true);
	if (!settings->quiet)
		printf("%" PRIu64 " records, %" PRIu64 " with their events\n",
		    done.records, done.events);
	return STATUS_DONE;
}

const struct command command_pg_export = {
	.name = "pg export",
	.summary = "write a chain as a file log",
	.synopsis = "pg export CONNINFO DIR --chain NAME [--quiet]",
	.about =
	    "Makes DIR, a file log of tally:log and the chain, which"
	    " \"tally verify\" accepts.\nA record has its event if that was"
	    " kept or its row still shows it.",
	.options = options,
	.example = "  tally pg export dbname=app copy --chain audit/42\n"
		   "  tally verify copy",
	.statuses = "  0 done  2 DIR is there  3 the chain does not hold"
		    "  4 no such chain\n  5 database, input or output error"
		    "  130 interrupted",
	.operands = { "CONNINFO", "DIR" },
	.needed = 2,
	.settings_size = sizeof(struct settings),
	.run = run,
};
