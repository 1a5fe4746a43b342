/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3, and what speaks like it, with Object Lock: one object for each line,
 * "<prefix><hash of the origin>/<size>-<part>.json", retained for so many days.
 *
 * A server that does not know Object Lock ignores the headers that ask for it,
 * so after each PUT the retention is read back: an object that is not locked
 * long enough was not delivered.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/text.h"
#include "outside/fail.h"
#include "outside/members.h"
#include "outside/s3.h"
#include "outside/sink.h"

#define URL_MAX 1024
#define DAY_S 86400
/* The server's clock may be behind ours, and cuts fractions off. */
#define SLACK_S 3600
/* Pages of one key's versions. */
#define SAME_MAX 100

struct s3 {
	struct tally_s3 at;
	char *mode;
	int64_t days;
};

/* ---- opening ---------------------------------------------------------- */

static int
read_lock(const struct tally_sink *sink, const json_t *config, struct s3 *s3,
    struct tally_error *error)
{
	const json_t *days = json_object_get(config, "retain_days");
	int result = tally_sink_text_dup(sink, config, "mode", false, &s3->mode,
	    error);

	if (result != 0)
		return result;
	s3->days = json_integer_value(days);
	if (s3->days < 1 || s3->days > 36500)
		return tally_fail(error, TALLY_E_USAGE,
		    "\"retain_days\" of the sink \"%s\" is not 1 to 36500",
		    sink->name);
	if (s3->mode == NULL)
		s3->mode = strdup("COMPLIANCE");
	if (s3->mode == NULL)
		return tally_outside_fail_memory(error);
	if (strcmp(s3->mode, "COMPLIANCE") != 0 &&
	    strcmp(s3->mode, "GOVERNANCE") != 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "\"mode\" of the sink \"%s\" is neither COMPLIANCE nor"
		    " GOVERNANCE",
		    sink->name);
	return TALLY_OK;
}

static int
s3_open(struct tally_sink *sink, const json_t *config,
    struct tally_error *error)
{
	struct s3 *s3 = calloc(1, sizeof(*s3));
	char whose[TALLY_SINK_WHOSE_MAX];
	int result;

	if (s3 == NULL)
		return tally_outside_fail_memory(error);
	sink->own = s3;
	result = tally_s3_open(&s3->at, config, tally_sink_whose(sink, whose),
	    error);
	return result == 0 ? read_lock(sink, config, s3, error) : result;
}

static void
s3_close(struct tally_sink *sink)
{
	struct s3 *s3 = sink->own;

	tally_s3_wipe(&s3->at);
	free(s3->mode);
	free(s3);
}

/* ---- sending ---------------------------------------------------------- */

static int
put(const struct s3 *s3, const char *url, const struct tally_sink_line *line,
    time_t until, struct tally_error *error)
{
	struct tally_http http = { .method = "PUT",
		.url = url,
		.body = line->text,
		.body_len = line->len };
	char date[TALLY_TIME_TEXT_SIZE];
	int result;

	tally_time_format((int64_t)until * 1000000, date);
	/* Whole seconds, as S3 writes them. */
	memcpy(date + 19, "Z", 2);
	result = tally_http_header(&http.headers, "x-amz-object-lock-mode",
	    s3->mode, error);
	if (result == 0)
		result = tally_http_header(&http.headers,
		    "x-amz-object-lock-retain-until-date", date, error);
	if (result == 0)
		result = tally_http_header(&http.headers, "Content-Type",
		    "application/json", error);
	if (result == 0)
		result = tally_s3_add_md5(&http, error);
	if (result == 0)
		result = tally_s3_perform(&s3->at, &http, error);
	tally_s3_finish(&http);
	return result;
}

/* Is the object locked, as it was asked for? */
static int
check_lock(const struct s3 *s3, const char *url, time_t until,
    struct tally_error *error)
{
	char question[URL_MAX + 16];
	struct tally_http http = { .method = "GET", .url = question };
	const char *at, *mode = NULL, *date = NULL;
	size_t mode_len = 0, date_len = 0;
	int64_t time_us;
	int result;

