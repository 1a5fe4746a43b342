/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally append: one event from the command line, or one per line of standard
 * input.
 *
 * 1. Lines are appended in their order.  Of a batch that is refused at one
 *    line, the lines before it are appended; nothing behind it ever is.
 * 2. A receipt is printed, and flushed, once the library acknowledged its
 *    record, and before more input is waited for.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include <tally/log.h>

#include "append_foreign.h"
#include "commands.h"
#include "handle.h"
#include "lines.h"
#include "signals.h"

struct settings {
	const char *chain;
	const char *chain_from;
	const char *id;
	const char *id_from;
	const char *durability;
	const char *profile;
	bool salt;
	bool json;
};

static const struct option options[] = {
	{ "chain", "NAME", OPTION_TEXT, offsetof(struct settings, chain),
	    "the chain to append to" },
	{ "chain-from", "MEMBER", OPTION_TEXT,
	    offsetof(struct settings, chain_from),
	    "the chain is this member of the event" },
	{ "id", "ID", OPTION_TEXT, offsetof(struct settings, id),
	    "idempotency key of EVENT" },
	{ "id-from", "MEMBER", OPTION_TEXT, offsetof(struct settings, id_from),
	    "the key is this member of the event" },
	{ "salt", NULL, OPTION_FLAG, offsetof(struct settings, salt),
	    "salt it, so that it can be erased one day" },
	{ "durability", "LEVEL", OPTION_TEXT,
	    offsetof(struct settings, durability),
	    "sync (default) or buffered" },
	{ "profile", "NAME", OPTION_TEXT, offsetof(struct settings, profile),
	    "a foreign chain: FILE in place of DIR" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "receipts as JSON objects" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

struct appender {
	const struct settings *settings;
	struct tally_log *log;
	enum tally_durability durability;
	uint64_t line; /* number of the batch's first line, 0: no lines */
	struct tally_append request[LINES_MAX];
	struct tally_receipt receipt[LINES_MAX];
	/* What --chain-from and --id-from took out of the events. */
	char chain[LINES_MAX][TALLY_CHAIN_MAX + 1];
	char id[LINES_MAX][TALLY_ID_MAX + 1];
	struct lines lines;
};

static int
refuse(struct tally_error *error, int code, const char *format, ...)
    TALLY_PRINTF(3, 4);

/* Why a request is refused before the library sees it. */
static int
refuse(struct tally_error *error, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	error->code = code;
	return code;
}

/*
 * What the library has against the event, when a member is missing in it: it
 * may be no JSON at all.  Appended as a pair with something that is refused in
 * any case, it is never appended.  Returns 0 if the event is good.
 */
static int
look_at_event(struct appender *a, const struct tally_append *request,
    struct tally_error *error)
{
	struct tally_append pair[2] = { { 0 } };
	int result;

	pair[0].chain = pair[1].chain = "x";
	pair[0].chain_len = pair[1].chain_len = 1;
	pair[0].event = request->event;
	pair[0].event_len = request->event_len;
	pair[1].event = "!";
	pair[1].event_len = 1;
	result = tally_log_append(a->log, pair, 2, a->durability, NULL, error);
	if ((result == TALLY_E_EVENT || result == TALLY_E_LIMIT) &&
	    error->item == 0)
		return result;
	return 0;
}

/* Takes a member of the event as a name; TALLY_END if it has none. */
static int
take_member(const struct tally_append *request, const char *member, char *out,
    size_t out_size, size_t *out_len, struct tally_error *error)
{
	int result = tally_event_member(request->event, request->event_len,
	    member, out, out_size, out_len);

	if (result == TALLY_E_LIMIT)
		return refuse(error, result,
		    "the event's member \"%s\" is too long for a name", member);
	return result;
}

static int
lacks_member(struct appender *a, const struct tally_append *request,
    const char *member, struct tally_error *error)
{
	int result = look_at_event(a, request, error);

	if (result != 0)
		return result;
	return refuse(error, TALLY_E_EVENT,
	    "the event has no text member \"%s\"", member);
}

/* Fills request i but for its event. */
static int
prepare(struct appender *a, size_t i, struct tally_error *error)
{
	const struct settings *settings = a->settings;
	struct tally_append *request = &a->request[i];
	int result = TALLY_END;

	request->salted = settings->salt;
	if (request->event_len == 0)
		return refuse(error, TALLY_E_EVENT,
		    "an empty line is no event");
	if (settings->chain_from != NULL) {
		request->chain = a->chain[i];
		result = take_member(request, settings->chain_from, a->chain[i],
		    sizeof(a->chain[i]), &request->chain_len, error);
	}
	if (result == TALLY_END && settings->chain != NULL) {
		request->chain = settings->chain;
		request->chain_len = strlen(settings->chain);
		result = 0;
	}
	if (result == TALLY_END)
		result = lacks_member(a, request, settings->chain_from, error);
	if (result != 0)
		return result;
	request->id = settings->id;
	request->id_len = settings->id != NULL ? strlen(settings->id) : 0;
	if (settings->id_from == NULL)
		return 0;
	request->id = a->id[i];
	result = take_member(request, settings->id_from, a->id[i],
	    sizeof(a->id[i]), &request->id_len, error);
	if (result == TALLY_END)
		result = lacks_member(a, request, settings->id_from, error);
	return result;
}

static void
print_receipt(const struct appender *a, size_t i)
{
	const struct tally_receipt *receipt = &a->receipt[i];

	if (!a->settings->json) {
		printf("%" PRIu64 " ", receipt->seq);
		output_hash(&receipt->hash);
		fputc('\n', stdout);
		return;
	}
	output_json_place(a->request[i].chain, a->request[i].chain_len,
	    receipt->seq);
	printf(",\"index\":%" PRIu64 ",\"hash\":\"", receipt->index);
	output_hash(&receipt->hash);
	fputs("\",\"time\":\"", stdout);
	output_time(receipt->time_us);
	fputs("\"}\n", stdout);
}

/* Is it the fault of one request? */
static bool
is_refusal(int result)
{
	return result == TALLY_E_USAGE || result == TALLY_E_EVENT ||
	    result == TALLY_E_LIMIT || result == TALLY_E_CONFLICT;
}

/* Says why line number line stopped it. */
static enum status
stop(const struct appender *a, uint64_t line, int result,
    const struct tally_error *error)
{
	const char *message = error->message;

	if (a->line == 0)
		return output_failure(result, error, false);
	if (message[0] == '\0')
		message = tally_strerror(result);
	complain("line %" PRIu64 ": %s", line, message);
	if (result == TALLY_E_POISONED)
		complain("whether line %" PRIu64
			 " and the ones behind it are in the log is not known",
		    line);
	else if (!is_refusal(result))
		complain("line %" PRIu64
			 " and the ones behind it were not appended",
		    line);
	return status_of(result, false);
}

/* Appends request[0, count); the receipts are out when it returns. */
static enum status
append(struct appender *a, size_t count)
{
	struct tally_error refusal = { 0 };
	int refused = 0;
	int result = 0;
	size_t good = 0;
	enum status status;

	while (good < count && refused == 0) {
		refused = prepare(a, good, &refusal);
		if (refused == 0)
			good++;
	}
	while (good > 0) {
		struct tally_error error = { 0 };

		result = tally_log_append(a->log, a->request, good,
		    a->durability, a->receipt, &error);
		if (result == 0)
			break;
		refusal = error;
		refused = result;
		if (!is_refusal(result) || error.item >= good)
			return stop(a, a->line, result, &error);
		good = (size_t)error.item;
	}
	for (size_t i = 0; i < good; i++)
		print_receipt(a, i);
	status = output_flush();
	if (status != STATUS_DONE && a->line == 0)
		complain("the record is in the log");
	else if (status != STATUS_DONE)
		complain("lines up to %" PRIu64 " are in the log",
		    a->line + good - 1);
	if (status != STATUS_DONE || refused == 0)
		return status;
	return stop(a, a->line + good, refused, &refusal);
}

/* One event per line until the input ends. */
static enum status
append_lines(struct appender *a)
{
	const struct tally_identity *identity = tally_log_identity(a->log);
	struct lines *lines = &a->lines;
	enum status status = STATUS_DONE;

	/* One byte more than an event's input may have. */
	if (lines_open(lines, STDIN_FILENO,
		(size_t)identity->event_bytes * 4 + 1) != 0) {
		complain("out of memory");
		return STATUS_IO;
	}
	a->line = 1;
	for (;;) {
		lines_next(lines);
		if (lines->count == 0 || signals_caught())
			break;
		for (size_t i = 0; i < lines->count; i++) {
			a->request[i].event = lines->line[i].text;
			a->request[i].event_len = lines->line[i].len;
		}
		status = append(a, lines->count);
		if (status != STATUS_DONE)
			break;
		a->line += lines->count;
	}
	if (status == STATUS_DONE && signals_caught()) {
		status = STATUS_INTERRUPTED;
	} else if (status == STATUS_DONE && lines->os_errno != 0) {
		complain("line %" PRIu64 ": cannot read standard input: %s",
		    a->line, output_reason(lines->os_errno));
		status = STATUS_IO;
	}
	lines_close(lines);
	return status;
}

static enum status
append_one(struct appender *a, const char *event)
{
	if (signals_caught())
		return STATUS_INTERRUPTED;
	a->request[0].event = event;
	a->request[0].event_len = strlen(event);
	return append(a, 1);
}

/* Settings that no log accepts. */
static enum status
judge(const struct settings *settings, const char *event)
{
	const char *level = settings->durability;

	if (settings->profile != NULL) {
		if (settings->chain != NULL || settings->chain_from != NULL ||
		    settings->id != NULL || settings->id_from != NULL ||
		    settings->durability != NULL || settings->salt)
			return options_refuse(&command_append,
			    "with \"--profile\" there is only \"--json\"");
		return STATUS_DONE;
	}
	if (settings->chain == NULL && settings->chain_from == NULL)
		return options_refuse(&command_append,
		    "\"--chain\" or \"--chain-from\" is missing");
	if (settings->id != NULL && settings->id_from != NULL)
		return options_refuse(&command_append,
		    "\"--id\" and \"--id-from\" exclude each other");
	if (settings->id != NULL && event == NULL)
		return options_refuse(&command_append,
		    "\"--id\" needs EVENT; for lines there is \"--id-from\"");
	if (level != NULL && strcmp(level, "sync") != 0 &&
	    strcmp(level, "buffered") != 0) {
		complain("\"--durability\" needs sync or buffered, not \"%s\"",
		    level);
		return STATUS_USAGE;
	}
	return STATUS_DONE;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	enum status status = judge(settings, operand[1]);
	struct appender *a;

	if (status != STATUS_DONE)
		return status;
	if (settings->profile != NULL)
		return append_foreign(settings->profile, operand[0], operand[1],
		    settings->json);
	a = calloc(1, sizeof(*a));
	if (a == NULL) {
		complain("out of memory");
		return STATUS_IO;
	}
	a->settings = settings;
	if (settings->durability != NULL &&
	    strcmp(settings->durability, "buffered") == 0)
		a->durability = TALLY_BUFFERED;
	/* A reader that went away is an error to report, not the end. */
	(void)signal(SIGPIPE, SIG_IGN);
	signals_catch();
	status = handle_open_writer(operand[0], &a->log);
	if (status == STATUS_DONE) {
		if (operand[1] != NULL)
			status = append_one(a, operand[1]);
		else
			status = append_lines(a);
		status = handle_close(a->log, status);
	}
	free(a);
	return status;
}

const struct command command_append = {
	.name = "append",
	.summary = "append an event, or one per line of standard input",
	.synopsis = "append DIR --chain NAME [--id ID] [--salt]\n"
		    "                    [--durability sync|buffered] [--json]"
		    " [EVENT]\n"
		    "append FILE --profile NAME [--json] [EVENT]",
	.about =
	    "Appends EVENT, a JSON text, or without it every line of standard"
	    " input.  For\neach record it prints a receipt, \"<seq> <hash>\","
	    " once the record is durable.\nA bad line stops it with the line's"
	    " number; what came before stands.",
	.options = options,
	.example =
	    "  tally append audit.log --chain org/42 '{\"action\":\"login\"}'\n"
	    "  tail -F app.jsonl | tally append audit.log --chain app",
	.statuses = "  0 appended  2 the event, its chain or its id is refused"
		    "  4 no such log\n  5 not appended  130 interrupted, after"
		    " finishing what was submitted",
	.operands = { "DIR", "EVENT" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
