/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include <tally/proof.h>

#include "core/witness.h"
#include "outside/ask.h"
#include "outside/fail.h"
#include "outside/http.h"

#define PATH "/add-checkpoint"
#define SIZE_TYPE "text/x.tlog.size"
#define REPLY_MAX ((size_t)1 << 16)
#define TRIES 3

enum {
	OK = 200,
	CONFLICT = 409,
	UNPROVEN = 422,
};

/* The request from the size that the witness has. */
static int
make_body(const struct tally_ask *ask, char **out, size_t *out_len,
    struct tally_error *error)
{
	struct tally_consistency proof = { 0 };
	char *body;
	size_t len;
	int result = TALLY_OK;

	if (ask->checkpoint->size > 0)
		result = tally_log_consistency(ask->log, ask->known_size,
		    ask->checkpoint->size, &proof, error);
	if (result == TALLY_END)
		result = tally_fail(error, TALLY_E_DAMAGED,
		    "the log is shorter than its checkpoint");
	if (result != 0)
		return result;
	body = malloc(TALLY_WITNESS_HEAD_MAX + ask->note_len);
	if (body == NULL)
		return tally_outside_fail_memory(error);
	len = tally_witness_request_head(ask->known_size, proof.path,
	    proof.path_len, body);
	memcpy(body + len, ask->note, ask->note_len);
	*out = body;
	*out_len = len + ask->note_len;
	return TALLY_OK;
}

static int
post(const struct tally_ask *ask, struct tally_http *http,
    struct tally_error *error)
{
	size_t room = strlen(ask->url) + sizeof(PATH), body_len = 0;
	char *url = malloc(room), *body = NULL;
	int result = make_body(ask, &body, &body_len, error);

	if (url == NULL && result == 0)
		result = tally_outside_fail_memory(error);
	if (result == 0) {
		memcpy(url, ask->url, strlen(ask->url));
		memcpy(url + strlen(ask->url), PATH, sizeof(PATH));
		http->method = "POST";
		http->url = url;
		http->body = body;
		http->body_len = body_len;
		http->ca = ask->ca;
		http->reply_max = REPLY_MAX;
		result = tally_http_header(&http->headers, "Content-Type",
		    "text/plain; charset=utf-8", error);
	}
	if (result == 0)
		result = tally_http_perform(http, error);
	curl_slist_free_all(http->headers);
	http->headers = NULL;
	/* The request is done; only its address is looked at again. */
	http->url = ask->url;
	http->body = NULL;
	free(url);
	free(body);
	return result;
}

/* The first line of the reply that is this witness's, and holds. */
static int
take_line(const struct tally_ask *ask, const struct tally_http *http,
    char out[TALLY_SIGNATURE_LINE_MAX], size_t *out_len,
    struct tally_error *error)
{
	const char *at = http->reply, *end = at + http->reply_len;
	char *note = malloc(ask->note_len + TALLY_SIGNATURE_LINE_MAX);
	int result = TALLY_E_IO;

	if (note == NULL)
		return tally_outside_fail_memory(error);
	memcpy(note, ask->note, ask->note_len);
	while (at < end && result != 0) {
		const char *feed = memchr(at, '\n', (size_t)(end - at));
		size_t len = feed == NULL ? 0 : (size_t)(feed - at) + 1;
		struct tally_note parsed;

		if (len == 0)
			break;
		if (len <= TALLY_SIGNATURE_LINE_MAX) {
			memcpy(note + ask->note_len, at, len);
			if (tally_note_parse(note, ask->note_len + len,
				&parsed) == 0 &&
			    tally_note_check(&parsed, ask->vkey, NULL) ==
				TALLY_SIGNED) {
				memcpy(out, at, len);
				*out_len = len;
				result = TALLY_OK;
			}
		}
		at += len;
	}
	free(note);
	if (result != 0)
		return tally_fail(error, TALLY_E_IO,
		    "\"%s\" answers with no cosignature of \"%s\" that holds",
		    ask->url, ask->vkey->name);
	return TALLY_OK;
}

/* 409: the size that the witness has. */
static int
take_size(struct tally_ask *ask, const struct tally_http *http,
    struct tally_error *error)
{
	size_t len = http->reply_len;
	uint64_t size;

	if (strncmp(http->type, SIZE_TYPE, sizeof(SIZE_TYPE) - 1) != 0 ||
	    len == 0 || http->reply[len - 1] != '\n' ||
	    tally_decimal_parse(http->reply, len - 1, TALLY_CHECKPOINT_SIZE_MAX,
		&size) != 0)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "the witness \"%s\" saw another root at this size, or"
		    " answers 409 without a size",
		    ask->vkey->name);
	if (size > ask->checkpoint->size)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "the witness \"%s\" saw size %llu, and the checkpoint has"
		    " %llu: the log was cut, or put back",
		    ask->vkey->name, (unsigned long long)size,
		    (unsigned long long)ask->checkpoint->size);
	ask->known_size = size;
	return TALLY_OK;
}

int
tally_witness_ask(struct tally_ask *ask, char out[TALLY_SIGNATURE_LINE_MAX],
    size_t *out_len, struct tally_error *error)
{
	bool again = true;
	int result = TALLY_OK;

	if (ask->known_size > ask->checkpoint->size)
		ask->known_size = 0;
	for (int i = 0; i < TRIES && again && result == 0; i++) {
		struct tally_http http = { 0 };

		again = false;
		result = post(ask, &http, error);
		if (result == 0 && http.status == OK)
			result = take_line(ask, &http, out, out_len, error);
		else if (result == 0 && http.status == CONFLICT)
			again = (result = take_size(ask, &http, error)) == 0;
		else if (result == 0 && http.status == UNPROVEN)
			result = tally_fail(error, TALLY_E_DAMAGED,
			    "the witness \"%s\" saw other records than the log"
			    " has",
			    ask->vkey->name);
		else if (result == 0)
			result = tally_http_refused(&http, error);
		tally_http_wipe(&http);
	}
	if (result == 0 && again)
		result = tally_fail(error, TALLY_E_BUSY,
		    "others ask the witness \"%s\" all the time",
		    ask->vkey->name);
	if (result == 0)
		ask->known_size = ask->checkpoint->size;
	return result;
}
