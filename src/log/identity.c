/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "log/fail.h"
#include "log/identity.h"
#include "log/sys.h"

/* Is the character at text one that Unicode calls white space? */
static bool
is_space(const char *text, size_t len)
{
	static const char *const wide[] = {
		"\xe1\x9a\x80",
		"\xe2\x80\xa8",
		"\xe2\x80\xa9",
		"\xe2\x80\xaf",
		"\xe2\x81\x9f",
		"\xe3\x80\x80",
	};

	if (len >= 2 && memcmp(text, "\xc2\xa0", 2) == 0)
		return true;
	if (len < 3)
		return false;
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		if (memcmp(text, wide[i], 3) == 0)
			return true;
	}
	/* U+2000 ... U+200A */
	return memcmp(text, "\xe2\x80", 2) == 0 &&
	    (unsigned char)text[2] <= 0x8a;
}

/* No white space, no control characters, no '+'. */
static bool
is_origin(const char *origin, size_t len)
{
	char escaped[2 * TALLY_ORIGIN_MAX];
	const char *what;
	size_t escaped_len;

	if (tally_name_escape(origin, len, TALLY_ORIGIN_MAX, escaped,
		&escaped_len, &what) != 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (origin[i] == ' ' || origin[i] == '+' ||
		    is_space(origin + i, len - i))
			return false;
	}
	return true;
}

int
tally_identity_make(const struct tally_init_options *options,
    struct tally_identity *out, struct tally_error *error)
{
	uint8_t id[16];
	int result;

	memset(out, 0, sizeof(*out));
	result = tally_sys_random(id, sizeof(id));
	if (result != 0)
		return tally_fail_os(error, result, "cannot get random bytes");
	tally_hex_format(id, sizeof(id), out->id);
	out->format = TALLY_FORMAT_VERSION;
	out->created_us = tally_sys_time_us();
	out->segment_bytes = TALLY_SEGMENT_BYTES_DEFAULT;
	out->event_bytes = TALLY_EVENT_DEFAULT;
	if (options != NULL && options->segment_bytes != 0)
		out->segment_bytes = options->segment_bytes;
	if (options != NULL && options->event_bytes != 0)
		out->event_bytes = options->event_bytes;
	if (out->segment_bytes < TALLY_SEGMENT_BYTES_MIN ||
	    out->segment_bytes > (uint64_t)1 << 40)
		return tally_fail(error, TALLY_E_USAGE,
		    "a segment size is 64 KiB to 1 TiB");
	if (out->event_bytes > TALLY_EVENT_MAX)
		return tally_fail(error, TALLY_E_USAGE,
		    "an event limit is at most 16 MiB");
	if (options == NULL || options->origin == NULL) {
		snprintf(out->origin, sizeof(out->origin), "localhost/%s",
		    out->id);
		return TALLY_OK;
	}
	if (!is_origin(options->origin, strlen(options->origin)))
		return tally_fail(error, TALLY_E_USAGE,
		    "an origin is 1 to 255 bytes of UTF-8 without white space,"
		    " control characters and \"+\"");
	snprintf(out->origin, sizeof(out->origin), "%s", options->origin);
	return TALLY_OK;
}

#define ORIGIN_TEXT_SIZE (2 * TALLY_ORIGIN_MAX + 1)

/* As it stands inside a JSON string; a checked origin always escapes. */
static void
escape_origin(const struct tally_identity *identity, char out[ORIGIN_TEXT_SIZE])
{
	const char *what;
	size_t len = 0;

	if (tally_name_escape(identity->origin, strlen(identity->origin),
		TALLY_ORIGIN_MAX, out, &len, &what) != 0)
		len = 0;
	out[len] = '\0';
}

size_t
tally_identity_format(const struct tally_identity *identity,
    char out[TALLY_IDENTITY_TEXT_MAX])
{
	char origin[ORIGIN_TEXT_SIZE];
	char created[TALLY_TIME_TEXT_SIZE];
	int n;

	escape_origin(identity, origin);
	tally_time_format(identity->created_us, created);
	n = snprintf(out, TALLY_IDENTITY_TEXT_MAX,
	    "{\"format\":%u,\"id\":\"%s\",\"origin\":\"%s\","
	    "\"created\":\"%s\",\"segment_bytes\":%llu,\"event_bytes\":%u}\n",
	    identity->format, identity->id, origin, created,
	    (unsigned long long)identity->segment_bytes, identity->event_bytes);
	return (size_t)n;
}

