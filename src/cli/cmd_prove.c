/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <tally/bundle.h>

#include "commands.h"
#include "handle.h"

struct settings {
	const char *chain;
	struct option_count seq;
	bool bundle;
	struct option_count from;
	struct option_count to;
	const char *out;
};

static const struct option options[] = {
	{ "chain", "NAME", OPTION_TEXT, offsetof(struct settings, chain),
	    "the record's chain" },
	{ "seq", "N", OPTION_COUNT, offsetof(struct settings, seq),
	    "the record's number in it" },
	{ "bundle", NULL, OPTION_FLAG, offsetof(struct settings, bundle),
	    "the chain's records, under the last checkpoint" },
	{ "from", "N", OPTION_COUNT, offsetof(struct settings, from),
	    "of a bundle: the first record; 1" },
	{ "to", "N", OPTION_COUNT, offsetof(struct settings, to),
	    "of a bundle: the last record; all" },
	{ "out", "FILE", OPTION_TEXT, offsetof(struct settings, out),
	    "write to FILE" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

/* Where it is written to. */
struct destination {
	const char *path; /* NULL: standard output */
	FILE *file;
	int failed; /* errno */
};

static enum status
destination_open(struct destination *to, const char *path)
{
	to->path = path;
	to->failed = 0;
	to->file = path == NULL ? stdout : fopen(path, "w");
	if (to->file != NULL)
		return STATUS_DONE;
	complain("cannot write \"%s\": %s", path, output_reason(errno));
	return STATUS_IO;
}

/* tally_write_fn. */
static int
destination_write(void *arg, const void *bytes, size_t len)
{
	struct destination *to = arg;

	if (fwrite(bytes, 1, len, to->file) == len)
		return TALLY_OK;
	to->failed = errno;
	return TALLY_E_IO;
}

/* A file that holds half of a text; a device or a pipe stays. */
static void
destination_remove(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
		(void)unlink(path);
}

/* What could not be written to standard output is told at the very end. */
static enum status
destination_close(struct destination *to, enum status status)
{
	if (to->path == NULL)
		return status;
	if (fclose(to->file) != 0 && to->failed == 0)
		to->failed = errno;
	if (to->failed == 0)
		return status;
	complain("cannot write \"%s\": %s", to->path,
	    output_reason(to->failed));
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
	struct destination to;
	enum status status;
	char *text = NULL;
	size_t len = 0;
	int result = tally_log_prove(log, settings->chain,
	    strlen(settings->chain), settings->seq.value, &text, &len, &error);

	if (result == TALLY_END)
		return not_found(log, settings);
	if (result != 0)
		return output_failure(result, &error, false);
	status = destination_open(&to, settings->out);
	if (status == STATUS_DONE) {
		(void)destination_write(&to, text, len);
		status = destination_close(&to, status);
	}
	free(text);
	return status;
}

static enum status
bundle(struct tally_log *log, const struct settings *settings)
{
	const struct tally_bundle_range range = { .chain = settings->chain,
		.chain_len = strlen(settings->chain),
		.from_seq = settings->from.value,
		.to_seq = settings->to.value };
	struct tally_error error = { 0 };
	struct destination to;
	enum status status = destination_open(&to, settings->out);
	int result;

	if (status != STATUS_DONE)
		return status;
	result = tally_log_bundle(log, &range, destination_write, &to, &error);
	if (result == TALLY_END) {
		complain("%s", error.message);
		status = STATUS_NOT_FOUND;
	} else if (to.failed != 0) {
		status = STATUS_IO;
	} else if (result != 0) {
		status = output_failure(result, &error, false);
	}
	status = destination_close(&to, status);
	if (status != STATUS_DONE && settings->out != NULL)
		destination_remove(settings->out);
	return status;
}

/* The complaint about what does not go together, or NULL. */
static const char *
find_fault(const struct settings *settings)
{
	if (settings->chain == NULL)
		return "\"--chain\" is missing";
	if (settings->bundle && settings->seq.given)
		return "\"--bundle\" goes with \"--from\" and \"--to\", not"
		       " with \"--seq\"";
	if (!settings->bundle && (settings->from.given || settings->to.given))
		return "\"--from\" and \"--to\" go with \"--bundle\"";
	if (!settings->bundle && !settings->seq.given)
		return "\"--seq\" is missing";
	if ((settings->seq.given && settings->seq.value == 0) ||
	    (settings->from.given && settings->from.value == 0) ||
	    (settings->to.given && settings->to.value == 0))
		return "a chain's records are numbered from 1";
	return NULL;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	const char *fault = find_fault(settings);
	struct tally_log *log;
	enum status status;

	if (fault != NULL)
		return options_refuse(&command_prove, "%s", fault);
	status = handle_open_reader(operand[0], &log);
	if (status != STATUS_DONE)
		return status;
	return handle_close(log,
	    settings->bundle ? bundle(log, settings) : prove(log, settings));
}

const struct command command_prove = {
	.name = "prove",
	.summary = "print a proof of a record or a chain that travels alone",
	.synopsis = "prove DIR --chain NAME --seq N [--out FILE]\n"
		    "       tally prove DIR --chain NAME --bundle [--from N]"
		    " [--to N] [--out FILE]",
	.about =
	    "Prints a proof of one record: its line, its place in the"
	    " log's tree, and the\ntree's size and root as of now.  Or, with"
	    " \"--bundle\", a chain's records with\ntheir place under the last"
	    " checkpoint.  \"tally check\" judges both without the\nlog.",
	.options = options,
	.example =
	    "  tally prove audit.log --chain org/42 --seq 7 --out proof\n"
	    "  tally prove audit.log --chain org/42 --bundle --out org-42",
	.statuses =
	    "  0 done  4 no such log, chain or record  5 input or output"
	    " error",
	.operands = { "DIR" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
