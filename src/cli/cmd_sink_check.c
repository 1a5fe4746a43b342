/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "sinks.h"

struct settings {
	const char *config;
	const char *queue;
	const char *key;
	struct option_count since;
	bool json;
};

static const struct option options[] = {
	{ "config", "FILE", OPTION_TEXT, offsetof(struct settings, config),
	    "the sinks, as JSON" },
	{ "key", "VKEY|FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "the log's public key, or a file that begins with it" },
	{ "queue", "DIR", OPTION_TEXT, offsetof(struct settings, queue),
	    "the queue of \"tally sink send\"; DIR/sinks" },
	{ "since", "SIZE", OPTION_COUNT, offsetof(struct settings, since),
	    "only what went out for sizes above" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object per line" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

struct printing {
	const struct settings *settings;
	const char *sink;
	bool found;
};

static void
print_finding(void *arg, const struct tally_finding *finding)
{
	struct printing *printing = arg;
	const char *kind = tally_finding_name(finding->kind);
	size_t len = finding->chain == NULL ? 0 : strlen(finding->chain);

	printing->found = true;
	if (printing->settings->json) {
		printf("{\"sink\":\"%s\",\"kind\":\"%s\"", printing->sink,
		    kind);
		if (finding->chain != NULL) {
			fputs(",\"chain\":", stdout);
			output_json(finding->chain, len);
			printf(",\"seq\":%" PRIu64, finding->seq);
		}
		fputs(",\"detail\":", stdout);
		output_json(finding->detail, strlen(finding->detail));
		fputs("}\n", stdout);
		return;
	}
	output_word(COLOUR_BAD, kind);
	fputs("  ", stdout);
	if (finding->chain != NULL) {
		output_name(finding->chain, len);
		printf(" %" PRIu64 "  ", finding->seq);
	}
	puts(finding->detail);
}

static void
print_report(const struct settings *settings, const char *name,
    const struct tally_sink_report *report, const char *verdict)
{
	if (settings->json) {
		printf("{\"sink\":\"%s\",\"verdict\":\"%s\",\"lines\":%" PRIu64
		       ",\"foreign\":%" PRIu64 ",\"forged\":%" PRIu64
		       ",\"newest_size\":%" PRIu64 ",\"lost\":%s"
		       ",\"findings\":%" PRIu64 "}\n",
		    name, verdict, report->lines, report->foreign,
		    report->forged, report->newest_size,
		    report->lost ? "true" : "false", report->findings);
		return;
	}
	printf("%s  ", name);
	output_word(strcmp(verdict, "intact") == 0 ? COLOUR_GOOD : COLOUR_BAD,
	    verdict);
	printf("  %" PRIu64 " lines, newest size %" PRIu64 "\n", report->lines,
	    report->newest_size);
	if (report->lost)
		complain("the sink \"%s\" has lost what it had", name);
	if (report->foreign > 0)
		complain("the sink \"%s\" holds %" PRIu64 " lines that the key"
			 " did not sign",
		    name, report->foreign);
	if (report->forged > 0)
		complain("the sink \"%s\" holds %" PRIu64 " lines whose"
			 " signature does not hold",
		    name, report->forged);
}

/*
 * Tampering of the log is what was signed and does not agree.  A sink that
 * lost something, or holds nothing that is signed, leaves the log unjudged.
 */
static enum status
check_one(const struct settings *settings, struct sinks *sinks, size_t i)
{
	struct tally_sink_status status;
	struct tally_sink_report report;
	struct tally_error error = { 0 };
	struct printing printing = { settings, NULL, false };
	const char *verdict = "intact";
	enum status result_status = STATUS_DONE;
	int result;

	tally_outside_status(sinks->outside, i, &status);
	printing.sink = status.name;
	result = tally_outside_compare(sinks->outside, i, settings->since.value,
	    print_finding, &printing, &report, &error);
	if (result == TALLY_END) {
		complain("the sink \"%s\" cannot be read back", status.name);
		return STATUS_DONE;
	}
	if (result != 0) {
		complain("the sink \"%s\":", status.name);
		result_status = output_failure(result, &error, true);
		/* What was found before it failed stands. */
		return printing.found ? STATUS_TAMPERED : result_status;
	}
	if (report.findings > 0) {
		verdict = "tampered";
		result_status = STATUS_TAMPERED;
	} else if (report.lost || report.forged > 0 || report.lines == 0) {
		verdict = "unverifiable";
		result_status = STATUS_UNJUDGED;
	}
	print_report(settings, status.name, &report, verdict);
	return result_status;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	const struct sinks_settings how = { .config = settings->config,
		.queue = settings->queue,
		.key = settings->key,
		.is_public = true };
	enum status status, worst = STATUS_DONE;
	struct sinks sinks;

	if (settings->config == NULL || settings->key == NULL)
		return options_refuse(&command_sink_check,
		    "\"--%s\" is missing",
		    settings->config == NULL ? "config" : "key");
	status = sinks_open(&sinks, operand[0], &how);
	if (status == STATUS_DONE) {
		size_t count = tally_outside_count(sinks.outside);

		for (size_t i = 0; i < count; i++) {
			status = check_one(settings, &sinks, i);
			if (worst != STATUS_TAMPERED && status != STATUS_DONE)
				worst = status;
		}
		status = worst;
	}
	sinks_close(&sinks);
	return status;
}

const struct command command_sink_check = {
	.name = "sink check",
	.summary = "hold a log against what the sinks have",
	.synopsis = "sink check DIR --config FILE --key VKEY|FILE"
		    " [--queue DIR]\n                        [--since SIZE]"
		    " [--json]",
	.about =
	    "Reads back what every sink holds, and holds the log against it:"
	    " the root of\neach checkpoint, and each head.  Only what the key"
	    " signed counts.  A log that\nwas cut or replaced is told with"
	    " chain and seq.",
	.options = options,
	.example = "  tally sink check audit.log --config sinks.json"
		   " --key audit.pub",
	.statuses = "  0 all agree  1 the log is not what went out  2 refused\n"
		    "  3 a sink has nothing that is signed, or lost something\n"
		    "  4 no such log or key  5 a sink cannot be read",
	.operands = { "DIR" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
