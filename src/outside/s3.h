/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to S3, and to what speaks like it: where the bucket is, who asks,
 * and their signature (AWS, version 4).
 */
#ifndef TALLY_OUTSIDE_S3_H
#define TALLY_OUTSIDE_S3_H

#include <stdbool.h>

#include <jansson.h>

#include "outside/http.h"

struct tally_s3 {
	char *url;    /* of the bucket */
	char *prefix; /* of the keys in it, or NULL */
	char *ca;     /* file of certificates, or NULL */
	char *sigv4;  /* "aws:amz:REGION:s3" */
	char *user;   /* "KEY:SECRET" */
};

/*
 * Takes "url", "prefix", "ca", "region" and "key_file" of a configuration;
 * whose: "the sink \"x\"", for messages.  Wipe it in any case.
 */
TALLY_MUST_CHECK int
tally_s3_open(struct tally_s3 *out, const json_t *config, const char *whose,
    struct tally_error *error);

/* Overwrites the secret, too. */
void
tally_s3_wipe(struct tally_s3 *s3);

/* Needs no escape, in XML or in an address; as a prefix is. */
bool
tally_s3_is_plain(const char *text);

/* "" if there is none. */
const char *
tally_s3_prefix(const struct tally_s3 *s3);

/* Adds the header Content-MD5, which a bucket with Object Lock asks for. */
TALLY_MUST_CHECK int
tally_s3_add_md5(struct tally_http *http, struct tally_error *error);

/* Signs and sends; returns 0 whatever the status of the answer is.  Finish it
 * with tally_s3_finish in any case. */
TALLY_MUST_CHECK int
tally_s3_ask(const struct tally_s3 *s3, struct tally_http *http,
    struct tally_error *error);

/* As above, and other answers than 2xx are errors. */
TALLY_MUST_CHECK int
tally_s3_perform(const struct tally_s3 *s3, struct tally_http *http,
    struct tally_error *error);

void
tally_s3_finish(struct tally_http *http);

/* "URL answers 403: AccessDenied", TALLY_E_IO. */
int
tally_s3_refused(const struct tally_http *http, struct tally_error *error);

/* Is that the <Code> of an answer? */
bool
tally_s3_is_code(const struct tally_http *http, const char *code);

/* What stands between <name> and </name>, behind *at, which is moved there;
 * NULL if there is none. */
const char *
tally_s3_element(const char **at, const char *name, size_t *out_len);

#endif