	(void)snprintf(question, sizeof(question), "%s?retention=", url);
	result = tally_s3_perform(&s3->at, &http, error);
	at = http.reply == NULL ? "" : http.reply;
	if (result == 0)
		mode = tally_s3_element(&at, "Mode", &mode_len);
	at = http.reply == NULL ? "" : http.reply;
	if (result == 0)
		date = tally_s3_element(&at, "RetainUntilDate", &date_len);
	if (result == 0 &&
	    (mode == NULL || date == NULL || mode_len != strlen(s3->mode) ||
		memcmp(mode, s3->mode, mode_len) != 0 ||
		tally_time_parse(date, date_len, &time_us) != 0 ||
		time_us / 1000000 + SLACK_S < (int64_t)until))
		result = tally_fail(error, TALLY_E_IO,
		    "\"%s\" is not locked: the bucket has no Object Lock, or"
		    " the server ignores it",
		    url);
	tally_s3_finish(&http);
	return result;
}

static int
s3_send(struct tally_sink *sink, const struct tally_sink_line *line,
    struct tally_error *error)
{
	const struct s3 *s3 = sink->own;
	time_t until = time(NULL) + (time_t)s3->days * DAY_S;
	char url[URL_MAX];
	int n = snprintf(url, sizeof(url),
	    "%s/%s%s/%020" PRIu64 "-%06" PRIu32 ".json", s3->at.url,
	    tally_s3_prefix(&s3->at), sink->origin_hash, line->dispatch->size,
	    line->dispatch->part);
	int result;

	if (n < 0 || (size_t)n >= sizeof(url))
		return tally_fail(error, TALLY_E_USAGE,
		    "the address of the sink \"%s\" is too long", sink->name);
	result = put(s3, url, line, until, error);
	if (result == 0)
		result = check_lock(s3, url, until, error);
	return result;
}

/* ---- reading ---------------------------------------------------------- */

/*
 * All versions are listed, and each is read: who may write to the bucket, and
 * cannot remove what is locked, can put another version on it, or a delete
 * marker, and a plain list shows neither what is below.
 */
struct walk {
	const struct s3 *s3;
	tally_sink_line_fn *fn;
	void *arg;
	/* Behind which the next page begins. */
	char key[URL_MAX], version[URL_MAX];
	/* Its newest version is a delete marker, and no other was seen yet. */
	char marked[URL_MAX];
	uint64_t hidden;
};

/* An element's text; empty if there is none, or it is too long. */
static void
copy_element(const char *at, const char *name, char out[URL_MAX])
{
	size_t len = 0;
	const char *text = tally_s3_element(&at, name, &len);

	if (text == NULL || len >= URL_MAX)
		len = 0;
	if (len > 0)
		memcpy(out, text, len);
	out[len] = '\0';
}

static int
read_version(struct walk *walk, const char *key, const char *version,
    struct tally_error *error)
{
	char url[3 * URL_MAX];
	struct tally_http http = { .method = "GET", .url = url };
	int result;

	(void)snprintf(url, sizeof(url), "%s/%s?versionId=%s", walk->s3->at.url,
	    key, version);
	result = tally_s3_perform(&walk->s3->at, &http, error);
	if (result == 0)
		result = tally_sink_each_line(http.reply, http.reply_len,
		    walk->fn, walk->arg);
	tally_s3_finish(&http);
	return result;
}

/* One entry of a list, by itself: of each key the newest comes first. */
static int
read_entry(struct walk *walk, const char *entry, bool is_marker,
    struct tally_error *error)
{
	char key[URL_MAX], version[URL_MAX], latest[URL_MAX];

	copy_element(entry, "Key", key);
	copy_element(entry, "VersionId", version);
	copy_element(entry, "IsLatest", latest);
	if (key[0] == '\0' || !tally_s3_is_plain(key))
		return TALLY_OK;
	if (is_marker) {
		if (strcmp(latest, "true") == 0)
			memcpy(walk->marked, key, sizeof(key));
		return TALLY_OK;
	}
	if (strcmp(walk->marked, key) == 0) {
		walk->hidden++;
		walk->marked[0] = '\0';
	}
	if (version[0] == '\0' || !tally_s3_is_plain(version))
		return tally_fail(error, TALLY_E_IO,
		    "\"%s\" lists \"%s\" without a version", walk->s3->at.url,
		    key);
	return read_version(walk, key, version, error);
}

