/* SPDX-License-Identifier: Apache-2.0 */
/* What all kinds of sinks share. */
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "outside/disk.h"
#include "outside/fail.h"
#include "outside/sink.h"

#define SEND_S 10

int
tally_sink_text(const struct tally_sink *sink, const json_t *config,
    const char *member, bool must, const char **out, struct tally_error *error)
{
	const json_t *value = json_object_get(config, member);

	*out = json_string_value(value);
	if ((value == NULL && !must) || (*out != NULL && (*out)[0] != '\0'))
		return TALLY_OK;
	return tally_fail(error, TALLY_E_USAGE,
	    "the sink \"%s\" needs a string \"%s\"", sink->name, member);
}

int
tally_sink_text_dup(const struct tally_sink *sink, const json_t *config,
    const char *member, bool must, char **out, struct tally_error *error)
{
	const char *text;
	int result = tally_sink_text(sink, config, member, must, &text, error);

	*out = NULL;
	if (result != 0 || text == NULL)
		return result;
	*out = strdup(text);
	return *out == NULL ? tally_outside_fail_memory(error) : TALLY_OK;
}

int
tally_sink_slurp(const char *path, size_t max, char **out, size_t *out_len,
    struct tally_error *error)
{
	int failed = tally_disk_read(AT_FDCWD, path, max, out, out_len);

	if (failed != 0)
		return tally_outside_fail(error, failed, "cannot read \"%s\"",
		    path);
	return TALLY_OK;
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
