/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register that is an object in S3: "<prefix><SHA-256 of the origin>", put
 * with If-None-Match: * where there is none, and with If-Match and the ETag of
 * what was read where there is one.
 *
 *   asked     2xx          it is there
 *             409 412 404  somebody was there first, or so the server says:
 *                          read again
 *             5xx, none    nobody knows; it may still be under way: read again
 *   read      last         ask again, on the same condition: of two requests
 *                          under way at most one is carried out
 *             next         after an answer that was lost: it is there, by this
 *                          request or by another's that says the same
 *             another      TALLY_END
 *
 * All hangs on the server's keeping conditions, and many ignore them.  So
 * before each swap it has to refuse what must be refused: a first write of an
 * object that is there, and a change from an ETag that it does not have.  That
 * object is one of its own ("<prefix>conditions"), since a server that does not
 * refuse overwrites it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include <tally/outside.h>

#include "core/hash.h"
#include "outside/fail.h"
#include "outside/members.h"
#include "outside/s3.h"

#define URL_MAX 1024
#define CONFIG_MAX ((size_t)64 << 10)
#define TRIES 5
#define PAUSE_MS 40
#define LIMIT_MAX_S 600
#define WHOSE "the register"

#define PROBE "conditions"
static const char probe_text[] =
    "Before tally registers, writes to this object have to be refused.\n";

/* An ETag goes back as it came, or without its quotes: radosgw compares with
 * these away (16.2 does). */
enum form {
	FORM_UNKNOWN,
	FORM_QUOTED,
	FORM_BARE
};

enum answer {
	ANSWER_DONE,
	ANSWER_REFUSED,
	ANSWER_GONE,
	ANSWER_LOST
};

struct object {
	bool is_there;
	char text[TALLY_REGISTER_ENTRY_MAX + 1];
	size_t len;
	char etag[TALLY_HTTP_ETAG_MAX];
};

struct s3_register {
	struct tally_register base;
	struct tally_s3 s3;
	char name[URL_MAX];
	char url[URL_MAX], probe_url[URL_MAX];
	long limit_s;
	bool versioned; /* the caller answers for that */
	enum form form;
	bool is_seen; /* what was read last, of url */
	struct object seen;
};

/* ---- one request ------------------------------------------------------ */

static int
get(struct s3_register *reg, const char *url, struct object *out,
    struct tally_error *error)
{
	struct tally_http http = {
		.method = "GET", .url = url, .limit_s = reg->limit_s
	};
	int result = tally_s3_ask(&reg->s3, &http, error);

	memset(out, 0, sizeof(*out));
	if (result == 0 && http.status == 404 &&
	    tally_s3_is_code(&http, "NoSuchKey"))
		result = TALLY_END;
	else if (result == 0 && http.status != 200)
		result = tally_s3_refused(&http, error);
	else if (result == 0 && http.etag[0] == '\0')
		result = tally_fail(error, TALLY_E_IO,
		    "\"%s\" is given without an ETag", url);
	if (result == 0) {
		out->is_there = true;
		out->len = http.reply_len < TALLY_REGISTER_ENTRY_MAX
		    ? http.reply_len
		    : TALLY_REGISTER_ENTRY_MAX;
		if (out->len > 0)
			memcpy(out->text, http.reply, out->len);
		(void)strcpy(out->etag, http.etag);
	}
	tally_s3_finish(&http);
	return result;
}

/* The ETag as this server takes it. */
static const char *
formed(enum form form, const char *etag, char out[TALLY_HTTP_ETAG_MAX])
{
	size_t len = strlen(etag);

	if (form == FORM_BARE && len > 2 && etag[0] == '"' &&
	    etag[len - 1] == '"') {
		memcpy(out, etag + 1, len - 2);
		out[len - 2] = '\0';
		return out;
	}
	return etag;
}

static int
judge(struct s3_register *reg, const struct tally_http *http,
    enum answer *out_answer, struct tally_error *error)
{
	long status = http->status;