static int
read_page(struct walk *walk, const char *page, struct tally_error *error)
{
	int result = TALLY_OK;

	while (result == 0) {
		const char *version = strstr(page, "<Version>");
		const char *marker = strstr(page, "<DeleteMarker>");
		bool is_marker = version == NULL ||
		    (marker != NULL && marker < version);
		const char *begin;
		size_t len;
		char *entry;

		begin = tally_s3_element(&page,
		    is_marker ? "DeleteMarker" : "Version", &len);
		if (begin == NULL)
			break;
		entry = strndup(begin, len);
		if (entry == NULL)
			return tally_outside_fail_memory(error);
		result = read_entry(walk, entry, is_marker, error);
		free(entry);
	}
	return result;
}

/* Where the next page begins: behind this one, or it could keep us for ever. */
static int
go_on(struct walk *walk, const char *page, unsigned *same,
    struct tally_error *error)
{
	char key[URL_MAX], version[URL_MAX];
	int order;

	copy_element(page, "NextKeyMarker", key);
	copy_element(page, "NextVersionIdMarker", version);
	order = strcmp(key, walk->key);
	*same = order == 0 ? *same + 1 : 0;
	if (order < 0 || *same > SAME_MAX || !tally_s3_is_plain(key) ||
	    !tally_s3_is_plain(version) ||
	    (order == 0 && strcmp(version, walk->version) == 0))
		return tally_fail(error, TALLY_E_IO,
		    "\"%s\" says that there are more objects, and lists none",
		    walk->s3->at.url);
	memcpy(walk->key, key, sizeof(key));
	memcpy(walk->version, version, sizeof(version));
	return TALLY_OK;
}

/* A '/' in the value of a parameter is signed as %2F. */
static void
escape(const char *text, char *out, size_t size)
{
	size_t len = 0;

	for (; *text != '\0' && len + 4 < size; text++) {
		if (*text == '/') {
			memcpy(out + len, "%2F", 3);
			len += 3;
		} else {
			out[len++] = *text;
		}
	}
	out[len] = '\0';
}

/* Parameters sorted, as they are signed. */
static void
format_list(const struct walk *walk, const char *prefix, char *out, size_t size)
{
	char after[URL_MAX], version[URL_MAX];

	escape(walk->key, after, sizeof(after));
	escape(walk->version, version, sizeof(version));
	if (version[0] == '\0')
		(void)snprintf(out, size,
		    "%s?key-marker=%s&prefix=%s&versions=", walk->s3->at.url,
		    after, prefix);
	else
		(void)snprintf(out, size,
		    "%s?key-marker=%s&prefix=%s&version-id-marker=%s&versions=",
		    walk->s3->at.url, after, prefix, version);
}

static int
s3_read(struct tally_sink *sink, uint64_t since, tally_sink_line_fn *fn,
    void *arg, struct tally_error *error)
{
	struct walk walk = { .s3 = sink->own, .fn = fn, .arg = arg };
	char prefix[URL_MAX], url[4 * URL_MAX], key[URL_MAX];
	bool more = true;
	unsigned same = 0;
	int result = TALLY_OK;

	(void)snprintf(key, sizeof(key), "%s%s/", tally_s3_prefix(&walk.s3->at),
	    sink->origin_hash);
	escape(key, prefix, sizeof(prefix));
	(void)snprintf(walk.key, sizeof(walk.key), "%s%s/%020" PRIu64 "-999999",
	    tally_s3_prefix(&walk.s3->at), sink->origin_hash, since);
	while (more && result == 0) {
		struct tally_http http = { .method = "GET", .url = url };

		format_list(&walk, prefix, url, sizeof(url));
		result = tally_s3_perform(&walk.s3->at, &http, error);
		more = result == 0 && http.reply != NULL &&
		    strstr(http.reply, "<IsTruncated>true<") != NULL;
		if (result == 0 && http.reply != NULL)
			result = read_page(&walk, http.reply, error);
		if (result == 0 && more)
			result = go_on(&walk, http.reply, &same, error);
		tally_s3_finish(&http);
	}
	sink->hidden = walk.hidden;
	return result;
}

const struct tally_sink_kind tally_sink_s3 = {
	.type = "s3",
	.open = s3_open,
	.send = s3_send,
	.read = s3_read,
	.close = s3_close,
};
