/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <tally/witness.h>

#include "commands.h"

struct settings {
	const char *key;
};

static const struct option options[] = {
	{ "key", "VKEY|FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "the log's public key, or a file that begins with it" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

/* A vkey is one, and everything else is the name of a file. */
static int
take_key(const char *text, char out[TALLY_VKEY_TEXT_SIZE],
    struct tally_error *error)
{
	if (strchr(text, '+') == NULL)
		return tally_key_show(text, out, NULL, error);
	(void)snprintf(out, TALLY_VKEY_TEXT_SIZE, "%s", text);
	return TALLY_OK;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct tally_error error = { 0 };
	char vkey[TALLY_VKEY_TEXT_SIZE];
	int result;

	if (settings->key == NULL)
		return options_refuse(&command_witness_add,
		    "\"--key\" is missing");
	result = take_key(settings->key, vkey, &error);
	if (result == 0)
		result = tally_witness_know(operand[0], vkey, &error);
	return result == 0 ? STATUS_DONE
			   : output_failure(result, &error, false);
}

const struct command command_witness_add = {
	.name = "witness add",
	.summary = "let a witness know a log",
	.synopsis = "witness add STATE --key VKEY|FILE",
	.about =
	    "From now on the witness whose state is in the directory STATE"
	    " cosigns the\ncheckpoints of the log that has this key, from the"
	    " empty log on.  The key's name\nis the log's origin.  A log may"
	    " have several keys.",
	.options = options,
	.example = "  tally witness add state --key audit.pub",
	.statuses = "  0 done  2 refused  5 input or output error",
	.operands = { "STATE" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