size_t
tally_identity_event(const struct tally_identity *identity,
    char out[TALLY_IDENTITY_TEXT_MAX])
{
	char origin[ORIGIN_TEXT_SIZE];
	int n;

	escape_origin(identity, origin);
	n = snprintf(out, TALLY_IDENTITY_TEXT_MAX,
	    "{\"created\":{\"format\":%u,\"id\":\"%s\",\"origin\":\"%s\"}}",
	    identity->format, identity->id, origin);
	return (size_t)n;
}

/* Digits that follow name in text. */
static int
member_number(const char *text, size_t len, const char *name, uint64_t max,
    uint64_t *out)
{
	size_t name_len = strlen(name);

	for (size_t i = 0; i + name_len < len; i++) {
		size_t end = i + name_len;

		if (memcmp(text + i, name, name_len) != 0)
			continue;
		while (end < len && text[end] >= '0' && text[end] <= '9')
			end++;
		return tally_decimal_parse(text + i + name_len,
		    end - i - name_len, max, out);
	}
	return TALLY_E_FORMAT;
}

/* What the members say; the caller compares the whole text afterwards. */
static int
members_parse(const char *text, size_t len, struct tally_identity *out)
{
	char created[TALLY_TIME_TEXT_SIZE];
	uint64_t number;
	size_t got;
	int result;

	result = tally_event_member(text, len, "id", out->id, sizeof(out->id),
	    &got);
	if (result == 0)
		result = tally_event_member(text, len, "origin", out->origin,
		    sizeof(out->origin), &got);
	if (result == 0)
		result = tally_event_member(text, len, "created", created,
		    sizeof(created), &got);
	if (result == 0)
		result = tally_time_parse(created, got, &out->created_us);
	if (result == 0)
		result = member_number(text, len,
		    "\"segment_bytes\":", (uint64_t)1 << 40,
		    &out->segment_bytes);
	if (result == 0)
		result = member_number(text, len,
		    "\"event_bytes\":", TALLY_EVENT_MAX, &number);
	if (result == 0)
		out->event_bytes = (uint32_t)number;
	return result;
}

int
tally_identity_parse(const char *text, size_t len, struct tally_identity *out,
    struct tally_error *error)
{
	char again[TALLY_IDENTITY_TEXT_MAX];
	uint64_t format;

	memset(out, 0, sizeof(*out));
	if (member_number(text, len, "{\"format\":", UINT32_MAX, &format) != 0)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "\"tally.json\" does not read as a log's identity");
	if (format > TALLY_FORMAT_VERSION)
		return tally_fail(error, TALLY_E_VERSION,
		    "the log is of format %llu, this version of tally reads"
		    " format %d; use a newer one",
		    (unsigned long long)format, TALLY_FORMAT_VERSION);
	out->format = (uint32_t)format;
	if (members_parse(text, len, out) != 0 || strlen(out->id) != 32 ||
	    !is_origin(out->origin, strlen(out->origin)) ||
	    out->segment_bytes < TALLY_SEGMENT_BYTES_MIN ||
	    out->event_bytes == 0 || tally_identity_format(out, again) != len ||
	    memcmp(text, again, len) != 0)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "\"tally.json\" does not read as a log's identity");
	return TALLY_OK;
}

int
tally_identity_read(int dir, const char *path, struct tally_identity *out,
    struct tally_error *error)
{
	char text[TALLY_IDENTITY_TEXT_MAX];
	int64_t n;
	int fd;

	fd = tally_sys_open(dir, TALLY_IDENTITY_NAME, TALLY_SYS_READ);
	if (fd == -ENOENT)
		return tally_fail(error, TALLY_E_NO_LOG,
		    "there is no log at \"%s\"; \"tally init\" makes one",
		    path);
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot open \"%s/%s\"", path,
		    TALLY_IDENTITY_NAME);
	n = tally_sys_read(fd, text, sizeof(text), 0);
	tally_sys_close(fd);
	if (n < 0)
		return tally_fail_os(error, (int)n, "cannot read \"%s/%s\"",
		    path, TALLY_IDENTITY_NAME);
	return tally_identity_parse(text, (size_t)n, out, error);
}

int
tally_identity_refuse_network(int dir, const char *path,
    struct tally_error *error)
{
	enum tally_sys_fs kind;
	int result = tally_sys_fs(dir, &kind);

	if (result != 0)
		return tally_fail_os(error, result, "cannot read \"%s\"", path);
	if (kind == TALLY_SYS_FS_NETWORK)
		return tally_fail(error, TALLY_E_NETWORK,
		    "\"%s\" is on a network file system, whose locks and syncs"
		    " cannot be trusted; use a local disk",
		    path);
	return TALLY_OK;
}
