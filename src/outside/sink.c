/* SPDX-License-Identifier: Apache-2.0 */
/* What all kinds of sinks share. */
#include <stdio.h>
#include <string.h>

#include <sys/socket.h>
#include <sys/time.h>

#include "outside/members.h"
#include "outside/sink.h"

#define SEND_S 10

const char *
tally_sink_whose(const struct tally_sink *sink, char out[TALLY_SINK_WHOSE_MAX])
{
	(void)snprintf(out, TALLY_SINK_WHOSE_MAX, "the sink \"%s\"",
	    sink->name);
	return out;
}

int
tally_sink_text(const struct tally_sink *sink, const json_t *config,
    const char *member, bool must, const char **out, struct tally_error *error)
{
	char whose[TALLY_SINK_WHOSE_MAX];

	return tally_member_text(config, tally_sink_whose(sink, whose), member,
	    must, out, error);
}

int
tally_sink_text_dup(const struct tally_sink *sink, const json_t *config,
    const char *member, bool must, char **out, struct tally_error *error)
{
	char whose[TALLY_SINK_WHOSE_MAX];

	return tally_member_text_dup(config, tally_sink_whose(sink, whose),
	    member, must, out, error);
}

int
tally_sink_each_line(const char *text, size_t len, tally_sink_line_fn *fn,
    void *arg)
{
	int result = TALLY_OK;

	while (len > 0 && result == 0) {
		const char *feed = memchr(text, '\n', len);
		size_t line = feed == NULL ? len : (size_t)(feed - text);

		if (line > 0)
			result = fn(arg, text, line);
		line += feed != NULL;
		text += line;
		len -= line;
	}
	return result;
}

void
tally_sink_limit_send(int fd)
{
	const struct timeval limit = { .tv_sec = SEND_S };

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}
