/* SPDX-License-Identifier: Apache-2.0 */
/* tally pg status: what tally is in a database, and what is wrong with it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tally/pg.h>

#include "commands.h"
#include "verdict.h"

struct settings {
	bool json;
};

static const struct option options[] = {
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

struct teller {
	bool json;
	uint64_t findings;
};

static void
on_finding(void *arg, const struct tally_finding *finding)
{
	struct teller *teller = arg;

	verdict_finding(finding, teller->json, teller->findings++ == 0);
}

static void
print_json(const struct tally_pg_state *status, uint64_t findings)
{
	if (findings == 0)
		fputs("{\"findings\":[", stdout);
	fputs("],\"database\":", stdout);
	output_json(status->database, strlen(status->database));
	printf(",\"cluster\":\"%" PRIu64 "\",\"server_version\":%d,"
	       "\"extension\":%s,\"chains\":%" PRIu64 ",\"attached\":%" PRIu64
	       "}\n",
	    status->cluster, status->server_version,
	    status->has_extension ? "true" : "false", status->chains,
	    status->attached);
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct teller teller = { .json = settings->json };
	struct tally_pg_state status;
	struct tally_error error = { 0 };
	int result;

	result = tally_pg_status(operand[0], on_finding, &teller, &status,
	    &error);
	if (result != 0) {
		if (settings->json)
			verdict_break_off(teller.findings);
		return output_failure(result, &error, true);
	}
	if (settings->json) {
		print_json(&status, teller.findings);
	} else {
		fputs("database  ", stdout);
		output_name(status.database, strlen(status.database));
		printf("\ncluster   %" PRIu64 "\nserver    %d.%d\ntally     %s"
		       "\nchains    %" PRIu64 "\nattached  %" PRIu64
		       "\nfindings  %" PRIu64 "\n",
		    status.cluster, status.server_version / 10000,
		    status.server_version % 10000,
		    status.has_extension ? "extension" : "tables alone",
		    status.chains, status.attached, status.findings);
	}
	return status.findings == 0 ? STATUS_DONE : STATUS_TAMPERED;
}

const struct command command_pg_status = {
	.name = "pg status",
	.summary = "look at a database's configuration",
	.synopsis = "pg status CONNINFO [--json]",
	.about = "Compares what tally:log says of attached tables with the"
		 " catalog: tables,\ncolumns, triggers.  It judges no records"
		 " and rows, which \"tally pg verify\" does.",
	.options = options,
	.example = "  tally pg status dbname=app",
	.statuses = "  0 all as it was sealed  1 something was found  4 no"
		    " chains there\n  5 database error",
	.operands = { "CONNINFO" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
