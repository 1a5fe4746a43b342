/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include <tally/outside.h>

#include "outside/fail.h"
#include "outside/http.h"

#define CONNECT_S 10L
#define TOTAL_S 30L
#define SHOWN_MAX 120

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
begin(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t
take(char *bytes, size_t size, size_t count, void *arg)
{
	struct tally_http *http = arg;
	size_t len = size * count;
	char *reply;

	if (len > http->reply_max - http->reply_len)
		return 0;
	reply = realloc(http->reply, http->reply_len + len + 1);
	if (reply == NULL)
		return 0;
	memcpy(reply + http->reply_len, bytes, len);
	http->reply = reply;
	http->reply_len += len;
	reply[http->reply_len] = '\0';
	return len;
}

static CURLcode
set_up(CURL *curl, struct tally_http *http, char *words)
{
	CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, http->url);

#define SET(option, value) \
	if (code == CURLE_OK) \
	code = curl_easy_setopt(curl, option, value)
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	SET(CURLOPT_TIMEOUT, http->limit_s == 0 ? TOTAL_S : http->limit_s);
	SET(CURLOPT_ERRORBUFFER, words);
	SET(CURLOPT_WRITEFUNCTION, take);
	SET(CURLOPT_WRITEDATA, http);
	SET(CURLOPT_HTTPHEADER, http->headers);
	SET(CURLOPT_USERAGENT, "tally");
	if (http->ca != NULL)
		SET(CURLOPT_CAINFO, http->ca);
	if (http->unix_socket != NULL)
		SET(CURLOPT_UNIX_SOCKET_PATH, http->unix_socket);
	if (http->body != NULL) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)http->body_len);
		SET(CURLOPT_POSTFIELDS, http->body);
	}
	SET(CURLOPT_CUSTOMREQUEST, http->method);
	if (http->sigv4 != NULL) {
		SET(CURLOPT_AWS_SIGV4, http->sigv4);
		SET(CURLOPT_USERPWD, http->user);
	}
#undef SET
	return code;
}

/* What is kept of the headers of a reply. */
static void
take_headers(CURL *curl, struct tally_http *http)
{
	struct curl_header *header;
	const char *type = NULL;

	if (curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK &&
	    type != NULL)
		(void)snprintf(http->type, sizeof(http->type), "%s", type);
	if (curl_easy_header(curl, "ETag", 0, CURLH_HEADER, -1, &header) ==
		CURLHE_OK &&
	    strlen(header->value) < sizeof(http->etag))
		(void)strcpy(http->etag, header->value);
	http->has_version = curl_easy_header(curl, "x-amz-version-id", 0,
				CURLH_HEADER, -1, &header) == CURLHE_OK;
}

int
tally_http_perform(struct tally_http *http, struct tally_error *error)
{
	char words[CURL_ERROR_SIZE] = "";
	CURLcode code;
	CURL *curl;

	(void)pthread_once(&once, begin);
	http->reply = NULL;
	http->reply_len = 0;
	http->type[0] = '\0';
	http->etag[0] = '\0';
	http->has_version = false;
	curl = curl_easy_init();
	if (curl == NULL)
		return tally_outside_fail_memory(error);
	code = set_up(curl, http, words);
	if (code == CURLE_OK)
		code = curl_easy_perform(curl);
	if (code == CURLE_OK)
		code = curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE,
		    &http->status);
	if (code == CURLE_OK)
		take_headers(curl, http);
	curl_easy_cleanup(curl);
	if (code == CURLE_OK)
		return TALLY_OK;
	tally_http_wipe(http);
	if (code == CURLE_WRITE_ERROR)
		return tally_fail(error, TALLY_E_LIMIT,
		    "\"%s\" answers with more than %zu bytes", http->url,
		    http->reply_max);
	return tally_fail(error, TALLY_E_IO, "\"%s\": %s", http->url,
	    words[0] != '\0' ? words : curl_easy_strerror(code));
}

void
tally_http_wipe(struct tally_http *http)
{
	free(http->reply);
	http->reply = NULL;
	http->reply_len = 0;
}

int
tally_http_header(struct curl_slist **headers, const char *name,
    const char *value, struct tally_error *error)
{
	size_t room = strlen(name) + strlen(value) + sizeof(": ");
	char *line = malloc(room);
	struct curl_slist *more = NULL;

	if (line != NULL) {
		(void)snprintf(line, room, "%s: %s", name, value);
		more = curl_slist_append(*headers, line);
		free(line);
	}
	if (more == NULL)
		return tally_outside_fail_memory(error);
	*headers = more;
	return TALLY_OK;
}

int
tally_http_refused(const struct tally_http *http, struct tally_error *error)
{
	const char *reply = http->reply == NULL ? "" : http->reply;
	size_t len = strcspn(reply, "\r\n");

	return tally_fail(error, TALLY_E_IO, "\"%s\" answers %ld%s%.*s",
	    http->url, http->status, len == 0 ? "" : ": ",
	    (int)(len > SHOWN_MAX ? SHOWN_MAX : len), reply);
}

int
tally_outside_post(const char *url, const char *ca, const char *body,
    size_t len, struct tally_error *error)
{
	struct tally_http http = { .method = "POST",
		.url = url,
		.body = body,
		.body_len = len,
		.ca = ca,
		.reply_max = (size_t)1 << 16 };
	int result = tally_http_header(&http.headers, "Content-Type",
	    "application/json", error);

	if (result == 0)
		result = tally_http_perform(&http, error);
	if (result == 0 && (http.status < 200 || http.status > 299))
		result = tally_http_refused(&http, error);
	tally_http_wipe(&http);
	curl_slist_free_all(http.headers);
	return result;
}
