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
 *             2xx, words   S3 says nothing behind a 200, but what is in between
 *                          says errors so: nobody knows
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
 * refuse overwrites it.  A 409 is no refusal there: whoever says it may not
 * have looked at the condition yet.
 *
 * Also two contents must have two ETags.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include <tally/outside.h>

#include "outside/clock.h"
#include "outside/fail.h"
#include "outside/hash.h"
#include "outside/members.h"
#include "outside/register_config.h"

#define URL_MAX (TALLY_REGISTER_NAME_MAX + 80) /* a hash is behind it */
#define CONFIG_MAX ((size_t)64 << 10)
#define TRIES 5
#define PAUSE_MS 40

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
	ANSWER_CONFLICT, /* refused, but not for its condition */
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
	struct tally_register_config config;
	char url[URL_MAX], probe_url[URL_MAX];
	enum form form;
	char probe_etag[TALLY_HTTP_ETAG_MAX]; /* with form */
	/* What was read last, of url. */
	bool is_seen;
	struct object seen;
};

/* ---- one request ------------------------------------------------------ */

static int
get(struct s3_register *reg, const char *url, struct object *out,
    struct tally_error *error)
{
	struct tally_http http = {
		.method = "GET", .url = url, .limit_s = reg->config.limit_s
	};
	int result = tally_s3_ask(&reg->config.s3, &http, error);

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
	    !reg->config.versioned)
		return tally_fail(error, TALLY_E_USAGE,
		    "the bucket of \"%s\" keeps versions, where some servers do"
		    " not keep conditions; use one that does not, or say"
		    " \"versioned\": true if this one does",
		    reg->config.name);
	if (status >= 200 && status <= 299)
		*out_answer = http->reply_len == 0 ? ANSWER_DONE : ANSWER_LOST;
	else if (status == 412)
		*out_answer = ANSWER_REFUSED;
	else if (status == 409)
		*out_answer = ANSWER_CONFLICT;
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
		.limit_s = reg->config.limit_s };
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
		result = tally_s3_ask(&reg->config.s3, &http, error);
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
			(void)strcpy(reg->probe_etag, probe.etag);
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

/* Once more where that says nothing: 409, or a first write that was carried out
 * may be one of an object that somebody removed. */
static int
put_refused(struct s3_register *reg, const char *etag, enum answer *out_answer,
    struct tally_error *error)
{
	int result = put_probe(reg, reg->form, etag, out_answer, error);

	if (result == 0 && etag == NULL && *out_answer == ANSWER_DONE)
		result = put_probe(reg, reg->form, etag, out_answer, error);
	for (int i = 1; i < TRIES && result == 0; i++) {
		if (*out_answer != ANSWER_CONFLICT)
			break;
		pause_before(i);
		result = put_probe(reg, reg->form, etag, out_answer, error);
	}
	return result;
}

static int
must_refuse(struct s3_register *reg, const char *etag,
    struct tally_error *error)
{
	enum answer answer = ANSWER_DONE;
	int result = put_refused(reg, etag, &answer, error);

	if (result != 0)
		return result;
	if (answer == ANSWER_REFUSED)
		return TALLY_OK;
	/* It is not there any more, or was not. */
	reg->form = FORM_UNKNOWN;
	if (answer == ANSWER_GONE || answer == ANSWER_CONFLICT)
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
	int result = tally_outside_hash(origin, strlen(origin), hex, error);

	if (result != 0)
		return result;
	(void)snprintf(url, sizeof(url), "%s%s", reg->config.name, hex);
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

/* One PUT from what was seen to next. */
static int
put_next(struct s3_register *reg, const char *next, size_t next_len,
    enum answer *out_answer, struct tally_error *error)
{
	const char *from = reg->seen.is_there ? reg->seen.etag : NULL;

	if (from != NULL && strcmp(from, reg->probe_etag) == 0)
		return tally_fail(error, TALLY_E_IO,
		    "\"%s\" has the ETag %s, as another object has: the server"
		    " does not tell contents apart, and is no register",
		    reg->url, from);
	reg->is_seen = false;
	return put(reg, reg->url, next, next_len, reg->form, from, out_answer,
	    error);
}

static int
swap(struct s3_register *reg, const char *last, size_t last_len,
    const char *next, size_t next_len, struct tally_error *error)
{
	/* A server that hangs is not waited for as often as one that fails. */
	int64_t end_ms = tally_clock_ms() + reg->config.limit_s * 1000;
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
		if (i > 0 && tally_clock_ms() >= end_ms)
			break;
		result = put_next(reg, next, next_len, &answer, error);
		if (result != 0 || answer == ANSWER_DONE)
			return result;
		is_lost = is_lost || answer == ANSWER_LOST;
	}
	/* The words are those of the last answer; the server may be another,
	 * which takes another form. */
	reg->form = FORM_UNKNOWN;
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

int
tally_outside_register_open(const char *config, size_t len,
    struct tally_register **out, struct tally_error *error)
{
	struct s3_register *reg = calloc(1, sizeof(*reg));
	int result;

	if (reg == NULL)
		return tally_outside_fail_memory(error);
	result = tally_register_config_open(&reg->config, config, len, error);
	if (result != 0) {
		tally_outside_register_close(&reg->base);
		return result;
	}
	(void)snprintf(reg->probe_url, sizeof(reg->probe_url), "%s" PROBE,
	    reg->config.name);
	reg->base.name = reg->config.name;
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
	tally_register_config_wipe(&own->config);
	free(own);
}
