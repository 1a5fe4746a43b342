/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "commands.h"
#include "trust.h"

#define ORDERS_MAX ((size_t)64 << 20)
#define TIMESTAMP_MAX ((size_t)1 << 20)

struct settings {
	struct option_root root;
	const char *key;
	const char *policy;
	const char *orders;
	const char *timestamp;
	const char *tsa_ca;
	bool json;
};

static const struct option options[] = {
	{ "root", "[SIZE:]HEX", OPTION_ROOT, offsetof(struct settings, root),
	    "the root that somebody vouches for" },
	{ "key", "VKEY|FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "the log's public key, or a file that begins so" },
	{ "policy", "FILE", OPTION_TEXT, offsetof(struct settings, policy),
	    "a C2SP policy: logs, witnesses, quorum" },
	{ "orders", "FILE", OPTION_TEXT, offsetof(struct settings, orders),
	    "the bundle of tally:log: keys that came and went" },
	{ "timestamp", "FILE", OPTION_TEXT,
	    offsetof(struct settings, timestamp),
	    "older than the order that retired the key" },
	{ "tsa-ca", "FILE", OPTION_TEXT, offsetof(struct settings, tsa_ca),
	    "certificates of who made the timestamp" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static enum status
check_input(const struct check *check, struct input *input)
{
	if (input_begins(input, "tally-bundle/v1"))
		return check_bundle(check, input);
	if (input_begins(input, "tally-consistency/v1"))
		return check_consistency(check, input);
	return check_proof(check, input);
}

/* The token, the note that a sink keeps beside it, and the certificates. */
struct stamp {
	char *token, *note, *ca;
	size_t ca_len;
	struct tally_timestamp timestamp;
};

static enum status
stamp_read_note(struct stamp *stamp, const char *path)
{
	size_t len = strlen(path);
	enum status status = STATUS_DONE;
	char *beside;

	if (len < 4 || strcmp(path + len - 4, ".tsr") != 0)
		return STATUS_DONE;
	beside = malloc(len + 2);
	if (beside == NULL) {
		complain("out of memory");
		return STATUS_IO;
	}
	(void)snprintf(beside, len + 2, "%.*s.note", (int)(len - 4), path);
	if (access(beside, F_OK) == 0)
		status = input_file(beside, TIMESTAMP_MAX, "a note",
		    &stamp->note, &stamp->timestamp.note_len);
	stamp->timestamp.note = stamp->note;
	free(beside);
	return status;
}

static enum status
stamp_read(struct stamp *stamp, const struct settings *settings)
{
	enum status status;

	if ((settings->timestamp == NULL) != (settings->tsa_ca == NULL))
		return options_refuse(&command_check,
		    "\"--timestamp\" and \"--tsa-ca\" go together");
	if (settings->timestamp == NULL)
		return STATUS_DONE;
	if (settings->orders == NULL)
		return options_refuse(&command_check,
		    "\"--timestamp\" needs \"--orders\"");
	status = input_file(settings->timestamp, TIMESTAMP_MAX, "a timestamp",
	    &stamp->token, &stamp->timestamp.token_len);
	stamp->timestamp.token = stamp->token;
	if (status == STATUS_DONE)
		status = stamp_read_note(stamp, settings->timestamp);
	if (status == STATUS_DONE)
		status = input_file(settings->tsa_ca, TIMESTAMP_MAX,
		    "a file of certificates", &stamp->ca, &stamp->ca_len);
	return status;
}

static void
stamp_free(struct stamp *stamp)
{
	free(stamp->token);
	free(stamp->note);
	free(stamp->ca);
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct stamp stamp = { 0 };
	struct trust trusted;
	char *orders = NULL;
	size_t orders_len = 0;
	enum status status = trust_read(settings->key, settings->policy,
	    &trusted);
	struct tally_trust trust = {
		.root = settings->root.given ? &settings->root.hash : NULL,
		.vkeys = trusted.vkey,
		.vkeys_len = trusted.vkeys,
		.policy = trusted.policy,
		.policy_len = trusted.policy_len,
	};
	const struct check check = { &trust, &settings->root, settings->json };
	struct input input;

	if (status == STATUS_DONE && settings->orders != NULL)
		status = input_file(settings->orders, ORDERS_MAX, "orders",
		    &orders, &orders_len);
	trust.orders = orders;
	trust.orders_len = orders_len;
	if (status == STATUS_DONE)
		status = stamp_read(&stamp, settings);
	trust.timestamps = &stamp.timestamp;
	trust.timestamps_len = stamp.token != NULL;
	trust.tsa = stamp.ca;
	trust.tsa_len = stamp.ca_len;
	if (status == STATUS_DONE) {
		status = input_open(&input, operand[0]);
		if (status == STATUS_DONE)
			status = check_input(&check, &input);
		input_close(&input);
	}
	free(orders);
	stamp_free(&stamp);
	trust_free(&trusted);
	return status;
}

const struct command command_check = {
	.name = "check",
	.summary = "judge a proof or a bundle, without the log",
	.synopsis = "check FILE [--key VKEY|FILE] [--policy FILE]"
		    " [--orders FILE]\n"
		    "                   [--timestamp FILE --tsa-ca FILE]"
		    " [--root [SIZE:]HEX] [--json]",
	.about =
	    "Judges what \"tally prove\" or \"tally consistency\" made; FILE"
	    " \"-\" is standard\ninput.  It holds if who is trusted signed its"
	    " root: a key, a policy, or you, who\nknow the root.  A root that"
	    " nobody vouches for makes it \"consistent, unsigned\".",
	.options = options,
	.example = "  tally check proof --key audit.pub",
	.statuses = "  0 holds against whom you trust  1 broken, forged, or"
		    " for another root\n  3 consistent, but not signed by whom"
		    " you trust; or no proof at all\n  4 no such file",
	.operands = { "FILE" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
