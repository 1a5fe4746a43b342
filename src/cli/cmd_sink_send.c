/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "sinks.h"

#define NOTE_MAX ((size_t)1 << 16)

struct settings {
	const char *config;
	const char *queue;
	const char *key;
	const char *passphrase_file;
	bool json;
};

static const struct option options[] = {
	{ "config", "FILE", OPTION_TEXT, offsetof(struct settings, config),
	    "the sinks, as JSON" },
	{ "queue", "DIR", OPTION_TEXT, offsetof(struct settings, queue),
	    "where what was not sent yet waits; DIR/sinks" },
	{ "key", "FILE", OPTION_TEXT, offsetof(struct settings, key),
	    "the log's key; DIR/keys/key" },
	{ "passphrase-file", "FILE", OPTION_TEXT,
	    offsetof(struct settings, passphrase_file),
	    "the key's passphrase is FILE's first line" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "one JSON object per line" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static void
print_status(const struct settings *settings,
    const struct tally_sink_status *status)
{
	bool is_there = status->queued == 0 &&
	    status->sent_size >= status->offered_size;

	if (settings->json) {
		printf("{\"sink\":\"%s\",\"type\":\"%s\",\"size\":%" PRIu64
		       ",\"sent_size\":%" PRIu64 ",\"queued\":%" PRIu64
		       ",\"failures\":%" PRIu64 ",\"full\":%s",
		    status->name, status->type, status->offered_size,
		    status->sent_size, status->queued, status->failures,
		    status->full ? "true" : "false");
		if (status->failures > 0) {
			fputs(",\"message\":", stdout);
			output_json(status->message, strlen(status->message));
		}
		fputs("}\n", stdout);
		return;
	}
	printf("%s  ", status->name);
	output_word(is_there ? COLOUR_GOOD : COLOUR_BAD,
	    is_there ? "sent" : "waiting");
	printf("  size %" PRIu64 " of %" PRIu64 "\n", status->sent_size,
	    status->offered_size);
	if (status->failures > 0)
		complain("the sink \"%s\" failed: %s", status->name,
		    status->message);
	else if (!is_there)
		complain("the sink \"%s\" has not got size %" PRIu64
			 ": its queue is too short for it",
		    status->name, status->offered_size);
}

/* What is public is what goes out. */
static enum status
offer(struct sinks *sinks, const char *dir)
{
	size_t room = strlen(dir) + sizeof("/public/checkpoint"), len = 0;
	char *path = malloc(room), *note = NULL;
	struct tally_error error = { 0 };
	enum status status;
	int result;

	if (path == NULL) {
		complain("out of memory");
		return STATUS_IO;
	}
	(void)snprintf(path, room, "%s/public/checkpoint", dir);
	status = sinks_read_file(path, NOTE_MAX, &note, &len);
	free(path);
	if (status != STATUS_DONE)
		return status;
	result = tally_outside_offer(sinks->outside, note, len, &error);
	free(note);
	return result == 0 ? STATUS_DONE
			   : output_failure(result, &error, false);
}

/* What a full queue did not take is offered again when it is empty. */
static int
send_one(struct sinks *sinks, const char *dir, size_t i,
    struct tally_sink_status *out)
{
	int result = tally_outside_deliver(sinks->outside, i, true, NULL);

	tally_outside_status(sinks->outside, i, out);
	if (result != 0 || out->sent_size >= out->offered_size)
		return result;
	if (offer(sinks, dir) == STATUS_DONE)
		result = tally_outside_deliver(sinks->outside, i, true, NULL);
	tally_outside_status(sinks->outside, i, out);
	return result;
}

static enum status
send_all(const struct settings *settings, struct sinks *sinks, const char *dir)
{
	size_t count = tally_outside_count(sinks->outside);
	enum status status = STATUS_DONE;

	for (size_t i = 0; i < count; i++) {
		struct tally_sink_status sink;
		int result = send_one(sinks, dir, i, &sink);

		/* Each is tried, whatever the one before did; what could not
		 * even be queued failed as well. */
		if (result == TALLY_E_DAMAGED)
			status = STATUS_TAMPERED;
		else if (status != STATUS_TAMPERED &&
		    (result != 0 || sink.failures > 0 ||
			sink.sent_size < sink.offered_size))
			status = STATUS_IO;
		print_status(settings, &sink);
	}
	return status;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	const struct sinks_settings how = { .config = settings->config,
		.queue = settings->queue,
		.key = settings->key,
		.passphrase_file = settings->passphrase_file };
	struct sinks sinks;
	enum status status;

	if (settings->config == NULL)
		return options_refuse(&command_sink_send,
		    "\"--config\" is missing");
	status = sinks_open(&sinks, operand[0], &how);
	if (status == STATUS_DONE)
		status = offer(&sinks, operand[0]);
	if (status == STATUS_DONE)
		status = send_all(settings, &sinks, operand[0]);
	sinks_close(&sinks);
	return status;
}

const struct command command_sink_send = {
	.name = "sink send",
	.summary = "send the last checkpoint to the sinks",
	.synopsis = "sink send DIR --config FILE [--queue DIR] [--key FILE]\n"
		    "                       [--passphrase-file FILE] [--json]",
	.about =
	    "Sends the checkpoint in DIR/public, with the heads that changed"
	    " since the last\none, to every sink of the configuration.  What a"
	    " sink does not take waits in\nthe queue.  \"tally checkpoint\""
	    " comes first.",
	.options = options,
	.example = "  tally sink send audit.log --config sinks.json"
		   " --key audit.key",
	.statuses =
	    "  0 all sinks have it  1 the log was changed  2 refused\n"
	    "  4 no such log or key  5 a sink failed  6 another process sends",
	.operands = { "DIR" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
