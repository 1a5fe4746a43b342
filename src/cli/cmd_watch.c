/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/watch.h"

#include "commands.h"

struct settings {
	const char *ack;
	bool once;
	bool outside;
};

static const struct option options[] = {
	{ "once", NULL, OPTION_FLAG, offsetof(struct settings, once),
	    "one cycle, then say how each log is" },
	{ "outside", NULL, OPTION_FLAG, offsetof(struct settings, outside),
	    "the logs are elsewhere: watch their sinks alone" },
	{ "ack", "ID", OPTION_TEXT, offsetof(struct settings, ack),
	    "acknowledge an alert: it is not repeated" },
	{ NULL, NULL, OPTION_FLAG, 0, NULL },
};

static enum status
run(const void *data, char *const *operand)
{
	const struct settings *settings = data;
	char why[WATCH_WHY_SIZE] = "";
	int status;

	if (settings->ack != NULL && settings->once)
		return options_refuse(&command_watch,
		    "\"--once\" and \"--ack\" exclude each other");
	status = settings->ack != NULL
	    ? watch_acknowledge(operand[0], settings->ack, why)
	    : watch_run(operand[0], settings->once, settings->outside, why);
	if (status > 1)
		complain("%s", why);
	return (enum status)status;
}

const struct command command_watch = {
	.name = "watch",
	.summary = "publish, verify and alert, as a daemon",
	.synopsis = "watch CONFIG [--outside] [--once | --ack ID]",
	.about =
	    "For each log of the configuration, every interval: publishes a"
	    " checkpoint, sends\nit to the sinks, verifies what is new, holds"
	    " the log against the sinks, and on a\nschedule, verifies the"
	    " whole.  What is wrong becomes an alert, which is repeated\nuntil"
	    " somebody acknowledged it.  SIGHUP reads the configuration again.",
	.options = options,
	.example = "  tally watch /etc/tally/watch.json",
	.statuses =
	    "  0 ended by a signal; intact  1 with --once: a log is broken"
	    "  2 refused\n  4 no such alert  5 input or output error",
	.operands = { "CONFIG" },
	.needed = 1,
	.settings_size = sizeof(struct settings),
	.run = run,
};
