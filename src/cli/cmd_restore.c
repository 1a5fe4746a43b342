/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/publish.h>

#include "commands.h"
#include "input.h"
#include "register.h"
#include "signer.h"

#define NOTE_MAX ((size_t)64 << 10)

struct settings {
	const char *into;
	const char *origin;
	const char *key;
	const char *passphrase_file;
	const char *where; /* the register */
	const char *outside;
	const char *reason;
	bool json;
};

static const struct option options[] = {
	{ "into", "NEW", OPTION_TEXT, offsetof(struct settings, into),
	    "the new log's directory" },
	{ "origin", "ORIGIN", OPTION_TEXT, offsetof(struct settings, origin),
	    "the new log's origin" },
	{ "key", "FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "the new log's key" },
	{ "reason", "TEXT", OPTION_TEXT, offsetof(struct settings, reason),
	    "what happened" },
	{ "register", "WHERE", OPTION_TEXT, offsetof(struct settings, where),
	    "the old log's register; DIR/register" },
	{ "outside", "FILE", OPTION_TEXT, offsetof(struct settings, outside),
	    "the last checkpoint that went out" },
	{ "passphrase-file", "FILE", OPTION_TEXT,
	    offsetof(struct settings, passphrase_file),
	    "the passphrase is FILE's first line" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static void
print_root(const char *word, uint64_t size, const struct tally_hash *root)
{
	printf("%s%" PRIu64 ":", word, size);
	output_hash(root);
	fputc('\n', stdout);
}

static void
print(const struct settings *settings, const struct tally_restored *restored)
{
	if (!settings->json) {
		print_root("was      ", restored->outside_size,
		    &restored->outside_root);
		print_root("found    ", restored->size, &restored->root);
		printf("goes on  %s, by tally:log %" PRIu64 "\n",
		    settings->origin, restored->receipt.seq);
		return;
	}
	printf("{\"outside_size\":%" PRIu64 ",\"outside_root\":\"",
	    restored->outside_size);
	output_hash(&restored->outside_root);
	printf("\",\"size\":%" PRIu64 ",\"root\":\"", restored->size);
	output_hash(&restored->root);
	fputs("\",\"origin\":", stdout);
	output_json(settings->origin, strlen(settings->origin));
	printf(",\"seq\":%" PRIu64 ",\"hash\":\"", restored->receipt.seq);
	output_hash(&restored->receipt.hash);
	fputs("\"}\n", stdout);
}

static const char *
find_missing(const struct settings *settings)
{
	if (settings->into == NULL)
		return "into";
	if (settings->origin == NULL)
		return "origin";
	if (settings->key == NULL)
		return "key";
	return settings->reason == NULL ? "reason" : NULL;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	const char *missing = find_missing(settings);
	struct tally_restore_options how = { .dir = operand[0],
		.into = settings->into,
		.origin = settings->origin,
		.register_dir = settings->where,
		.reason = settings->reason };
	struct tally_signer *signer = NULL;
	struct tally_restored restored;
	struct tally_error error = { 0 };
	enum status status = STATUS_DONE;
	char *outside = NULL;
	int result;

	if (missing != NULL)
		return options_refuse(&command_restore, "\"--%s\" is missing",
		    missing);
	if (settings->outside != NULL)
		status = input_file(settings->outside, NOTE_MAX, "a checkpoint",
		    &outside, &how.outside_len);
	if (status == STATUS_DONE)
		status = signer_load(settings->key, settings->passphrase_file,
		    &signer);
	if (status == STATUS_DONE)
		status = register_open(settings->where, &how.reg);
	if (status == STATUS_DONE) {
		how.outside = outside;
		how.signer = signer;
		result = tally_restore(&how, &restored, &error);
		if (result != 0)
			status = output_failure(result, &error, false);
		else
			print(settings, &restored);
	}
	tally_outside_register_close(how.reg);
	tally_signer_free(signer);
	free(outside);
	return status;
}

const struct command command_restore = {
	.name = "restore",
	.summary = "go on under a new name after a log was cut or put back",
	.synopsis = "restore DIR --into NEW --origin ORIGIN --key FILE\n"
		    "                     --reason TEXT [--register WHERE]"
		    " [--outside FILE]\n"
		    "                     [--passphrase-file FILE] [--json]",
	.about =
	    "Ends the origin of the log in DIR, which is not what went out any"
	    " more, and\nbegins a new log: its first order names the old one,"
	    " what is left of it, and the\nlast checkpoint.  Nothing is signed"
	    " under the old origin again.\nDIR is only read.",
	.options = options,
	.example = "  tally restore audit.log --into audit2.log --origin"
		   " example.org/audit2 \\\n"
		   "    --key audit2.key --register /elsewhere/register"
		   " --reason 'disk lost'",
	.statuses = "  0 done  2 refused  3 no checkpoint  4 no such log or key"
		    "\n  5 input or output error  6 locked",
	.operands = { "DIR" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
