/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>
#include <unistd.h>

#include "serve/listen.h"

#define THREADS 4
#define CONNECTIONS_MAX 256
#define TIMEOUT_S 30
#define LENGTH_DIGITS_MAX 18

struct http {
	const struct http_options *options;
	struct MHD_Daemon *daemon;
};

/* One request while its body comes in. */
struct incoming {
	char *body;
	size_t len, room;
	bool too_long, no_memory;
};

/* ---- the guard -------------------------------------------------------- */

struct framing {
	unsigned hosts, lengths, codings;
	bool is_bad;
	unsigned long long length;
};

static enum MHD_Result
look(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct framing *framing = arg;
	size_t len = value == NULL ? 0 : strlen(value);

	(void)kind;
	if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) {
		framing->hosts++;
	} else if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
		framing->lengths++;
		if (len == 0 || len > LENGTH_DIGITS_MAX ||
		    strspn(value, "0123456789") != len)
			framing->is_bad = true;
		else
			framing->length = strtoull(value, NULL, 10);
	} else if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
		framing->codings++;
		if (len == 0 || strcasecmp(value, "chunked") != 0)
			framing->is_bad = true;
	}
	return MHD_YES;
}

/* 0, or the status of a refusal. */
static unsigned
guard(struct MHD_Connection *connection, const char *version, size_t body_max)
{
	struct framing framing = { 0 };

	(void)MHD_get_connection_values(connection, MHD_HEADER_KIND, look,
	    &framing);
	if (framing.is_bad || framing.hosts != 1 ||
	    framing.lengths + framing.codings > 1 ||
	    (framing.codings > 0 && strcmp(version, MHD_HTTP_VERSION_1_1) != 0))
		return MHD_HTTP_BAD_REQUEST;
	return framing.length > body_max ? MHD_HTTP_CONTENT_TOO_LARGE : 0;
}

/* ---- replies ---------------------------------------------------------- */

static enum MHD_Result
send_reply(struct MHD_Connection *connection, const struct http_reply *reply,
    bool is_last)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    reply->body_len, reply->body, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (response == NULL) {
		free(reply->body);
		return MHD_NO;
	}
	if (reply->type != NULL)
		(void)MHD_add_response_header(response,
		    MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
	(void)MHD_add_response_header(response, "X-Content-Type-Options",
	    "nosniff");
	if (is_last)
		(void)MHD_add_response_header(response,
		    MHD_HTTP_HEADER_CONNECTION, "close");
	result = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
refuse(struct MHD_Connection *connection, unsigned status)
{
	const struct http_reply reply = { .status = status };

	return send_reply(connection, &reply, true);
}

/* ---- one request ------------------------------------------------------ */

static void
take_body(struct incoming *incoming, const char *data, size_t len,
    size_t body_max)
{
	if (incoming->too_long || incoming->no_memory)
		return;
	if (len > body_max - incoming->len) {
		incoming->too_long = true;
		return;
	}
	if (len > incoming->room - incoming->len) {
		size_t room = incoming->len + len < 4096 ? 4096 : body_max;
		char *body = realloc(incoming->body, room);

		if (body == NULL) {
			incoming->no_memory = true;
			return;
		}
		incoming->body = body;
		incoming->room = room;
	}
	memcpy(incoming->body + incoming->len, data, len);
	incoming->len += len;
}

static enum MHD_Result
handle(void *arg, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data, size_t *len,
    void **state)
{
	const struct http *http = arg;
	struct incoming *incoming = *state;
	struct http_request request = { .method = method, .path = url };
	struct http_reply reply = { 0 };
	unsigned status;

	if (incoming == NULL) {
		status = guard(connection, version, http->options->body_max);
		if (status != 0)
			return refuse(connection, status);
		incoming = calloc(1, sizeof(*incoming));
		*state = incoming;
		return incoming == NULL ? MHD_NO : MHD_YES;
	}
	if (*len > 0) {
		take_body(incoming, data, *len, http->options->body_max);
		*len = 0;
		return MHD_YES;
	}
	if (incoming->too_long)
		return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE);
	if (incoming->no_memory)
		return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR);
	request.body = incoming->body == NULL ? "" : incoming->body;
	request.body_len = incoming->len;
	http->options->answer(http->options->arg, &request, &reply);
	return send_reply(connection, &reply, false);
}

static void
forget(void *arg, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode how)
{
	struct incoming *incoming = *state;

	(void)arg;
	(void)connection;
	(void)how;
	if (incoming == NULL)
		return;
	free(incoming->body);
	free(incoming);
	*state = NULL;
}

/* ---- begin and end ---------------------------------------------------- */

static struct MHD_Daemon *
start(struct http *http, int fd)
{
	bool alone = http->options->without_threads;
	const struct MHD_OptionItem threads[] = {
		{ MHD_OPTION_THREAD_POOL_SIZE, THREADS, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(alone ? MHD_USE_EPOLL
				      : MHD_USE_INTERNAL_POLLING_THREAD,
	    0, NULL, NULL, handle, http, MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_ARRAY, alone ? &threads[1] : &threads[0],
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT_S,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
	    forget, NULL, MHD_OPTION_END);
}

int
http_fd(const struct http *http)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon,
	    MHD_DAEMON_INFO_EPOLL_FD);

	return info == NULL ? -1 : info->epoll_fd;
}

void
http_run(struct http *http)
{
	(void)MHD_run(http->daemon);
}

int
http_start(const struct http_options *options, struct http **out,
    char out_address[HTTP_ADDRESS_SIZE], char out_why[HTTP_WHY_SIZE])
{
	struct http *http = calloc(1, sizeof(*http));
	int fd = listen_open(options->listen, out_address, out_why);

	if (fd < 0 || http == NULL) {
		if (fd >= 0) {
			(void)snprintf(out_why, HTTP_WHY_SIZE, "out of memory");
			(void)close(fd);
		}
		free(http);
		return -1;
	}
	http->options = options;
	http->daemon = start(http, fd);
	if (http->daemon == NULL) {
		(void)snprintf(out_why, HTTP_WHY_SIZE,
		    "libmicrohttpd cannot start a server");
		listen_remove(options->listen);
		(void)close(fd);
		free(http);
		return -1;
	}
	*out = http;
	return 0;
}

void
http_stop(struct http *http)
{
	if (http == NULL)
		return;
	MHD_stop_daemon(http->daemon);
	listen_remove(http->options->listen);
	free(http);
}
