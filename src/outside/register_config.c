/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong is refused before anything is asked: two hosts of which one
 * took another prefix, or the same address with a slash more, would have two
 * registers, and sign by both.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>
#include <curl/curl.h>

#include "outside/fail.h"
#include "outside/members.h"
#include "outside/register_config.h"

#define WHOSE "the register"
#define LIMIT_S 30
#define LIMIT_MAX_S 600

static int
check_members(json_t *config, struct tally_error *error)
{
	static const char *const known[] = { "type", "url", "region",
		"key_file", "prefix", "ca", "timeout_s", "versioned", "plain",
		NULL };

	for (void *at = json_object_iter(config); at != NULL;
	     at = json_object_iter_next(config, at)) {
		const char *name = json_object_iter_key(at);
		size_t i = 0;

		while (known[i] != NULL && strcmp(name, known[i]) != 0)
			i++;
		if (known[i] == NULL)
			return tally_fail(error, TALLY_E_USAGE,
			    WHOSE " knows no member \"%.80s\"; see"
				  " tally-checkpoint(1)",
			    name);
	}
	return TALLY_OK;
}

static int
take_bool(const json_t *config, const char *name, bool *out,
    struct tally_error *error)
{
	const json_t *value = json_object_get(config, name);

	*out = json_is_true(value);
	if (value == NULL || json_is_boolean(value))
		return TALLY_OK;
	return tally_fail(error, TALLY_E_USAGE,
	    "\"%s\" of " WHOSE " is not true or false", name);
}

static int
take_limit(const json_t *config, long *out, struct tally_error *error)
{
	const json_t *value = json_object_get(config, "timeout_s");

	*out = value == NULL ? LIMIT_S : (long)json_integer_value(value);
	if (*out >= 1 && *out <= LIMIT_MAX_S)
		return TALLY_OK;
	return tally_fail(error, TALLY_E_USAGE,
	    "\"timeout_s\" of " WHOSE " is not 1 to %d", LIMIT_MAX_S);
}

/* ---- the address ------------------------------------------------------ */

static bool
has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return has;
}

static bool
is_part(CURLU *url, CURLUPart part, const char *word)
{
	char *text = NULL;
	bool is = curl_url_get(url, part, &text, 0) == CURLUE_OK &&
	    strcasecmp(text, word) == 0;

	curl_free(text);
	return is;
}

static bool
is_loopback(CURLU *url)
{
	char *host = NULL;
	struct in_addr address;
	bool is = curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    inet_pton(AF_INET, host, &address) == 1 &&
	    ntohl(address.s_addr) >> 24 == 127;

	curl_free(host);
	return is || is_part(url, CURLUPART_HOST, "localhost") ||
	    is_part(url, CURLUPART_HOST, "[::1]");
}

/* The signature is of a request's name and body, not of its condition, and
 * nothing is of an answer: without TLS whoever is in between is the server. */
static int
check_parts(CURLU *url, const char *text, bool plain, struct tally_error *error)
{
	bool is_tls = is_part(url, CURLUPART_SCHEME, "https");

	if (!is_tls && !is_part(url, CURLUPART_SCHEME, "http"))
		return tally_fail(error, TALLY_E_USAGE,
		    "the \"url\" of " WHOSE " does not begin with https://");
	if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
		return tally_fail(error, TALLY_E_USAGE,
		    "the \"url\" of " WHOSE " has a user in it; the key"
		    " belongs into \"key_file\"");
	if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
		return tally_fail(error, TALLY_E_USAGE,
		    "the \"url\" of " WHOSE ", \"%s\", is more than a"
		    " bucket's address",
		    text);
	if (is_tls || plain || is_loopback(url))
		return TALLY_OK;
	return tally_fail(error, TALLY_E_USAGE,
	    "the \"url\" of " WHOSE ", \"%s\", is one without TLS, where"
	    " whoever is in between answers for the server; use https://, or"
	    " say \"plain\": true if nobody is",
	    text);
}

static int
check_url(const char *text, bool plain, struct tally_error *error)
{
	CURLU *url = curl_url();
	CURLUcode code;
	int result;

	if (url == NULL)
		return tally_outside_fail_memory(error);
	code = curl_url_set(url, CURLUPART_URL, text, 0);
	if (code == CURLUE_OK)
		result = check_parts(url, text, plain, error);
	else if (code == CURLUE_OUT_OF_MEMORY)
		result = tally_outside_fail_memory(error);
	else
		result = tally_fail(error, TALLY_E_USAGE,
		    "the \"url\" of " WHOSE " does not begin with https://,"
		    " or is none");
	curl_url_cleanup(url);
	return result;
}

static int
take_name(struct tally_register_config *out, struct tally_error *error)
{
	size_t len = strlen(out->s3.url);
	int n;

	while (len > 0 && out->s3.url[len - 1] == '/')
		len--;
	n = len > TALLY_REGISTER_NAME_MAX
	    ? -1
	    : snprintf(out->name, sizeof(out->name), "%.*s/%s", (int)len,
		  out->s3.url, tally_s3_prefix(&out->s3));
	if (n >= 0 && (size_t)n < sizeof(out->name))
		return TALLY_OK;
	return tally_fail(error, TALLY_E_USAGE,
	    "the address of " WHOSE " is too long");
}

/* ---- all of it -------------------------------------------------------- */

static int
take(struct tally_register_config *out, json_t *config,
    struct tally_error *error)
{
	const char *type = NULL;
	bool plain = false;
	int result = tally_member_text(config, WHOSE, "type", true, &type,
	    error);

	if (result == 0 && strcmp(type, "s3") != 0)
		result = tally_fail(error, TALLY_E_USAGE,
		    "a register of type \"%s\" is not known; there is \"s3\"",
		    type);
	if (result == 0)
		result = check_members(config, error);
	if (result == 0)
		result = tally_s3_open(&out->s3, config, WHOSE, error);
	if (result == 0)
		result = take_limit(config, &out->limit_s, error);
	if (result == 0)
		result = take_bool(config, "versioned", &out->versioned, error);
	if (result == 0)
		result = take_bool(config, "plain", &plain, error);
	if (result == 0)
		result = check_url(out->s3.url, plain, error);
	return result == 0 ? take_name(out, error) : result;
}

int
tally_register_config_open(struct tally_register_config *out,
    const char *config, size_t len, struct tally_error *error)
{
	json_error_t what;
	json_t *json = json_loadb(config, len, JSON_REJECT_DUPLICATES, &what);
	int result;

	memset(out, 0, sizeof(*out));
	if (json == NULL)
		result = tally_fail(error, TALLY_E_USAGE,
		    "line %d of " WHOSE ": %s", what.line, what.text);
	else
		result = take(out, json, error);
	json_decref(json);
	return result;
}

void
tally_register_config_wipe(struct tally_register_config *config)
{
	tally_s3_wipe(&config->s3);
}
