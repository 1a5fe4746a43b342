/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header and line (doc/format.md, sections 3 to 5).
 *
 * Decoding is strict in the way that makes re-encoding superfluous: every
 * byte of a line is either a fixed literal or part of a field that has one
 * spelling only.  So a line that decodes has a header that is byte-equal to
 * its own re-encoding.
 *
 * The erased layout: the text between hash and the last two bytes is at least
 * as long as the shortest that a salted line has there.  Less cannot come
 * from overwriting one, and records without salt are never erased.
 */
#include <string.h>

#include "core/record.h"

#define LITERAL_LEN(literal) (sizeof(literal) - 1)

/* Between hash and "}\n" in the shortest salted line (an event of a digit). */
#define SALTED_MIN \
	(LITERAL_LEN(",\"salt\":\"\"") + 2 * TALLY_SALT_SIZE + \
	    LITERAL_LEN(",\"event\":0"))

#define TIME_LEN (TALLY_TIME_TEXT_SIZE - 1)

/* What is left of a line. */
struct cursor {
	const char *at;
	const char *end;
};

static inline size_t
left(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

/* Steps over a literal if it is next. */
static inline bool
take(struct cursor *cursor, const char *literal, size_t len)
{
	if (left(cursor) < len || memcmp(cursor->at, literal, len) != 0)
		return false;
	cursor->at += len;
	return true;
}

#define TAKE(cursor, literal) take(cursor, literal, LITERAL_LEN(literal))

static inline bool
take_hex(struct cursor *cursor, uint8_t *out, size_t out_len)
{
	if (left(cursor) < 2 * out_len ||
	    tally_hex_parse(cursor->at, 2 * out_len, true, out, out_len) != 0)
		return false;
	cursor->at += 2 * out_len;
	return true;
}

/* A name up to its closing quote, which must be there and is not taken. */
static inline bool
take_name(struct cursor *cursor, size_t max, const char **out, size_t *out_len)
{
	size_t len = tally_name_measure(cursor->at, left(cursor), max);

	if (len == 0 || len == left(cursor))
		return false;
	*out = cursor->at;
	*out_len = len;
	cursor->at += len;
	return true;
}

static inline bool
take_seq(struct cursor *cursor, uint64_t *out)
{
	size_t len = 0;

	while (len < left(cursor) && len < TALLY_DECIMAL_MAX &&
	    cursor->at[len] >= '0' && cursor->at[len] <= '9')
		len++;
	if (tally_decimal_parse(cursor->at, len, TALLY_SEQ_MAX, out) != 0 ||
	    *out == 0)
		return false;
	cursor->at += len;
	return true;
}

static inline bool
take_time(struct cursor *cursor, int64_t *out)
{
	if (left(cursor) < TIME_LEN ||
	    tally_time_parse_strict(cursor->at, out) != 0)
		return false;
	cursor->at += TIME_LEN;
	return true;
}

static char *
put(char *out, const char *text, size_t len)
{
	memcpy(out, text, len);
	return out + len;
}

#define PUT(out, literal) put(out, literal, LITERAL_LEN(literal))

static char *
put_hash(char *out, const struct tally_hash *hash)
{
	tally_hex_format(hash->b, TALLY_HASH_SIZE, out);
	return out + 2 * TALLY_HASH_SIZE;
}

size_t
tally_header_encode(const struct tally_header *header, char *out)
{
	char time[TALLY_TIME_TEXT_SIZE];
	char *p = out;

	p = PUT(p, "{\"chain\":\"");
	p = put(p, header->chain, header->chain_len);
	p = PUT(p, "\",\"digest\":\"");
	p = put_hash(p, &header->digest);
	if (header->id_len > 0) {
		p = PUT(p, "\",\"id\":\"");
		p = put(p, header->id, header->id_len);
	}
	p = PUT(p, "\",\"prev\":\"");
	p = put_hash(p, &header->prev);
	p = PUT(p, "\",\"seq\":");
	p += tally_decimal_format(header->seq, p);
	p = PUT(p, ",\"time\":\"");
	tally_time_format(header->time_us, time);
	p = put(p, time, TIME_LEN);
	p = PUT(p, "\",\"v\":1}");
	return (size_t)(p - out);
}

size_t
tally_line_encode(const char *header, size_t header_len,
    const struct tally_hash *hash, const uint8_t *salt, const char *event,
    size_t event_len, char *out)
{
	char *p = out;

	p = put(p, header, header_len - 1);
	p = PUT(p, ",\"hash\":\"");
	p = put_hash(p, hash);
	if (salt != NULL) {
		p = PUT(p, "\",\"salt\":\"");
		tally_hex_format(salt, TALLY_SALT_SIZE, p);
		p += 2 * TALLY_SALT_SIZE;
	}
	p = PUT(p, "\",\"event\":");
	p = put(p, event, event_len);
	p = PUT(p, "}\n");
	return (size_t)(p - out);
}

size_t
tally_line_encode_elsewhere(const char *header, size_t header_len,
    const struct tally_hash *hash, const char *source, size_t source_len,
    char *out)
{
	char *p = out;

	p = put(p, header, header_len - 1);
	p = PUT(p, ",\"hash\":\"");
	p = put_hash(p, hash);
	p = PUT(p, "\",\"event-at\":\"");
	p = put(p, source, source_len);
	p = PUT(p, "\"}\n");
	return (size_t)(p - out);
}

/* The header, without its last "}". */
static bool
decode_header(struct cursor *cursor, struct tally_header *out)
{
	if (!TAKE(cursor, "{\"chain\":\"") ||
	    !take_name(cursor, TALLY_CHAIN_MAX, &out->chain, &out->chain_len) ||
	    !TAKE(cursor, "\",\"digest\":\"") ||
	    !take_hex(cursor, out->digest.b, TALLY_HASH_SIZE))
		return false;
	out->id = NULL;
	out->id_len = 0;
	if (TAKE(cursor, "\",\"id\":\"") &&
	    !take_name(cursor, TALLY_ID_MAX, &out->id, &out->id_len))
		return false;
	return TAKE(cursor, "\",\"prev\":\"") &&
	    take_hex(cursor, out->prev.b, TALLY_HASH_SIZE) &&
	    TAKE(cursor, "\",\"seq\":") && take_seq(cursor, &out->seq) &&
	    TAKE(cursor, ",\"time\":\"") && take_time(cursor, &out->time_us) &&
	    TAKE(cursor, "\",\"v\":1");
}

/* Behind ,"erased": up to the last "}". */
static bool
decode_erased(struct cursor *cursor, struct tally_line *out)
{
	const char *p;

	if (!TAKE(cursor, "{\"chain\":\"tally:log\",\"seq\":") ||
	    !take_seq(cursor, &out->order_seq) || !TAKE(cursor, "}"))
		return false;
	for (p = cursor->at; p < cursor->end; p++) {
		if (*p != ' ')
			return false;
	}
	out->body = TALLY_BODY_ERASED;
	return true;
}

/* Behind hash, up to the last "}". */
static bool
decode_body(struct cursor *cursor, struct tally_line *out)
{
	static const uint8_t no_salt[TALLY_SALT_SIZE];
	size_t len = left(cursor);

	if (TAKE(cursor, ",\"erased\":"))
		return len >= SALTED_MIN && decode_erased(cursor, out);
	if (TAKE(cursor, ",\"event-at\":\"")) {
		out->body = TALLY_BODY_ELSEWHERE;
		return take_name(cursor, TALLY_CHAIN_MAX, &out->event,
			   &out->event_len) &&
		    TAKE(cursor, "\"") && left(cursor) == 0;
	}
	if (TAKE(cursor, ",\"salt\":\"")) {
		if (!take_hex(cursor, out->salt, TALLY_SALT_SIZE) ||
		    !TAKE(cursor, "\"") ||
		    memcmp(out->salt, no_salt, TALLY_SALT_SIZE) == 0)
			return false;
		out->has_salt = true;
	}
	if (!TAKE(cursor, ",\"event\":") || left(cursor) == 0)
		return false;
	out->body = TALLY_BODY_EVENT;
	out->event = cursor->at;
	out->event_len = left(cursor);
	return true;
}

int
tally_line_decode(const char *line, size_t len, struct tally_line *out)
{
	struct cursor cursor = { .at = line };

	if (len < 2 || line[len - 2] != '}' || line[len - 1] != '\n')
		return TALLY_E_FORMAT;
	cursor.end = line + len - 2;
	if (!decode_header(&cursor, &out->header))
		return TALLY_E_FORMAT;
	out->header_text = line;
	out->header_len = (size_t)(cursor.at - line);
	out->has_salt = false;
	memset(out->salt, 0, sizeof(out->salt));
	out->event = NULL;
	out->event_len = 0;
	out->order_seq = 0;
	if (!TAKE(&cursor, ",\"hash\":\"") ||
	    !take_hex(&cursor, out->hash.b, TALLY_HASH_SIZE) ||
	    !TAKE(&cursor, "\"") || !decode_body(&cursor, out))
		return TALLY_E_FORMAT;
	return 0;
}

struct tally_hash
tally_line_header_hash(struct tally_hasher *hasher,
    const struct tally_line *line)
{
	char header[TALLY_HEADER_MAX];
	size_t len = line->header_len;

	memcpy(header, line->header_text, len);
	header[len] = '}';
	return tally_hash_leaf(hasher, header, len + 1);
}

bool
tally_line_event_holds(struct tally_hasher *hasher,
    const struct tally_line *line)
{
	struct tally_hash digest;

	if (line->body != TALLY_BODY_EVENT)
		return true;
	digest = tally_hash_commitment(hasher,
	    line->has_salt ? line->salt : NULL, line->event, line->event_len);
	return !tally_hasher_failed(hasher) &&
	    tally_hash_equal(&digest, &line->header.digest);
}

bool
tally_line_holds(struct tally_hasher *hasher, const struct tally_line *line)
{
	struct tally_hash hash = tally_line_header_hash(hasher, line);

	return !tally_hasher_failed(hasher) &&
	    tally_hash_equal(&hash, &line->hash) &&
	    tally_line_event_holds(hasher, line);
}
