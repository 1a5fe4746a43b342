/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <tally/publish.h>
#include <tally/witness.h>

#include "commands.h"
#include "passphrase.h"

struct settings {
	const char *name;
	const char *passphrase_file;
	bool no_passphrase;
	bool witness;
	bool json;
};

static const struct option options[] = {
	{ "name", "ORIGIN", OPTION_TEXT, offsetof(struct settings, name),
	    "generate: the origin of the log, or the witness's name" },
	{ "passphrase-file", "FILE", OPTION_TEXT,
	    offsetof(struct settings, passphrase_file),
	    "generate: the passphrase is FILE's first line" },
	{ "no-passphrase", NULL, OPTION_FLAG,
	    offsetof(struct settings, no_passphrase),
	    "generate: keep the key unencrypted" },
	{ "witness", NULL, OPTION_FLAG, offsetof(struct settings, witness),
	    "generate: the key of a witness, not of a log" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static void
print(const struct settings *settings, const char *vkey, bool encrypted)
{
	if (!settings->json) {
		puts(vkey);
		return;
	}
	fputs("{\"vkey\":", stdout);
	output_json(vkey, strlen(vkey));
	printf(",\"encrypted\":%s}\n", encrypted ? "true" : "false");
}

static enum status
generate(const struct settings *settings, const char *path)
{
	struct passphrase passphrase = { 0 };
	char vkey[TALLY_VKEY_TEXT_SIZE];
	struct tally_error error = { 0 };
	enum status status = STATUS_DONE;
	int result;

	if (settings->name == NULL)
		return options_refuse(&command_key, "\"--name\" is missing");
	if (settings->no_passphrase && settings->passphrase_file != NULL)
		return options_refuse(&command_key,
		    "\"--no-passphrase\" and \"--passphrase-file\" exclude"
		    " each other");
	if (!settings->no_passphrase)
		status = passphrase_get(settings->passphrase_file, true,
		    &passphrase);
	if (status == STATUS_DONE && !settings->no_passphrase &&
	    !passphrase.given)
		status = options_refuse(&command_key,
		    "there is no passphrase: give \"--passphrase-file\" or"
		    " TALLY_PASSPHRASE, or say \"--no-passphrase\"");
	if (status == STATUS_DONE) {
		result = (settings->witness ? tally_key_generate_witness
					    : tally_key_generate)(path,
		    settings->name, passphrase.given ? passphrase.text : NULL,
		    vkey, &error);
		if (result != 0)
			status = output_failure(result, &error, false);
		else
			print(settings, vkey, passphrase.given);
	}
	passphrase_wipe(&passphrase);
	return status;
}

static enum status
show(const struct settings *settings, const char *path)
{
	char vkey[TALLY_VKEY_TEXT_SIZE];
	struct tally_error error = { 0 };
	bool encrypted = false;
	int result = tally_key_show(path, vkey, &encrypted, &error);

	if (result != 0)
		return output_failure(result, &error, false);
	print(settings, vkey, encrypted);
	return STATUS_DONE;
}

static enum status
run(const void *data, char *const *operand)
{
	if (strcmp(operand[0], "generate") == 0)
		return generate(data, operand[1]);
	if (strcmp(operand[0], "show") == 0)
		return show(data, operand[1]);
	return options_refuse(&command_key,
	    "\"%s\" is neither \"generate\" nor \"show\"", operand[0]);
}

const struct command command_key = {
	.name = "key",
	.summary = "make a key that signs checkpoints, or show its public half",
	.synopsis =
	    "key generate FILE --name ORIGIN [--passphrase-file FILE]\n"
	    "                               [--witness] [--json]\n"
	    "       tally key show FILE [--json]",
	.about =
	    "\"generate\" makes an Ed25519 key in a new file of mode 0600,"
	    " encrypted under a\npassphrase: of a file, of TALLY_PASSPHRASE, or"
	    " asked for.  Both print the key's\npublic half, which is for those"
	    " who check; \"show\" needs no passphrase.",
	.options = options,
	.example = "  tally key generate audit.key --name example.org/audit",
	.statuses = "  0 done  2 refused  4 no such file  5 input or output"
		    " error",
	.operands = { "ACTION", "FILE" },
	.needed = 2,
	.settings_size = sizeof(struct settings),
	.run = run,
};
