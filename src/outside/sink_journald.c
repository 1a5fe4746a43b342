/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's journal, by its own protocol: a datagram of NAME=value lines
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL).  Read back by journalctl.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "outside/child.h"
#include "outside/fail.h"
#include "outside/sink.h"

#define SOCKET "/run/systemd/journal/socket"
#define FIELDS_MAX 512
#define TIMEOUT_S 60
#define OUTPUT_MAX ((size_t)256 << 20)

struct journald {
	char *socket, *directory;
	char *match; /* "TALLY_ORIGIN=..." */
};

static int
journald_open(struct tally_sink *sink, const json_t *config,
    struct tally_error *error)
{
	const char *origin = sink->options->origin;
	struct journald *journald = calloc(1, sizeof(*journald));
	int result;

	if (journald == NULL)
		return tally_outside_fail_memory(error);
	sink->own = journald;
	result = tally_sink_text_dup(sink, config, "socket", false,
	    &journald->socket, error);
	if (result == 0)
		result = tally_sink_text_dup(sink, config, "directory", false,
		    &journald->directory, error);
	if (result != 0)
		return result;
	journald->match = malloc(strlen(origin) + sizeof("TALLY_ORIGIN="));
	if (journald->match == NULL)
		return tally_outside_fail_memory(error);
	(void)sprintf(journald->match, "TALLY_ORIGIN=%s", origin);
	return TALLY_OK;
}

static void
journald_close(struct tally_sink *sink)
{
	struct journald *journald = sink->own;

	free(journald->socket);
	free(journald->directory);
	free(journald->match);
	free(journald);
}

static int
send_datagram(const char *path, const char *bytes, size_t len)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, failed = 0;

	if (strlen(path) >= sizeof(address.sun_path))
		return ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	tally_sink_limit_send(fd);
	while (sendto(fd, bytes, len, MSG_NOSIGNAL,
		   (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EINTR)
			continue;
		failed = errno;
		break;
	}
	(void)close(fd);
	return failed;
}

static int
journald_send(struct tally_sink *sink, const struct tally_sink_line *line,
    struct tally_error *error)
{
	const struct journald *journald = sink->own;
	const char *path = journald->socket == NULL ? SOCKET : journald->socket;
	char *bytes = malloc(line->len + FIELDS_MAX + TALLY_ORIGIN_MAX);
	size_t len;
	int failed;

	if (bytes == NULL)
		return tally_outside_fail_memory(error);
	len = (size_t)sprintf(bytes,
	    "PRIORITY=5\nSYSLOG_FACILITY=13\nSYSLOG_IDENTIFIER=tally\n"
	    "%s\nTALLY_SIZE=%" PRIu64 "\nTALLY_PART=%" PRIu32 "\nMESSAGE=",
	    journald->match, line->dispatch->size, line->dispatch->part);
	memcpy(bytes + len, line->text, line->len);
	len += line->len;
	bytes[len++] = '\n';
	failed = send_datagram(path, bytes, len);
	free(bytes);
	if (failed != 0)
		return tally_outside_fail(error, failed,
		    "cannot send to \"%s\"", path);
	return TALLY_OK;
}

/*
 * What it was sent may still be in its socket.  Another user may not ask for
 * this, and a journal that is somebody else's (socket) is not asked.
 */
static void
have_it_written(const struct journald *journald)
{
	static const char *const argv[] = { "journalctl", "--quiet", "--sync",
		NULL };
	int status;

	if (journald->socket == NULL)
		(void)!tally_child_run(argv, TIMEOUT_S, 0, NULL, NULL, &status,
		    NULL);
}

static int
journald_read(struct tally_sink *sink, uint64_t since, tally_sink_line_fn *fn,
    void *arg, struct tally_error *error)
{
	const struct journald *journald = sink->own;
	const char *argv[] = { "journalctl", "--quiet", "--no-pager", "--all",
		"--output=cat", journald->match,
		journald->directory == NULL ? NULL : "--directory",
		journald->directory, NULL };
	char *text = NULL;
	size_t len = 0;
	int status = 0, result;

	(void)since;
	have_it_written(journald);
	result = tally_child_run(argv, TIMEOUT_S, OUTPUT_MAX, &text, &len,
	    &status, error);
	if (result == 0 && status != 0)
		result = TALLY_E_IO;
	if (result == 0)
		result = tally_sink_each_line(text, len, fn, arg);
	free(text);
	return result;
}

const struct tally_sink_kind tally_sink_journald = {
	.type = "journald",
	.is_unanswered = true,
	.open = journald_open,
	.send = journald_send,
	.read = journald_read,
	.close = journald_close,
};