	if (status >= 200 && status <= 299 && http->has_version &&
	    !reg->versioned)
		return tally_fail(error, TALLY_E_USAGE,
		    "the bucket of \"%s\" keeps versions, where some servers do"
		    " not keep conditions; use one that does not, or say"
		    " \"versioned\": true if this one does",
		    reg->name);
	if (status >= 200 && status <= 299)
		*out_answer = ANSWER_DONE;
	else if (status == 412 || status == 409)
		*out_answer = ANSWER_REFUSED;
	else if (status == 404 && tally_s3_is_code(http, "NoSuchKey"))
		*out_answer = ANSWER_GONE;
	else if (status >= 500 || status == 408 || status == 429)
		*out_answer = ANSWER_LOST;
	else
		return tally_s3_refused(http, error);
	if (*out_answer != ANSWER_DONE)
		(void)tally_s3_refused(http, error);
	return TALLY_OK;
}

/*
 * Puts an object on condition; etag NULL: that there is none.  Returns 0 with
 * an answer, and unless it is ANSWER_DONE with words for it in error.
 */
static int
put(struct s3_register *reg, const char *url, const char *text, size_t len,
    enum form form, const char *etag, enum answer *out_answer,
    struct tally_error *error)
{
	struct tally_http http = { .method = "PUT",
		.url = url,
		.body = text,
		.body_len = len,
		.limit_s = reg->limit_s };
	char bare[TALLY_HTTP_ETAG_MAX];
	int result = tally_http_header(&http.headers,
	    etag == NULL ? "If-None-Match" : "If-Match",
	    etag == NULL ? "*" : formed(form, etag, bare), error);

	if (result == 0)
		result = tally_http_header(&http.headers, "Content-Type",
		    "text/plain", error);
	if (result == 0)
		result = tally_s3_add_md5(&http, error);
	if (result == 0) {
		result = tally_s3_ask(&reg->s3, &http, error);
		if (result == TALLY_E_IO || result == TALLY_E_LIMIT) {
			*out_answer = ANSWER_LOST;
			result = TALLY_OK;
		} else if (result == 0) {
			result = judge(reg, &http, out_answer, error);
		}
	}
	tally_s3_finish(&http);
	return result;
}

static void
pause_before(int try)
{
	const struct timespec wait = { .tv_nsec = (PAUSE_MS << try) *
		    1000000L };

	if (try > 0)
		(void)nanosleep(&wait, NULL);
}

/* ---- does the server keep conditions? --------------------------------- */

static int
put_probe(struct s3_register *reg, enum form form, const char *etag,
    enum answer *out_answer, struct tally_error *error)
{
	int result = put(reg, reg->probe_url, probe_text,
	    sizeof(probe_text) - 1, form, etag, out_answer, error);

	return result == 0 && *out_answer == ANSWER_LOST ? TALLY_E_IO : result;
}

/* In which form it takes an ETag that holds. */
static int
learn_form(struct s3_register *reg, struct tally_error *error)
{
	char refused[TALLY_HTTP_ETAG_MAX] = "";
	struct object probe;
	enum answer answer;
	enum form form = FORM_QUOTED;
	int result = put_probe(reg, form, NULL, &answer, error);

	for (int i = 0; i < 2 * TRIES && result == 0; i++) {
		result = get(reg, reg->probe_url, &probe, error);
		if (result != 0)
			break;
		/* Refused although it did not change. */
		if (strcmp(refused, probe.etag) == 0) {
			form = form == FORM_QUOTED ? FORM_BARE : FORM_QUOTED;
			pause_before(form == FORM_QUOTED ? 1 : 0);
		}
		result = put_probe(reg, form, probe.etag, &answer, error);
		if (result == 0 && answer == ANSWER_DONE) {
			reg->form = form;
			return TALLY_OK;
		}
		(void)strcpy(refused, probe.etag);
	}
	if (result < 0)
		return result;
	return tally_fail(error, TALLY_E_IO,
	    "\"%s\" is not changed by one who knows its ETag (If-Match): the"
	    " server does not know conditional writes",
	    reg->probe_url);
}

static int
must_refuse(struct s3_register *reg, const char *etag,
    struct tally_error *error)
{
	enum answer answer = ANSWER_DONE;
	int result = put_probe(reg, reg->form, etag, &answer, error);

