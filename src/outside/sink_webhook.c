/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A webhook: POST of the line.  The line is signed by the log's key; with a
 * secret there are HMACs as well, for receivers that know nothing else.
 * Read back, if the receiver has an address for it: all lines that it has.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/hmac.h>

#include "core/text.h"
#include "outside/fail.h"
#include "outside/http.h"
#include "outside/members.h"
#include "outside/sink.h"

#define READ_MAX ((size_t)256 << 20)
#define ANSWER_MAX ((size_t)1 << 16)
#define SECRET_MAX 4096
#define SHA256_SIZE 32

struct webhook {
	char *url, *read, *ca, *socket, *token;
	char *secret;
	size_t secret_len;
};

/* The first line of the file of a secret. */
static int
read_secret(const struct tally_sink *sink, const json_t *config,
    const char *member, char **out, struct tally_error *error)
{
	const char *path;
	size_t len;
	int result = tally_sink_text(sink, config, member, false, &path, error);

	if (result != 0 || path == NULL)
		return result;
	result = tally_member_slurp(path, SECRET_MAX, out, &len, error);
	if (result != 0)
		return result;
	(*out)[strcspn(*out, "\r\n")] = '\0';
	if ((*out)[0] != '\0')
		return TALLY_OK;
	return tally_fail(error, TALLY_E_USAGE, "\"%s\" holds no secret", path);
}

static int
webhook_open(struct tally_sink *sink, const json_t *config,
    struct tally_error *error)
{
	struct webhook *hook = calloc(1, sizeof(*hook));
	int result;

	if (hook == NULL)
		return tally_outside_fail_memory(error);
	sink->own = hook;
	result = tally_sink_text_dup(sink, config, "url", true, &hook->url,
	    error);
	if (result == 0)
		result = tally_sink_text_dup(sink, config, "read", false,
		    &hook->read, error);
	if (result == 0)
		result = tally_sink_text_dup(sink, config, "ca", false,
		    &hook->ca, error);
	if (result == 0)
		result = tally_sink_text_dup(sink, config, "socket", false,
		    &hook->socket, error);
	if (result == 0)
		result = read_secret(sink, config, "secret_file", &hook->secret,
		    error);
	if (result == 0)
		result = read_secret(sink, config, "token_file", &hook->token,
		    error);
	if (hook->secret != NULL)
		hook->secret_len = strlen(hook->secret);
	sink->readable = hook->read != NULL;
	return result;
}

static void
webhook_close(struct tally_sink *sink)
{
	struct webhook *hook = sink->own;

	free(hook->url);
	free(hook->read);
	free(hook->ca);
	free(hook->socket);
	free(hook->token);
	free(hook->secret);
	free(hook);
}

/* HMAC of what there is in front, and the line; hexadecimal. */
static int
format_hmac(const struct webhook *hook, const char *front,
    const struct tally_sink_line *line, char out[2 * SHA256_SIZE + 1],
    struct tally_error *error)
{
	size_t front_len = strlen(front);
	char *text = malloc(front_len + line->len + 1);
	uint8_t mac[SHA256_SIZE];
	unsigned len = sizeof(mac);
	const uint8_t *done;

	if (text == NULL)
		return tally_outside_fail_memory(error);
	memcpy(text, front, front_len);
	memcpy(text + front_len, line->text, line->len);
	done = HMAC(EVP_sha256(), hook->secret, (int)hook->secret_len,
	    (const uint8_t *)text, front_len + line->len, mac, &len);
	free(text);
	if (done == NULL)
		return tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	tally_hex_format(mac, sizeof(mac), out);
	out[sizeof(mac) * 2] = '\0';
	return TALLY_OK;
}

/*
 * Tally-Hmac is that of the body, and holds for ever.  Tally-Signature is of
 * the time as well, so that a receiver can refuse what somebody kept and sends
 * again.
 */
static int
add_hmac(const struct webhook *hook, const struct tally_sink_line *line,
    struct curl_slist **headers, struct tally_error *error)
{
	char mac[2 * SHA256_SIZE + 1], front[32], value[128];
	int64_t now = tally_queue_now_us() / 1000000;
	int result;

	if (hook->secret == NULL)
		return TALLY_OK;
	result = format_hmac(hook, "", line, mac, error);
	(void)snprintf(value, sizeof(value), "sha256=%s", mac);
	if (result == 0)
		result = tally_http_header(headers, "Tally-Hmac", value, error);
	(void)snprintf(front, sizeof(front), "%" PRId64 ".", now);
	if (result == 0)
		result = format_hmac(hook, front, line, mac, error);
	(void)snprintf(value, sizeof(value), "t=%" PRId64 ",v1=%s", now, mac);
	if (result == 0)
		result = tally_http_header(headers, "Tally-Signature", value,
		    error);
	return result;
}

static int
add_token(const struct webhook *hook, struct curl_slist **headers,
    struct tally_error *error)
{
	char value[SECRET_MAX + sizeof("Bearer ")];

	if (hook->token == NULL)
		return TALLY_OK;
	(void)snprintf(value, sizeof(value), "Bearer %s", hook->token);
	return tally_http_header(headers, "Authorization", value, error);
}

static int
make_headers(const struct webhook *hook, const struct tally_sink_line *line,
    struct curl_slist **headers, struct tally_error *error)
{
	char key[64];
	int result = tally_http_header(headers, "Content-Type",
	    "application/json", error);

	(void)snprintf(key, sizeof(key), "%" PRIu64 "-%" PRIu32,
	    line->dispatch->size, line->dispatch->part);
	if (result == 0)
		result = tally_http_header(headers, "Tally-Origin",
		    line->dispatch->origin, error);
	if (result == 0)
		result = tally_http_header(headers, "Idempotency-Key", key,
		    error);
	if (result == 0)
		result = add_hmac(hook, line, headers, error);
	if (result == 0)
		result = add_token(hook, headers, error);
	return result;
}

static int
webhook_send(struct tally_sink *sink, const struct tally_sink_line *line,
    struct tally_error *error)
{
	const struct webhook *hook = sink->own;
	struct tally_http http = { .method = "POST",
		.url = hook->url,
		.body = line->text,
		.body_len = line->len,
		.ca = hook->ca,
		.unix_socket = hook->socket,
		.reply_max = ANSWER_MAX };
	int result = make_headers(hook, line, &http.headers, error);

	if (result == 0)
		result = tally_http_perform(&http, error);
	if (result == 0 && (http.status < 200 || http.status > 299))
		result = tally_http_refused(&http, error);
	tally_http_wipe(&http);
	curl_slist_free_all(http.headers);
	return result;
}

static int
webhook_read(struct tally_sink *sink, uint64_t since, tally_sink_line_fn *fn,
    void *arg, struct tally_error *error)
{
	const struct webhook *hook = sink->own;
	struct tally_http http = { .method = "GET",
		.url = hook->read,
		.ca = hook->ca,
		.unix_socket = hook->socket,
		.reply_max = READ_MAX };
	int result = add_token(hook, &http.headers, error);

	(void)since;
	if (result == 0)
		result = tally_http_perform(&http, error);
	if (result == 0 && http.status != 200)
		result = tally_http_refused(&http, error);
	else if (result == 0)
		result = tally_sink_each_line(http.reply, http.reply_len, fn,
		    arg);
	tally_http_wipe(&http);
	curl_slist_free_all(http.headers);
	return result;
}

const struct tally_sink_kind tally_sink_webhook = {
	.type = "webhook",
	.open = webhook_open,
	.send = webhook_send,
	.read = webhook_read,
	.close = webhook_close,
};
