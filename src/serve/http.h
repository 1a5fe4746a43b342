/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP server around libmicrohttpd, for a loopback address or a unix
 * socket; TLS and public addresses are a proxy's business.
 *
 * A proxy and we must never take one stream of bytes for different requests:
 * a request whose framing can be read in two ways is refused before its body
 * (RFC 9112, sections 3.2 and 6.3).
 */
#ifndef TALLY_SERVE_HTTP_H
#define TALLY_SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct http_request {
	const char *method; /* "GET" */
	const char *path;   /* without query, decoded */
	const char *body;   /* body_len bytes */
	size_t body_len;
};

struct http_reply {
	unsigned status;
	const char *type; /* of the content; static storage */
	void *body;       /* from malloc; the server frees it */
	size_t body_len;
};

struct http_options {
	const char *listen;   /* HOST:PORT of loopback, or unix:PATH */
	size_t body_max;      /* bytes; a longer body is status 413 */
	bool without_threads; /* the caller calls http_run */
	/* Called from several threads at once; reply is zeroed. */
	void (*answer)(void *arg, const struct http_request *request,
	    struct http_reply *out);
	void *arg;
};

#define HTTP_ADDRESS_SIZE 256
#define HTTP_WHY_SIZE 256

struct http;

/*
 * Listens, and answers in threads of its own; signals that are not for these
 * are blocked by the caller first.  options live until http_stop.  Returns 0
 * and the address ("127.0.0.1:8080": port 0 was filled in); or -1 and why not.
 */
int
http_start(const struct http_options *options, struct http **out,
    char out_address[HTTP_ADDRESS_SIZE], char out_why[HTTP_WHY_SIZE]);

/* Without threads: what becomes readable when http_run has something to do; it
 * is called now and then as well, for what is too slow. */
int
http_fd(const struct http *http);

void
http_run(struct http *http);

/* Ends; NULL is left alone. */
void
http_stop(struct http *http);

#endif
