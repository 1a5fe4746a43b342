/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "core/text.h"
#include "outside/fail.h"
#include "outside/hash.h"
#include "outside/members.h"
#include "outside/s3.h"

#define REPLY_MAX ((size_t)4 << 20)
#define SECRET_MAX 4096
#define MD5_SIZE 16
#define CODE_MAX 80

/* ---- the configuration ------------------------------------------------ */

static int
read_user(struct tally_s3 *s3, const json_t *config, const char *whose,
    struct tally_error *error)
{
	const char *path;
	size_t len;
	int result = tally_member_text(config, whose, "key_file", true, &path,
	    error);

	if (result == 0)
		result = tally_member_slurp(path, SECRET_MAX, &s3->user, &len,
		    error);
	if (result != 0)
		return result;
	s3->user[strcspn(s3->user, "\r\n")] = '\0';
	if (strchr(s3->user, ':') != NULL)
		return TALLY_OK;
	return tally_fail(error, TALLY_E_USAGE,
	    "the first line of \"%s\" is not KEY:SECRET", path);
}

static int
read_region(struct tally_s3 *s3, const json_t *config, const char *whose,
    struct tally_error *error)
{
	const char *region = NULL;
	int result = tally_member_text(config, whose, "region", true, &region,
	    error);

	if (result != 0)
		return result;
	s3->sigv4 = malloc(strlen(region) + sizeof("aws:amz::s3"));
	if (s3->sigv4 == NULL)
		return tally_outside_fail_memory(error);
	(void)sprintf(s3->sigv4, "aws:amz:%s:s3", region);
	return TALLY_OK;
}

bool
tally_s3_is_plain(const char *text)
{
	return strspn(text,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789_-/.") == strlen(text);
}

int
tally_s3_open(struct tally_s3 *out, const json_t *config, const char *whose,
    struct tally_error *error)
{
	int result;

	memset(out, 0, sizeof(*out));
	result = tally_member_text_dup(config, whose, "url", true, &out->url,
	    error);
	if (result == 0)
		result = tally_member_text_dup(config, whose, "prefix", false,
		    &out->prefix, error);
	if (result == 0)
		result = tally_member_text_dup(config, whose, "ca", false,
		    &out->ca, error);
	if (result == 0)
		result = read_region(out, config, whose, error);
	if (result == 0)
		result = read_user(out, config, whose, error);
	if (result != 0 || out->prefix == NULL)
		return result;
	if (!tally_s3_is_plain(out->prefix))
		return tally_fail(error, TALLY_E_USAGE,
		    "\"prefix\" of %s has other than letters, digits, \"_\","
		    " \"-\", \".\" and \"/\"",
		    whose);
	return TALLY_OK;
}

void
tally_s3_wipe(struct tally_s3 *s3)
{
	if (s3->user != NULL)
		OPENSSL_cleanse(s3->user, strlen(s3->user));
	free(s3->url);
	free(s3->prefix);
	free(s3->ca);
	free(s3->sigv4);
	free(s3->user);
	memset(s3, 0, sizeof(*s3));
}

const char *
tally_s3_prefix(const struct tally_s3 *s3)
{
	return s3->prefix == NULL ? "" : s3->prefix;
}

/* ---- requests --------------------------------------------------------- */

static int
add_content_hash(struct tally_http *http, struct tally_error *error)
{
	const void *body = http->body == NULL ? "" : http->body;
	char text[TALLY_HASH_TEXT_SIZE];
	int result = tally_outside_hash(body, http->body_len, text, error);

	return result == 0 ? tally_http_header(&http->headers,
				 "x-amz-content-sha256", text, error)
			   : result;
}

/* The hash is no protection, the signature is. */
int
tally_s3_add_md5(struct tally_http *http, struct tally_error *error)
{
	uint8_t md5[MD5_SIZE];
	char text[32];
	size_t got = 0;

	if (EVP_Q_digest(NULL, "MD5", NULL, http->body, http->body_len, md5,
		&got) != 1 ||
	    got != sizeof(md5))
		return tally_fail(error, TALLY_E_IO,
		    "this libcrypto has no MD5, which S3 asks for");
	tally_base64_format(md5, sizeof(md5), text);
	text[tally_base64_size(sizeof(md5))] = '\0';
	return tally_http_header(&http->headers, "Content-MD5", text, error);
}

int
tally_s3_ask(const struct tally_s3 *s3, struct tally_http *http,
    struct tally_error *error)
{
	int result;

	http->ca = s3->ca;
	http->sigv4 = s3->sigv4;
	http->user = s3->user;
	http->reply_max = REPLY_MAX;
	result = add_content_hash(http, error);
	return result == 0 ? tally_http_perform(http, error) : result;
}

int
tally_s3_perform(const struct tally_s3 *s3, struct tally_http *http,
    struct tally_error *error)
{
	int result = tally_s3_ask(s3, http, error);

	if (result == 0 && (http->status < 200 || http->status > 299))
		result = tally_s3_refused(http, error);
	return result;
}

void
tally_s3_finish(struct tally_http *http)
{
	tally_http_wipe(http);
	curl_slist_free_all(http->headers);
	http->headers = NULL;
}

/* ---- answers ---------------------------------------------------------- */

const char *
tally_s3_element(const char **at, const char *name, size_t *out_len)
{
	char tag[64];
	const char *begin, *end;

	(void)snprintf(tag, sizeof(tag), "<%s>", name);
	begin = strstr(*at, tag);
	if (begin == NULL)
		return NULL;
	begin += strlen(tag);
	(void)snprintf(tag, sizeof(tag), "</%s>", name);
	end = strstr(begin, tag);
	if (end == NULL)
		return NULL;
	*at = end;
	*out_len = (size_t)(end - begin);
	return begin;
}

/* The <Code> of an answer; NULL if there is none. */
static const char *
code_of(const struct tally_http *http, size_t *out_len)
{
	const char *at = http->reply == NULL ? "" : http->reply;

	return tally_s3_element(&at, "Code", out_len);
}

int
tally_s3_refused(const struct tally_http *http, struct tally_error *error)
{
	size_t len = 0;
	const char *code = code_of(http, &len);

	if (code == NULL || len > CODE_MAX)
		return tally_http_refused(http, error);
	return tally_fail(error, TALLY_E_IO, "\"%s\" answers %ld: %.*s",
	    http->url, http->status, (int)len, code);
}

bool
tally_s3_is_code(const struct tally_http *http, const char *code)
{
	size_t len = 0;
	const char *found = code_of(http, &len);

	return found != NULL && len == strlen(code) &&
	    memcmp(found, code, len) == 0;
}
