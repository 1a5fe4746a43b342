/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <tally/proof.h>

#include "commands.h"
#include "handle.h"

struct settings {
	const char *chain;
	struct option_count seq;
	const char *out;
};

static const struct option options[] = {
	{ "chain", "NAME", OPTION_TEXT, offsetof(struct settings, chain),
	    "the record's chain" },
	{ "seq", "N", OPTION_COUNT, offsetof(struct settings, seq),
	    "the record's number in it" },
	{ "out", "FILE", OPTION_TEXT, offsetof(struct settings, out),
	    "write the proof to FILE" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

/* Writes the whole text, or removes what was written of it. */
static enum status
write_file(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "w");
	int failed = 0;

	if (file == NULL) {
		complain("cannot write \"%s\": %s", path, output_reason(errno));
		return STATUS_IO;
	}
	if (fwrite(text, 1, len, file) != len || fflush(file) != 0)
		failed = errno;
	if (fclose(file) != 0 && failed == 0)
		failed = errno;
	if (failed == 0)
		return STATUS_DONE;
	complain("cannot write \"%s\": %s", path, output_reason(failed));
	return STATUS_IO;
}

static enum status
not_found(struct tally_log *log, const struct settings *settings)
{
	struct tally_head head;

	if (tally_log_head(log, settings->chain, strlen(settings->chain), &head,
		NULL) != 0)
		complain("there is no chain \"%s\"", settings->chain);
	else
		complain("there is no record %" PRIu64 " in chain \"%s\"; its"
			 " last is %" PRIu64,
		    settings->seq.value, settings->chain, head.seq);
	return STATUS_NOT_FOUND;
}

static enum status
prove(struct tally_log *log, const struct settings *settings)
{
	struct tally_error error = { 0 };
	enum status status = STATUS_DONE;
	char *text = NULL;
	size_t len = 0;
	int result = tally_log_prove(log, settings->chain,
	    strlen(settings->chain), settings->seq.value, &text, &len, &error);

	if (result == TALLY_END)
		return not_found(log, settings);
	if (result != 0)
		return output_failure(result, &error, false);
	if (settings->out != NULL)
		status = write_file(settings->out, text, len);
	else
		(void)fwrite(text, 1, len, stdout);
	free(text);
	return status;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct tally_log *log;
	enum status status;

	if (settings->chain == NULL)
		return options_refuse(&command_prove, "\"--chain\" is missing");
	if (!settings->seq.given)
		return options_refuse(&command_prove, "\"--seq\" is missing");
	if (settings->seq.value == 0)
		return options_refuse(&command_prove,
		    "a chain's records are numbered from 1");
	status = handle_open_reader(operand[0], &log);
	if (status != STATUS_DONE)
		return status;
	return handle_close(log, prove(log, settings));
}

const struct command command_prove = {
	.name = "prove",
	.summary = "print a proof of one record that travels alone",
	.synopsis = "prove DIR --chain NAME --seq N [--out FILE]",
	.about =
	    "Prints a proof of one record: its line, its place in the"
	    " log's tree, and the\ntree's size and root as of now.  \"tally"
	    " check\" judges it without the log.",
	.options = options,
	.example = "  tally prove audit.log --chain org/42 --seq 7 --out proof",
	.statuses =
	    "  0 done  4 no such log, chain or record  5 input or output"
	    " error",
	.operands = { "DIR" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
