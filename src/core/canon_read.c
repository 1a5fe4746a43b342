/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a document into nodes.  While a container is open, its end is the
 * container that it stands in, and its len counts.
 *
 * A step takes the place p and returns the place behind what it took, or NULL
 * when it refused.  Every message, N being an offset in the text:
 *   json: longer than N bytes                      TALLY_E_LIMIT
 *   json: nested deeper than 512 at byte N         TALLY_E_LIMIT
 *   json: unexpected end at byte N                 TALLY_E_EVENT, all others
 *   json: expected a value at byte N
 *   json: expected a member name at byte N
 *   json: expected ':' at byte N
 *   json: expected ',' or '}' at byte N
 *   json: expected ',' or ']' at byte N
 *   json: expected a digit at byte N
 *   json: leading zero at byte N
 *   json: control character in a string at byte N
 *   json: invalid UTF-8 at byte N
 *   json: invalid escape at byte N
 *   json: trailing bytes at byte N
 */
#include <string.h>

#include "core/canon.h"
#include "core/fail.h"
#include "core/json.h"

#define NOTHING UINT32_MAX

struct reader {
	const uint8_t *begin;
	const uint8_t *end;
	struct tally_canon_node *nodes;
	uint32_t count;
	uint32_t capacity;
	uint32_t open; /* the innermost container, or NOTHING */
	unsigned depth;
	unsigned read;
	int result;
	struct tally_error *error;
};

static const uint8_t *
refuse(struct reader *r, const uint8_t *p, const char *what)
{
	uint64_t at = (uint64_t)(p - r->begin);

	if (p == r->end)
		what = "unexpected end";
	r->result = tally_fail(r->error, TALLY_E_EVENT,
	    "json: %s at byte %llu", what, (unsigned long long)at);
	if (r->error != NULL)
		r->error->offset = at;
	return NULL;
}

