/* SPDX-License-Identifier: Apache-2.0 */
/* What all kinds of sinks share. */
#include <stdio.h>
#include <string.h>

#include <sys/socket.h>
#include <sys/time.h>

#include "outside/members.h"
#include "outside/sink.h"

#define SEND_S 10
#define WHOSE_MAX (TALLY_SINK_NAME_MAX + sizeof("the sink \"\""))

/* "the sink \"NAME\"", for messages. */
static const char *
whose(const struct tally_sink *sink, char out[WHOSE_MAX])
{
	(void)snprintf(out, WHOSE_MAX, "the sink \"%s\"", sink->name);
	return out;
}

int
tally_sink_text(const struct tally_sink *sink, const json_t *config,
    const char *member, bool must, const char **out, struct tally_error *error)
{
	char name[WHOSE_MAX];

	return tally_member_text(config, whose(sink, name), member, must, out,
	    error);
}

int
tally_sink_text_dup(const struct tally_sink *sink, const json_t *config,
    const char *member, bool must, char **out, struct tally_error *error)
{
	char name[WHOSE_MAX];

	return tally_member_text_dup(config, whose(sink, name), member, must,
	    out, error);
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