	if (result != 0)
		return result;
	if (answer == ANSWER_REFUSED)
		return TALLY_OK;
	/* It is not there any more, or was not. */
	reg->form = FORM_UNKNOWN;
	if (answer == ANSWER_GONE)
		return TALLY_E_IO;
	return tally_fail(error, TALLY_E_IO,
	    "\"%s\" was written although its condition (%s) does not hold: the"
	    " server ignores it, and is no register",
	    reg->probe_url, etag == NULL ? "If-None-Match: *" : "If-Match");
}

static int
probe(struct s3_register *reg, struct tally_error *error)
{
	int result = TALLY_OK;

	if (reg->form == FORM_UNKNOWN)
		result = learn_form(reg, error);
	if (result == 0)
		result = must_refuse(reg, NULL, error);
	if (result == 0)
		result = must_refuse(reg,
		    "\"00000000000000000000000000000000\"", error);
	return result;
}

/* ---- the register ----------------------------------------------------- */

/* Puts the origin's address into url; what was seen of another is forgotten. */
static int
address(struct s3_register *reg, const char *origin, struct tally_error *error)
{
	char hex[TALLY_HASH_TEXT_SIZE], url[URL_MAX];
	struct tally_hasher hasher;
	struct tally_hash hash;

	if (tally_hasher_open(&hasher) != 0)
		return tally_outside_fail_memory(error);
	hash = tally_hash_bytes(&hasher, origin, strlen(origin));
	tally_hasher_close(&hasher);
	tally_hash_format(&hash, hex);
	(void)snprintf(url, sizeof(url), "%.*s%s", URL_MAX - 80, reg->name,
	    hex);
	if (strcmp(url, reg->url) != 0)
		reg->is_seen = false;
	memcpy(reg->url, url, sizeof(url));
	return TALLY_OK;
}

/* TALLY_END is an answer, too: it is seen that there is none. */
static int
look(struct s3_register *reg, struct tally_error *error)
{
	int result = get(reg, reg->url, &reg->seen, error);

	reg->is_seen = result >= 0;
	return result;
}

static bool
is_text(const struct object *object, const char *text, size_t len)
{
	if (text == NULL)
		return !object->is_there;
	return object->is_there && object->len == len &&
	    memcmp(object->text, text, len) == 0;
}

/* Every failure here has the same consequence. */
static int
say_unsigned(int result, struct tally_error *error)
{
	static const char words[] = "; nothing is signed";
	size_t len;

	if (result >= 0 || error == NULL)
		return result;
	len = strlen(error->message);
	if (len + sizeof(words) <= sizeof(error->message))
		memcpy(error->message + len, words, sizeof(words));
	return result;
}

static int
s3_read(struct tally_register *self, const char *origin,
    char out[TALLY_REGISTER_ENTRY_MAX], size_t *out_len,
    struct tally_error *error)
{
	struct s3_register *reg = (struct s3_register *)self;
	int result = address(reg, origin, error);

	if (result == 0)
		result = look(reg, error);
	if (result != 0)
		return say_unsigned(result, error);
	memcpy(out, reg->seen.text, reg->seen.len);
	*out_len = reg->seen.len;
	return TALLY_OK;
}

static int
swap(struct s3_register *reg, const char *last, size_t last_len,
    const char *next, size_t next_len, struct tally_error *error)
{
	bool is_lost = false;
	int result = TALLY_OK;

	for (int i = 0; i < TRIES; i++) {
		enum answer answer = ANSWER_LOST;

		pause_before(i);
		if (!reg->is_seen)
			result = look(reg, error);
		if (result < 0)
			return result;
		if (!is_text(&reg->seen, last, last_len))
			return is_lost && is_text(&reg->seen, next, next_len)
			    ? TALLY_OK
			    : TALLY_END;
		reg->is_seen = false;
		result = put(reg, reg->url, next, next_len, reg->form,
		    last == NULL ? NULL : reg->seen.etag, &answer, error);
		if (result != 0 || answer == ANSWER_DONE)
			return result;
		is_lost = is_lost || answer == ANSWER_LOST;
	}
	/* The words are those of the last answer. */
	return TALLY_E_IO;
}

