/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syslog (RFC 5424), by a datagram to a unix socket or over UDP (RFC 5426), or
 * over TCP with octet counting (RFC 6587), or that over TLS (RFC 5425).  The
 * protocol knows no answer: only what is read back (the file that the server
 * writes) shows what arrived.
 */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "outside/disk.h"
#include "outside/fail.h"
#include "outside/sink.h"
#include "outside/tls.h"

#define HEAD_MAX 512
#define FACILITY 13 /* log audit */
#define SEVERITY 5  /* notice */

struct syslog {
	char *address, *read;
	char *host, *port; /* NULL: a unix socket */
	int type;
	bool has_tls;
	char *ca, *certificate, *key, *name; /* with TLS, or NULL */
};

/* ---- opening ---------------------------------------------------------- */

/* "unix:PATH", "udp:HOST:PORT", "tcp:HOST:PORT", "tls:HOST:PORT" */
static int
parse_address(struct tally_sink *sink, struct syslog *syslog,
    struct tally_error *error)
{
	const char *address = syslog->address, *port = strrchr(address, ':');

	syslog->has_tls = strncmp(address, "tls:", 4) == 0;
	syslog->type = syslog->has_tls || strncmp(address, "tcp:", 4) == 0
	    ? SOCK_STREAM
	    : SOCK_DGRAM;
	if (strncmp(address, "unix:", 5) == 0 &&
	    strlen(address + 5) < sizeof(((struct sockaddr_un *)0)->sun_path))
		return TALLY_OK;
	if ((strncmp(address, "udp:", 4) != 0 && syslog->type != SOCK_STREAM) ||
	    port <= address + 4 || port[1] == '\0')
		return tally_fail(error, TALLY_E_USAGE,
		    "\"address\" of the sink \"%s\" is none of unix:PATH,"
		    " udp:HOST:PORT, tcp:HOST:PORT, tls:HOST:PORT",
		    sink->name);
	syslog->host = strndup(address + 4, (size_t)(port - address) - 4);
	syslog->port = strdup(port + 1);
	if (syslog->host == NULL || syslog->port == NULL)
		return tally_outside_fail_memory(error);
	return TALLY_OK;
}

/* What somebody wrote to be safe must not be without effect. */
static int
open_tls(struct tally_sink *sink, struct syslog *syslog, const json_t *config,
    struct tally_error *error)
{
	const struct {
		const char *member;
		char **out;
	} texts[] = {
		{ "ca", &syslog->ca },
		{ "server_name", &syslog->name },
		{ "client_certificate", &syslog->certificate },
		{ "client_key", &syslog->key },
	};
	int result = TALLY_OK;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		result = tally_sink_text_dup(sink, config, texts[i].member,
		    false, texts[i].out, error);
		if (result == 0 && *texts[i].out != NULL && !syslog->has_tls)
			result = tally_fail(error, TALLY_E_USAGE,
			    "the sink \"%s\" has \"%s\", and no address"
			    " tls:HOST:PORT",
			    sink->name, texts[i].member);
		if (result != 0)
			return result;
	}
	if ((syslog->certificate == NULL) != (syslog->key == NULL))
		return tally_fail(error, TALLY_E_USAGE,
		    "the sink \"%s\" has one of \"client_certificate\" and"
		    " \"client_key\" without the other",
		    sink->name);
	return TALLY_OK;
}

static int
syslog_open(struct tally_sink *sink, const json_t *config,
    struct tally_error *error)
{
	struct syslog *syslog = calloc(1, sizeof(*syslog));
	int result;

	if (syslog == NULL)
		return tally_outside_fail_memory(error);
	sink->own = syslog;
	result = tally_sink_text_dup(sink, config, "address", true,
	    &syslog->address, error);
	if (result == 0)
		result = parse_address(sink, syslog, error);
	if (result == 0)
		result = open_tls(sink, syslog, config, error);
	if (result == 0)
		result = tally_sink_text_dup(sink, config, "read", false,
		    &syslog->read, error);
	sink->readable = syslog->read != NULL;
	return result;
}

static void
syslog_close(struct tally_sink *sink)
{
	struct syslog *syslog = sink->own;

	free(syslog->address);
	free(syslog->read);
	free(syslog->host);
	free(syslog->port);
	free(syslog->ca);
	free(syslog->name);
	free(syslog->certificate);
	free(syslog->key);
	free(syslog);
}

/* ---- sending ---------------------------------------------------------- */