static inline const uint8_t *
skip_space(const struct reader *r, const uint8_t *p)
{
	while (p < r->end &&
	    (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

static inline struct tally_canon_node *
add(struct reader *r, const uint8_t *p, enum tally_canon_type type)
{
	struct tally_canon_node *node;

	if (r->count == r->capacity) {
		r->result = TALLY_PARTIAL;
		return NULL;
	}
	node = &r->nodes[r->count++];
	node->at = (uint32_t)(p - r->begin);
	node->len = 0;
	node->end = r->count;
	node->type = (uint8_t)type;
	node->flags = 0;
	return node;
}

/* p is at the backslash; pairs and halves of them are judged when written. */
static const uint8_t *
read_escape(struct reader *r, const uint8_t *p)
{
	const uint8_t *q = p;
	int32_t c = tally_json_escape(&q, r->end);

	if (c >= 0)
		return q;
	if (c == -2)
		return p + 6;
	for (q = p + 1; q < r->end && q < p + 6; q++) {
		if (tally_hex_digit(*q) < 0 && (q != p + 1 || *q != 'u'))
			return refuse(r, p, "invalid escape");
	}
	return refuse(r, q, "invalid escape");
}

/* p is at the quote. */
static const uint8_t *
read_string(struct reader *r, const uint8_t *p)
{
	struct tally_canon_node *node = add(r, p + 1, TALLY_CANON_STRING);
	const uint8_t *begin = ++p, *next;
	unsigned flags = 0;

	if (node == NULL)
		return NULL;
	for (;;) {
		p = tally_json_plain_end(r->begin, p, r->end);
		if (p == r->end)
			return refuse(r, p, "");
		if (*p == '"')
			break;
		if (*p == '\\') {
			flags |= TALLY_CANON_ESCAPED;
			p = read_escape(r, p);
			if (p == NULL)
				return NULL;
			continue;
		}
		if (*p < 0x20)
			return refuse(r, p, "control character in a string");
		flags |= TALLY_CANON_WIDE;
		next = tally_utf8_next(p, r->end);
		if (next == NULL)
			return refuse(r, p, "invalid UTF-8");
		p = next;
	}
	if ((flags & TALLY_CANON_WIDE) == 0 &&
	    memchr(begin, 0x7f, (size_t)(p - begin)) != NULL)
		flags |= TALLY_CANON_WIDE;
	node->len = (uint32_t)(p - begin);
	node->flags = (uint8_t)flags;
	return p + 1;
}

static const uint8_t *
read_digits(struct reader *r, const uint8_t *p)
{
	const uint8_t *begin = p;

	while (p < r->end && *p >= '0' && *p <= '9')
		p++;
	return p > begin ? p : refuse(r, p, "expected a digit");
}

static const uint8_t *
read_number(struct reader *r, const uint8_t *p)
{
	struct tally_canon_node *node = add(r, p, TALLY_CANON_NUMBER);
	const uint8_t *begin = p, *first;

	if (node == NULL)
		return NULL;
	first = p += *p == '-';
	p = read_digits(r, p);
	if (p != NULL && *first == '0' && p - first > 1)
		return refuse(r, first, "leading zero");
	if (p != NULL && p < r->end && *p == '.') {
		node->flags = TALLY_CANON_REAL;
		p = read_digits(r, p + 1);
	}
	if (p != NULL && p < r->end && (*p == 'e' || *p == 'E')) {
		node->flags = TALLY_CANON_REAL;
		p++;
		p += p < r->end && (*p == '-' || *p == '+');
		p = read_digits(r, p);
	}
	if (p != NULL)
		node->len = (uint32_t)(p - begin);
	return p;
}

static const uint8_t *
read_word(struct reader *r, const uint8_t *p)
{
	static const struct {
		const char *text;
		size_t len;
		enum tally_canon_type type;
		unsigned needs;
	} words[] = {
		{ "null", 4, TALLY_CANON_NULL, 0 },
		{ "true", 4, TALLY_CANON_TRUE, 0 },
		{ "false", 5, TALLY_CANON_FALSE, 0 },
		{ "NaN", 3, TALLY_CANON_WORD, TALLY_CANON_READ_NAN },
		{ "Infinity", 8, TALLY_CANON_WORD, TALLY_CANON_READ_NAN },
		{ "-Infinity", 9, TALLY_CANON_WORD, TALLY_CANON_READ_NAN },
		{ "undefined", 9, TALLY_CANON_WORD,
		    TALLY_CANON_READ_UNDEFINED },
	};
	struct tally_canon_node *node;
	size_t i, left = (size_t)(r->end - p);

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((words[i].needs & ~r->read) != 0 || left < words[i].len ||
		    memcmp(p, words[i].text, words[i].len) != 0)
			continue;
		node = add(r, p, words[i].type);
		if (node == NULL)
			return NULL;
		node->len = (uint32_t)words[i].len;
		return p + words[i].len;
	}
	return refuse(r, p, "expected a value");
}

/* The name of a member, and its colon; gives the place of the value. */
static const uint8_t *
read_name(struct reader *r, const uint8_t *p)
{
	if (p == r->end || *p != '"')
		return refuse(r, p, "expected a member name");
	p = read_string(r, p);
	if (p == NULL)
		return NULL;
	p = skip_space(r, p);
	if (p == r->end || *p != ':')
		return refuse(r, p, "expected ':'");
	return skip_space(r, p + 1);
}

/* Opens a container; gives the place of its first value, or behind it. */
static const uint8_t *
open_container(struct reader *r, const uint8_t *p)
{
	bool is_object = *p == '{';
	struct tally_canon_node *node = add(r, p,
	    is_object ? TALLY_CANON_OBJECT : TALLY_CANON_ARRAY);

	if (node == NULL)
		return NULL;
	if (r->depth == TALLY_CANON_DEPTH) {
		r->result = tally_fail(r->error, TALLY_E_LIMIT,
		    "json: nested deeper than %d at byte %llu",
		    TALLY_CANON_DEPTH, (unsigned long long)(p - r->begin));
		return NULL;
	}
	p = skip_space(r, p + 1);
	if (p < r->end && *p == (is_object ? '}' : ']'))
		return p + 1;
	node->end = r->open;
	r->open = r->count - 1;
	r->depth++;
	return is_object ? read_name(r, p) : p;
}

/* Behind a value: closes what ends here; gives the place of the next one. */
static const uint8_t *
end_value(struct reader *r, const uint8_t *p)
{
	struct tally_canon_node *node;
	bool is_object;

	while (r->open != NOTHING) {
		node = &r->nodes[r->open];
		is_object = node->type == TALLY_CANON_OBJECT;
		node->len++;
		p = skip_space(r, p);
		if (p < r->end && *p == ',') {
			p = skip_space(r, p + 1);
			return is_object ? read_name(r, p) : p;
		}
		if (p == r->end || *p != (is_object ? '}' : ']'))
			return refuse(r, p,
			    is_object ? "expected ',' or '}'"
				      : "expected ',' or ']'");
		r->open = node->end;
		node->end = r->count;
		r->depth--;
		p++;
	}
	return p;
}

static const uint8_t *
read_value(struct reader *r, const uint8_t *p)
{
	unsigned depth;

	do {
		depth = r->depth;
		if (p == r->end)
			return refuse(r, p, "");
		if (*p == '{' || *p == '[') {
			p = open_container(r, p);
			if (r->depth > depth && p != NULL)
				continue;
		} else if (*p == '"') {
			p = read_string(r, p);
		} else if ((*p >= '0' && *p <= '9') ||
		    (*p == '-' && (p + 1 == r->end || p[1] != 'I'))) {
			p = read_number(r, p);
		} else {
			p = read_word(r, p);
		}
		if (p != NULL)
			p = end_value(r, p);
	} while (p != NULL && r->open != NOTHING);
	return p;
}

int
tally_canon_read(const char *text, size_t len, unsigned read,
    struct tally_canon_room *room, size_t *out_nodes,
    struct tally_error *error)
{
	struct reader r = {
		.begin = (const uint8_t *)(text != NULL ? text : ""),
		.nodes = room->nodes,
		.capacity = room->capacity < NOTHING ? (uint32_t)room->capacity
						     : NOTHING - 1,
		.open = NOTHING,
		.read = read,
		.error = error,
	};
	const uint8_t *p;

	if (len > TALLY_CANON_MAX)
		return tally_fail(error, TALLY_E_LIMIT,
		    "json: longer than %llu bytes",
		    (unsigned long long)TALLY_CANON_MAX);
	r.end = r.begin + len;
	p = read_value(&r, skip_space(&r, r.begin));
	if (p != NULL) {
		p = skip_space(&r, p);
		if (p != r.end)
			refuse(&r, p, "trailing bytes");
	}
	if (r.result == 0)
		*out_nodes = r.count;
	return r.result;
}
