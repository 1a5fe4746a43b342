/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tally/publish.h>
#include <tally/witness.h>

#include "commands.h"
#include "handle.h"
#include "passphrase.h"
#include "signer.h"
#include "trust.h"

struct settings {
	const char *name;
	const char *passphrase_file;
	bool no_passphrase;
	bool witness;
	const char *key;
	const char *new;
	const char *old;
	bool last;
	bool json;
};

static const struct option options[] = {
	{ "name", "ORIGIN", OPTION_TEXT, offsetof(struct settings, name),
	    "generate: the log's origin, or the witness's name" },
	{ "passphrase-file", "FILE", OPTION_TEXT,
	    offsetof(struct settings, passphrase_file),
	    "the passphrase is FILE's first line" },
	{ "no-passphrase", NULL, OPTION_FLAG,
	    offsetof(struct settings, no_passphrase),
	    "generate: keep the key unencrypted" },
	{ "witness", NULL, OPTION_FLAG, offsetof(struct settings, witness),
	    "generate: the key of a witness, not of a log" },
	{ "key", "FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "orders: the key that signs; DIR/keys/key" },
	{ "new", "VKEY|FILE", OPTION_TEXT, offsetof(struct settings, new),
	    "add, rotate: the key that comes" },
	{ "old", "VKEY|FILE", OPTION_TEXT, offsetof(struct settings, old),
	    "retire: the key that goes; the one that signs" },
	{ "last", NULL, OPTION_FLAG, offsetof(struct settings, last),
	    "retire: though no key is left that signs" },
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

/* ---- orders ----------------------------------------------------------- */

static const struct order {
	const char *action;
	enum tally_key_change change;
	bool takes_new;
} orders[] = {
	{ "add", TALLY_KEY_ADD, true },
	{ "rotate", TALLY_KEY_ROTATE, true },
	{ "retire", TALLY_KEY_RETIRE, false },
};

static void
print_order(const struct settings *settings, const char *action,
    const char *vkey, const struct tally_receipt *receipt)
{
	if (!settings->json) {
		printf("%s by tally:log %" PRIu64 ": %s\n", action,
		    receipt->seq, vkey);
		return;
	}
	printf("{\"action\":\"%s\",\"vkey\":", action);
	output_json(vkey, strlen(vkey));
	printf(",\"seq\":%" PRIu64 ",\"index\":%" PRIu64 ",\"hash\":\"",
	    receipt->seq, receipt->index);
	output_hash(&receipt->hash);
	fputs("\"}\n", stdout);
}

static enum status
seal_order(const struct settings *settings, const char *dir,
    const struct order *order, const char *path, const char *vkey)
{
	struct tally_signer *signer = NULL;
	struct tally_receipt receipt;
	struct tally_error error = { 0 };
	struct tally_log *log;
	enum tally_key_change change = settings->last ? TALLY_KEY_RETIRE_LAST
						      : order->change;
	enum status status = signer_load(path, settings->passphrase_file,
	    &signer);
	int result;

	if (status == STATUS_DONE)
		status = handle_open_writer(dir, &log);
	if (status == STATUS_DONE) {
		result = tally_key_order(log, signer, change, vkey, &receipt,
		    &error);
		if (result != 0)
			status = output_failure(result, &error, false);
		else
			print_order(settings, order->action, vkey, &receipt);
		status = handle_close(log, status);
	}
	tally_signer_free(signer);
	return status;
}

static enum status
give_order(const struct settings *settings, const char *dir,
    const struct order *order)
{
	char path[4096], own[TALLY_VKEY_TEXT_SIZE];
	const char *which = order->takes_new ? settings->new : settings->old;
	struct tally_error error = { 0 };
	struct trust trust = { 0 };
	enum status status = STATUS_DONE;
	int result = 0;

	if (order->takes_new && settings->new == NULL)
		return options_refuse(&command_key, "\"--new\" is missing");
	if (order->takes_new ? settings->old != NULL : settings->new != NULL)
		return options_refuse(&command_key,
		    "\"--new\" goes with \"add\" and \"rotate\", \"--old\" with"
		    " \"retire\"");
	if (settings->last && order->takes_new)
		return options_refuse(&command_key,
		    "\"--last\" goes with \"retire\"");
	(void)snprintf(path, sizeof(path), "%s/keys/key", dir);
	if (settings->key != NULL)
		(void)snprintf(path, sizeof(path), "%s", settings->key);
	if (which == NULL)
		result = tally_key_show(path, own, NULL, &error);
	if (result != 0)
		return output_failure(result, &error, false);
	if (which != NULL)
		status = trust_read(which, NULL, &trust);
	if (status == STATUS_DONE)
		status = seal_order(settings, dir, order, path,
		    which != NULL ? trust.vkey[0] : own);
	trust_free(&trust);
	return status;
}

static enum status
run(const void *data, char *const *operand)
{
	if (strcmp(operand[0], "generate") == 0)
		return generate(data, operand[1]);
	if (strcmp(operand[0], "show") == 0)
		return show(data, operand[1]);
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		if (strcmp(operand[0], orders[i].action) == 0)
			return give_order(data, operand[1], &orders[i]);
	}
	return options_refuse(&command_key,
	    "\"%s\" is none of \"generate\", \"show\", \"add\", \"rotate\","
	    " \"retire\"",
	    operand[0]);
}

const struct command command_key = {
	.name = "key",
	.summary = "make, show, add, rotate and retire keys that sign",
	.synopsis =
	    "key generate FILE --name ORIGIN [--passphrase-file FILE]\n"
	    "                               [--witness] [--json]\n"
	    "       tally key show FILE [--json]\n"
	    "       tally key add|rotate DIR --new VKEY|FILE [--key FILE]"
	    " [--json]\n"
	    "       tally key retire DIR [--old VKEY|FILE] [--key FILE]"
	    " [--last]\n"
	    "                               [--json]",
	.about =
	    "\"generate\" makes an Ed25519 key in a new file of mode 0600,"
	    " encrypted under a\npassphrase: of a file, of TALLY_PASSPHRASE, or"
	    " asked for.  Both print the key's\npublic half, which is for those"
	    " who check; \"show\" needs no passphrase.\nThe others sign"
	    " an order in the log: that a key may sign, takes over, or"
	    " signs\nno more.",
	.options = options,
	.example = "  tally key generate audit.key --name example.org/audit\n"
		   "  tally key rotate audit.log --key audit.key --new"
		   " next.key",
	.statuses = "  0 done  2 refused  4 no such file  5 input or output"
		    " error",
	.operands = { "ACTION", "FILE|DIR" },
	.needed = 2,
	.settings_size = sizeof(struct settings),
	.run = run,
};
