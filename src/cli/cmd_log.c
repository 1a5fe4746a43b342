/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tally log: the durable records, in the order of the log.
 *
 * On a terminal it is a table, shortened to fit; elsewhere the same columns,
 * whole, separated by tabs; with --json the stored lines, byte for byte.
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <unistd.h>

#include <tally/log.h>

#include "commands.h"
#include "handle.h"
#include "signals.h"
#include "text.h"

/* How long a wait for more records may keep a signal waiting. */
#define WAIT_MS 200

/* Columns of the table before the chain's name, and of a short name. */
#define FIXED_COLUMNS 38
#define CHAIN_COLUMNS 16

struct settings {
	const char *chain;
	struct option_count from;
	struct option_count to;
	struct option_count limit;
	struct option_count last;
	struct option_time since;
	struct option_time until;
	const char *id;
	struct option_count index;
	bool follow;
	bool json;
};

static const struct option options[] = {
	{ "chain", "NAME", OPTION_TEXT, offsetof(struct settings, chain),
	    "only this chain" },
	{ "from", "SEQ", OPTION_COUNT, offsetof(struct settings, from),
	    "with --chain: the first record" },
	{ "to", "SEQ", OPTION_COUNT, offsetof(struct settings, to),
	    "with --chain: the last record" },
	{ "limit", "N", OPTION_COUNT, offsetof(struct settings, limit),
	    "at most N records" },
	{ "last", "N", OPTION_COUNT, offsetof(struct settings, last),
	    "begin N records before the end" },
	{ "since", "TIME", OPTION_TIME, offsetof(struct settings, since),
	    "sealed at TIME or later" },
	{ "until", "TIME", OPTION_TIME, offsetof(struct settings, until),
	    "sealed before TIME" },
	{ "id", "ID", OPTION_TEXT, offsetof(struct settings, id),
	    "with --chain: the record with this id" },
	{ "index", "N", OPTION_COUNT, offsetof(struct settings, index),
	    "the record with this index" },
	{ "follow", NULL, OPTION_FLAG, offsetof(struct settings, follow),
	    "print what is appended, until interrupted" },
	{ "json", NULL, OPTION_FLAG, offsetof(struct settings, json),
	    "the stored lines as they are" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static const char *
body_text(const struct tally_record *record, char *room, size_t size)
{
	if (record->body == TALLY_BODY_ERASED)
		(void)snprintf(room, size, "(erased by tally:log %" PRIu64 ")",
		    record->order_seq);
	else
		(void)snprintf(room, size, "(kept elsewhere)");
	return room;
}

/* A row of the table: to the second, shortened to the terminal's width. */
static void
print_row(const struct tally_record *record, const char *event, size_t len)
{
	char text[TALLY_TIME_TEXT_SIZE];
	size_t columns = output_columns();
	size_t chain = text_columns(record->chain, record->chain_len);
	size_t shown = chain < CHAIN_COLUMNS ? CHAIN_COLUMNS : chain;
	int used;

	tally_time_format(record->time_us, text);
	text[10] = ' ';
	used = printf("%7" PRIu64 " %7" PRIu64 " %.19s  ", record->index,
	    record->seq, text);
	if (shown > columns / 3)
		shown = columns / 3 > CHAIN_COLUMNS ? columns / 3
						    : CHAIN_COLUMNS;
	text_put_shortened(stdout, record->chain, record->chain_len, shown);
	printf("%*s", chain < shown ? (int)(shown - chain) + 2 : 2, "");
	shown += 2 + (used > 0 ? (size_t)used : 0);
	text_put_shortened(stdout, event, len,
	    columns > shown ? columns - shown : 0);
	fputc('\n', stdout);
}

static void
print_header(void)
{
	printf("%7s %7s %-19s  %-*s  %s\n", "INDEX", "SEQ", "TIME (UTC)",
	    CHAIN_COLUMNS, "CHAIN", "EVENT");
}

static void
print_tabs(const struct tally_record *record, const char *event, size_t len)
{
	printf("%" PRIu64 "\t%" PRIu64 "\t", record->index, record->seq);
	output_time(record->time_us);
	fputc('\t', stdout);
	output_name(record->chain, record->chain_len);
	fputc('\t', stdout);
	text_put_visible(stdout, event, len);
	fputc('\n', stdout);
}

static void
print_record(const struct settings *settings, const struct tally_record *record)
{
	char room[64];
	const char *event = record->event;
	size_t len = record->event_len;

	if (settings->json) {
		(void)fwrite(record->line, 1, record->line_len, stdout);
		return;
	}
	if (record->body != TALLY_BODY_EVENT) {
		event = body_text(record, room, sizeof(room));
		len = strlen(event);
	}
	if (output_is_terminal())
		print_row(record, event, len);
	else
		print_tabs(record, event, len);
}

static bool
is_wanted(const struct settings *settings, const struct tally_record *record)
{
	if (settings->since.given && record->time_us < settings->since.time_us)
		return false;
	return !settings->until.given ||
	    record->time_us < settings->until.time_us;
}

/* Whoever read the output went away: end as a write would. */
static void
end_if_unread(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	if (poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0)
		(void)raise(SIGPIPE);
}

/* Prints what the cursor gives; with --follow until somebody ends it. */
static enum status
walk(const struct settings *settings, struct tally_cursor *cursor)
{
	struct tally_error error = { 0 };
	struct tally_record record;
	uint64_t printed = 0;

	while (!signals_caught()) {
		int result = tally_cursor_next(cursor, &record, &error);

		if (result == 0) {
			if (!is_wanted(settings, &record))
				continue;
			print_record(settings, &record);
			if (++printed == settings->limit.value ||
			    ferror(stdout))
				return STATUS_DONE;
			continue;
		}
		if (result == TALLY_END && !settings->follow)
			return STATUS_DONE;
		if (output_flush() != STATUS_DONE)
			return STATUS_IO;
		if (result == TALLY_END) {
			result = tally_cursor_wait(cursor, WAIT_MS, &error);
			end_if_unread();
		}
		if (result != 0 && result != TALLY_END)
			return output_failure(result, &error, false);
	}
	return STATUS_INTERRUPTED;
}

/* One record by its id or its index. */
static enum status
look_up(const struct settings *settings, struct tally_cursor *cursor)
{
	struct tally_find find = { .by = TALLY_KEY_INDEX,
		.index = settings->index.value };
	struct tally_error error = { 0 };
	struct tally_record record;
	int result;

	if (settings->id != NULL) {
		find.by = TALLY_KEY_ID;
		find.chain = settings->chain;
		find.chain_len = strlen(settings->chain);
		find.id = settings->id;
		find.id_len = strlen(settings->id);
	}
	result = tally_cursor_find(cursor, &find, &record, &error);
	if (result == TALLY_END && settings->id != NULL)
		complain("there is no id \"%s\" in chain \"%s\"", settings->id,
		    settings->chain);
	else if (result == TALLY_END)
		complain("there is no record with index %" PRIu64,
		    settings->index.value);
	else if (result != 0)
		return output_failure(result, &error, false);
	if (result == TALLY_END)
		return STATUS_NOT_FOUND;
	print_record(settings, &record);
	return STATUS_DONE;
}

/* Which records the cursor is to walk; not found, if the chain is not. */
static enum status
choose(const struct settings *settings, struct tally_log *log,
    struct tally_range *out)
{
	struct tally_error error = { 0 };
	struct tally_stat stat;
	struct tally_head head;
	uint64_t last = settings->last.value;
	int result = 0;

	if (settings->chain == NULL) {
		result = tally_log_stat(log, &stat, &error);
		if (result == 0 && settings->last.given)
			out->from_index = stat.durable_size > last
			    ? stat.durable_size - last
			    : 0;
		return result == 0 ? STATUS_DONE
				   : output_failure(result, &error, false);
	}
	out->chain = settings->chain;
	out->chain_len = strlen(settings->chain);
	out->from_seq = settings->from.value;
	out->to_seq = settings->to.value;
	result = tally_log_head(log, out->chain, out->chain_len, &head, &error);
	if (result == TALLY_END && !settings->follow)
		complain("there is no chain \"%s\"", settings->chain);
	else if (result == 0 && settings->last.given && head.seq > last)
		out->from_seq = head.seq - last + 1;
	if (result == 0 || (result == TALLY_END && settings->follow))
		return STATUS_DONE;
	return result == TALLY_END ? STATUS_NOT_FOUND
				   : output_failure(result, &error, false);
}

/* An option that was given and is about one chain, or NULL. */
static const char *
needs_chain(const struct settings *settings)
{
	if (settings->from.given)
		return "from";
	if (settings->to.given)
		return "to";
	return settings->id != NULL ? "id" : NULL;
}

/* Settings that contradict each other. */
static enum status
judge(const struct settings *settings)
{
	bool one = settings->id != NULL || settings->index.given;
	bool range = settings->from.given || settings->to.given ||
	    settings->since.given || settings->until.given ||
	    settings->last.given || settings->limit.given || settings->follow;

	if (settings->chain == NULL && needs_chain(settings) != NULL)
		return options_refuse(&command_log,
		    "\"--%s\" needs \"--chain\"", needs_chain(settings));
	if ((settings->from.given && settings->from.value == 0) ||
	    (settings->to.given && settings->to.value == 0))
		return options_refuse(&command_log,
		    "a chain's records are numbered from 1");
	if (settings->limit.given && settings->limit.value == 0)
		return options_refuse(&command_log,
		    "\"--limit\" needs at least 1");
	if (settings->id != NULL && settings->index.given)
		return options_refuse(&command_log,
		    "\"--id\" and \"--index\" exclude each other");
	if (one && range)
		return options_refuse(&command_log,
		    "\"--%s\" is about one record, not a range",
		    settings->id != NULL ? "id" : "index");
	if (settings->last.given && settings->from.given)
		return options_refuse(&command_log,
		    "\"--last\" and \"--from\" exclude each other");
	return STATUS_DONE;
}

static enum status
print_log(const struct settings *settings, struct tally_log *log)
{
	bool one = settings->id != NULL || settings->index.given;
	struct tally_range range = { 0 };
	struct tally_cursor *cursor = NULL;
	struct tally_error error = { 0 };
	enum status status = STATUS_DONE;
	int result;

	if (!one)
		status = choose(settings, log, &range);
	if (status != STATUS_DONE)
		return status;
	result = tally_cursor_open(log, &range, &cursor, &error);
	if (result != 0)
		return output_failure(result, &error, false);
	if (!settings->json && output_is_terminal())
		print_header();
	status = one ? look_up(settings, cursor) : walk(settings, cursor);
	tally_cursor_close(cursor);
	return status;
}

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	enum status status = judge(settings);
	struct tally_log *log;

	if (status != STATUS_DONE)
		return status;
	status = handle_open_reader(operand[0], &log);
	if (status != STATUS_DONE)
		return status;
	signals_catch();
	status = print_log(settings, log);
	return handle_close(log, status);
}

const struct command command_log = {
	.name = "log",
	.summary = "print records",
	.synopsis =
	    "log DIR [--chain NAME] [--from SEQ] [--to SEQ] [--limit N]"
	    "\n                 [--since TIME] [--until TIME] [--follow]"
	    " [--json]",
	.about =
	    "Prints the durable records in the order of the log: index, seq,"
	    " time, chain\nand event.  TIME is RFC 3339, a date, or how long"
	    " ago: 90s, 5m, 2h, 7d.",
	.options = options,
	.example = "  tally log audit.log --chain org/42 --since 2h --follow",
	.statuses =
	    "  0 done  4 no such log, chain or record  5 input or output"
	    " error\n  130 interrupted (--follow ends so)",
	.operands = { "DIR" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