static int
s3_swap(struct tally_register *self, const char *origin, const char *last,
    size_t last_len, const char *next, size_t next_len,
    struct tally_error *error)
{
	struct s3_register *reg = (struct s3_register *)self;
	int result = address(reg, origin, error);

	if (result == 0)
		result = probe(reg, error);
	if (result == 0)
		result = swap(reg, last, last_len, next, next_len, error);
	return say_unsigned(result, error);
}

/* ---- opening ---------------------------------------------------------- */

static int
take(struct s3_register *reg, const json_t *config, struct tally_error *error)
{
	const json_t *limit = json_object_get(config, "timeout_s");
	const json_t *versioned = json_object_get(config, "versioned");
	const char *type = NULL;
	int result = tally_member_text(config, WHOSE, "type", true, &type,
	    error);

	if (result == 0 && strcmp(type, "s3") != 0)
		result = tally_fail(error, TALLY_E_USAGE,
		    "a register of type \"%s\" is not known; there is \"s3\"",
		    type);
	if (result == 0)
		result = tally_s3_open(&reg->s3, config, WHOSE, error);
	if (result != 0)
		return result;
	reg->limit_s = (long)json_integer_value(limit);
	if (limit != NULL && (reg->limit_s < 1 || reg->limit_s > LIMIT_MAX_S))
		return tally_fail(error, TALLY_E_USAGE,
		    "\"timeout_s\" of " WHOSE " is not 1 to %d", LIMIT_MAX_S);
	if (versioned != NULL && !json_is_boolean(versioned))
		return tally_fail(error, TALLY_E_USAGE,
		    "\"versioned\" of " WHOSE " is not true or false");
	reg->versioned = json_is_true(versioned);
	/* A hash is behind it. */
	if (strlen(reg->s3.url) + strlen(tally_s3_prefix(&reg->s3)) >
	    URL_MAX - 80)
		return tally_fail(error, TALLY_E_USAGE,
		    "the address of " WHOSE " is too long");
	(void)snprintf(reg->name, sizeof(reg->name), "%s/%s", reg->s3.url,
	    tally_s3_prefix(&reg->s3));
	(void)snprintf(reg->probe_url, sizeof(reg->probe_url), "%.*s" PROBE,
	    URL_MAX - 80, reg->name);
	return TALLY_OK;
}

int
tally_outside_register_open(const char *config, size_t len,
    struct tally_register **out, struct tally_error *error)
{
	struct s3_register *reg = calloc(1, sizeof(*reg));
	json_error_t what;
	json_t *json = json_loadb(config, len, JSON_REJECT_DUPLICATES, &what);
	int result;

	if (reg == NULL)
		result = tally_outside_fail_memory(error);
	else if (json == NULL)
		result = tally_fail(error, TALLY_E_USAGE,
		    "line %d of " WHOSE ": %s", what.line, what.text);
	else
		result = take(reg, json, error);
	json_decref(json);
	if (result != 0) {
		tally_outside_register_close(reg == NULL ? NULL : &reg->base);
		return result;
	}
	reg->base.name = reg->name;
	reg->base.read = s3_read;
	reg->base.swap = s3_swap;
	*out = &reg->base;
	return TALLY_OK;
}

int
tally_outside_register_load(const char *where, struct tally_register **out,
    struct tally_error *error)
{
	size_t len = strlen(where), text_len;
	char *text;
	int result;

	*out = NULL;
	if (len < 5 || strcmp(where + len - 5, ".json") != 0)
		return TALLY_OK;
	result = tally_member_slurp(where, CONFIG_MAX, &text, &text_len, error);
	if (result != 0)
		return result;
	result = tally_outside_register_open(text, text_len, out, error);
	free(text);
	return result;
}

void
tally_outside_register_close(struct tally_register *reg)
{
	struct s3_register *own = (struct s3_register *)reg;

	if (own == NULL)
		return;
	tally_s3_wipe(&own->s3);
	free(own);
}