static int
connect_unix(const struct syslog *syslog)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
	    syslog->address + 5);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) !=
	    0) {
		int failed = errno;

		(void)close(fd);
		return -failed;
	}
	return fd;
}

static int
connect_net(const struct syslog *syslog)
{
	const struct addrinfo hints = { .ai_socktype = syslog->type,
		.ai_flags = AI_ADDRCONFIG };
	struct addrinfo *found, *at;
	int fd = -1, failed = EADDRNOTAVAIL;

	if (getaddrinfo(syslog->host, syslog->port, &hints, &found) != 0)
		return -EADDRNOTAVAIL;
	for (at = found; at != NULL && fd < 0; at = at->ai_next) {
		/* Another sink's thread may start a program meanwhile. */
		fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC,
		    at->ai_protocol);
		if (fd < 0)
			continue;
		tally_sink_limit_send(fd);
		if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
			failed = errno;
			(void)close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	return fd < 0 ? -failed : fd;
}

/* <PRI>1 TIME HOST tally PID checkpoint - MESSAGE */
static size_t
format_head(char out[HEAD_MAX])
{
	char time[TALLY_TIME_TEXT_SIZE], host[128] = "-";
	int n;

	tally_time_format(tally_queue_now_us(), time);
	if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
		(void)snprintf(host, sizeof(host), "-");
	n = snprintf(out, HEAD_MAX, "<%d>1 %s %s tally %ld checkpoint - ",
	    FACILITY * 8 + SEVERITY, time, host, (long)getpid());
	return n < 0 ? 0 : (size_t)n;
}

static int
send_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
deliver(const struct syslog *syslog, const char *frame, size_t len,
    struct tally_error *error)
{
	const struct tally_tls tls = { .address = syslog->address,
		.name = syslog->name == NULL ? syslog->host : syslog->name,
		.ca = syslog->ca,
		.certificate = syslog->certificate,
		.key = syslog->key };
	int fd = syslog->host == NULL ? connect_unix(syslog)
				      : connect_net(syslog);
	int failed = fd < 0 ? -fd : 0, result = TALLY_OK;

	if (fd >= 0)
		tally_sink_limit_send(fd);
	if (fd >= 0 && syslog->has_tls)
		result = tally_tls_deliver(fd, &tls, frame, len, error);
	else if (fd >= 0)
		failed = send_all(fd, frame, len);
	if (fd >= 0)
		(void)close(fd);
	if (failed != 0)
		return tally_outside_fail(error, failed,
		    "cannot send to \"%s\"", syslog->address);
	return result;
}

static int
syslog_send(struct tally_sink *sink, const struct tally_sink_line *line,
    struct tally_error *error)
{
	const struct syslog *syslog = sink->own;
	char head[HEAD_MAX], *frame = malloc(line->len + HEAD_MAX + 32);
	size_t head_len = format_head(head), len = 0;
	int result;

	if (frame == NULL)
		return tally_outside_fail_memory(error);
	if (syslog->type == SOCK_STREAM)
		len = (size_t)sprintf(frame, "%zu ", head_len + line->len);
	memcpy(frame + len, head, head_len);
	memcpy(frame + len + head_len, line->text, line->len);
	len += head_len + line->len;
	result = deliver(syslog, frame, len, error);
	free(frame);
	return result;
}

/* ---- reading ---------------------------------------------------------- */

struct reading {
	tally_sink_line_fn *fn;
	void *arg;
};

/* A server writes its own words before the message. */
static int
find_dispatch(void *arg, const char *text, size_t len)
{
	static const char begin[] = "{\"dispatch\":";
	const struct reading *reading = arg;
	const size_t begin_len = sizeof(begin) - 1;

	for (size_t i = 0; i + begin_len <= len; i++) {
		if (text[i] == '{' && memcmp(text + i, begin, begin_len) == 0)
			return reading->fn(reading->arg, text + i, len - i);
	}
	return TALLY_OK;
}

static int
syslog_read(struct tally_sink *sink, uint64_t since, tally_sink_line_fn *fn,
    void *arg, struct tally_error *error)
{
	const struct syslog *syslog = sink->own;
	struct reading reading = { fn, arg };

	(void)since;
	return tally_sink_read_lines(syslog->read, find_dispatch, &reading,
	    error);
}

const struct tally_sink_kind tally_sink_syslog = {
	.type = "syslog",
	.is_unanswered = true,
	.open = syslog_open,
	.send = syslog_send,
	.read = syslog_read,
	.close = syslog_close,
};
