/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request through libcurl: http and https only, no redirects (a
 * signed body is not for whoever was not named), within a time limit.
 */
#ifndef TALLY_OUTSIDE_HTTP_H
#define TALLY_OUTSIDE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include <tally/error.h>

struct curl_slist;

#define TALLY_HTTP_ETAG_MAX 128 /* a longer one is as none */

struct tally_http {
	const char *method;
	const char *url;
	const void *body; /* NULL: none */
	size_t body_len;
	struct curl_slist *headers; /* the caller's */
	const char *ca;          /* file of certificates; NULL: the system's */
	const char *unix_socket; /* NULL: over the network */
	const char *sigv4;       /* "aws:amz:REGION:s3"; NULL: unsigned */
	const char *user;        /* with sigv4: "KEY:SECRET" */
	size_t reply_max;
	long limit_s; /* for the whole; 0: 30 */
	/* the reply */
	long status;
	char *reply; /* NUL-terminated; free() it, or tally_http_wipe */
	size_t reply_len;
	char type[128], etag[TALLY_HTTP_ETAG_MAX];
	bool has_version; /* S3 says that the bucket keeps versions */
};

/*
 * Returns 0 with a reply, whatever its status; TALLY_E_IO; _LIMIT if it is
 * longer than reply_max; _MEMORY.
 */
TALLY_MUST_CHECK int
tally_http_perform(struct tally_http *http, struct tally_error *error);

void
tally_http_wipe(struct tally_http *http);

/* Adds "name: value"; false if there is no memory. */
int
tally_http_header(struct curl_slist **headers, const char *name,
    const char *value, struct tally_error *error);

/* "URL: status N: first line of the reply", TALLY_E_IO. */
int
tally_http_refused(const struct tally_http *http, struct tally_error *error);

#endif
