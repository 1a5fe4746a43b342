/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tally/log.h>

#include "commands.h"
#include "handle.h"

struct settings {
	bool json;
};

static const struct option options[] = {
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object per line" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static void
print_json(const struct tally_head *head)
{
	output_json_place(head->chain, head->chain_len, head->seq);
	fputs(",\"hash\":\"", stdout);
	output_hash(&head->hash);
	fputs("\",\"time\":\"", stdout);
	output_time(head->time_us);
	fputs("\"}\n", stdout);
}

static int
print_head(void *arg, const struct tally_head *head)
{
	const struct settings *settings = arg;

	if (settings->json) {
		print_json(head);
		return 0;
	}
	output_name(head->chain, head->chain_len);
	printf("\t%" PRIu64 "\t", head->seq);
	output_hash(&head->hash);
	fputc('\t', stdout);
	output_time(head->time_us);
	fputc('\n', stdout);
	return 0;
}

static enum status
print_one(struct tally_log *log, const char *chain, struct settings *settings)
{
	struct tally_error error = { 0 };
	struct tally_head head;
	int result = tally_log_head(log, chain, strlen(chain), &head, &error);

	if (result == TALLY_END) {
		complain("there is no chain \"%s\"", chain);
		return STATUS_NOT_FOUND;
	}
	if (result != 0)
		return output_failure(result, &error, false);
	(void)print_head(settings, &head);
	return STATUS_DONE;
}

static enum status
run(const void *data, char *const *operand)
{
	struct settings settings = *(const struct settings *)data;
	struct tally_error error = { 0 };
	struct tally_log *log;
	enum status status = handle_open_reader(operand[0], &log);
	int result;

	if (status != STATUS_DONE)
		return status;
	if (operand[1] != NULL) {
		status = print_one(log, operand[1], &settings);
	} else {
		result = tally_log_heads(log, print_head, &settings, &error);
		if (result != 0)
			status = output_failure(result, &error, false);
	}
	return handle_close(log, status);
}

const struct command command_head = {
	.name = "head",
	.summary = "print the last record of every chain, or of one",
	.synopsis = "head DIR [CHAIN] [--json]",
	.about =
	    "Prints chain, seq, hash and time of the last durable record of"
	    " every chain,\nor of one, separated by tabs.  Kept outside, with"
	    " --json, this is what\n\"tally verify --heads\" takes.",
	.options = options,
	.example = "  tally head audit.log org/42",
	.statuses = "  0 done  4 no such log or chain  5 input or output error",
	.operands = { "DIR", "CHAIN" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
