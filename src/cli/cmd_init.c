/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <tally/log.h>

#include "commands.h"
#include "handle.h"

struct settings {
	const char *origin;
	struct option_count segment_size;
	struct option_count event_limit;
};

static const struct option options[] = {
	{ "origin", "NAME", OPTION_TEXT, offsetof(struct settings, origin),
	    "the log's public name; localhost/<id>" },
	{ "segment-size", "BYTES", OPTION_BYTES,
	    offsetof(struct settings, segment_size),
	    "a segment is closed at this size; 256M" },
	{ "event-limit", "BYTES", OPTION_BYTES,
	    offsetof(struct settings, event_limit),
	    "the longest event; 1M, at most 16M" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	struct tally_init_options init = { .origin = settings->origin };
	struct tally_error error = { 0 };
	struct tally_log *log;
	enum status status;
	int result;

	/* The library says which sizes there may be. */
	init.segment_bytes = settings->segment_size.value;
	init.event_bytes = UINT32_MAX;
	if (settings->event_limit.value < UINT32_MAX)
		init.event_bytes = (uint32_t)settings->event_limit.value;
	result = tally_log_init(operand[0], &init, &error);
	if (result != 0)
		return output_failure(result, &error, false);
	status = handle_open_reader(operand[0], &log);
	if (status != STATUS_DONE)
		return status;
	fputs("made \"", stdout);
	output_name(operand[0], strlen(operand[0]));
	fputs("\", origin ", stdout);
	output_name(tally_log_identity(log)->origin,
	    strlen(tally_log_identity(log)->origin));
	fputc('\n', stdout);
	return handle_close(log, STATUS_DONE);
}

const struct command command_init = {
	.name = "init",
	.summary = "make a log",
	.synopsis = "init DIR [--origin NAME] [--segment-size BYTES]\n"
		    "                  [--event-limit BYTES]",
	.about =
	    "Makes an empty log in DIR, which must not exist yet or be empty."
	    "  It is on\ndisk when the command returns.",
	.options = options,
	.example = "  tally init audit.log --origin example.org/audit",
	.statuses = "  0 made  2 there is a log or something else in DIR, or a"
		    " bad name or size\n  5 input or output error",
	.operands = { "DIR" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
