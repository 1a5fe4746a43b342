/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "serve/witness.h"

#define ADD_PATH "/add-checkpoint"
#define LATEST_END "/checkpoint"
#define PLAIN "text/plain; charset=utf-8"

enum {
	OK = 200,
	NOT_FOUND = 404,
	NOT_ALLOWED = 405,
	FAILED = 500,
};

static void
fail(const struct serve_witness *serve, const struct tally_error *error,
    struct http_reply *out)
{
	serve->failed(error->message);
	out->status = FAILED;
}

static void
add(const struct serve_witness *serve, const struct http_request *request,
    struct http_reply *out)
{
	struct tally_witness_answer answer;
	struct tally_error error = { 0 };

	if (tally_witness_add(serve->witness, request->body, request->body_len,
		&answer, &error) != 0) {
		fail(serve, &error, out);
		return;
	}
	out->body = malloc(answer.body_len + 1);
	if (out->body == NULL) {
		out->status = FAILED;
		return;
	}
	memcpy(out->body, answer.body, answer.body_len);
	out->body_len = answer.body_len;
	out->status = answer.status;
	out->type = answer.type;
}

/* The hash that a monitor asks for; false if the path is another. */
static bool
take_hash(const char *path, char out[TALLY_HASH_TEXT_SIZE])
{
	const size_t len = TALLY_HASH_TEXT_SIZE - 1;

	if (path[0] != '/' || strlen(path) < 1 + len ||
	    strcmp(path + 1 + len, LATEST_END) != 0)
		return false;
	memcpy(out, path + 1, len);
	out[len] = '\0';
	return true;
}

static void
latest(const struct serve_witness *serve, const char *hash,
    struct http_reply *out)
{
	struct tally_error error = { 0 };
	char *note;
	size_t len;
	int result = tally_witness_latest(serve->witness, hash, &note, &len,
	    &error);

	if (result < 0) {
		fail(serve, &error, out);
		return;
	}
	out->status = result == 0 ? OK : NOT_FOUND;
	if (result == 0) {
		out->body = note;
		out->body_len = len;
		out->type = PLAIN;
	}
}

void
serve_witness_answer(void *arg, const struct http_request *request,
    struct http_reply *out)
{
	const struct serve_witness *serve = arg;
	char hash[TALLY_HASH_TEXT_SIZE];
	bool is_get = strcmp(request->method, "GET") == 0 ||
	    strcmp(request->method, "HEAD") == 0;

	if (strcmp(request->path, ADD_PATH) == 0) {
		if (strcmp(request->method, "POST") == 0)
			add(serve, request, out);
		else
			out->status = NOT_ALLOWED;
	} else if (take_hash(request->path, hash)) {
		if (is_get)
			latest(serve, hash, out);
		else
			out->status = NOT_ALLOWED;
	} else {
		out->status = NOT_FOUND;
	}
}
