/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One string member of an event, for readers.  The text is valid JSON by
 * contract; whatever it is, nothing outside it is read.
 *
 * Depth is counted and not kept: in valid JSON a bracket outside strings
 * always closes the innermost one.  A name of the top level is a string there
 * that a ':' follows.
 */
#include <stdbool.h>
#include <string.h>

#include <tally/record.h>

#include "core/json.h"

struct walk {
	const uint8_t *begin;
	const uint8_t *at;
	const uint8_t *end;
};

/* The inside of a string. */
struct text {
	const uint8_t *at;
	size_t len;
};

static void
skip_space(struct walk *walk)
{
	while (walk->at < walk->end &&
	    (*walk->at == ' ' || *walk->at == '\t' || *walk->at == '\n' ||
		*walk->at == '\r'))
		walk->at++;
}

/* Takes a string, if one is next. */
static bool
take_string(struct walk *walk, struct text *out)
{
	const uint8_t *p = walk->at;

	if (p == walk->end || *p != '"')
		return false;
	out->at = ++p;
	for (;;) {
		p = tally_json_plain_end(walk->begin, p, walk->end);
		if (p == walk->end)
			return false;
		if (*p == '"')
			break;
		if (*p == '\\' && walk->end - p < 2)
			return false;
		p += *p == '\\' ? 2 : 1;
	}
	out->len = (size_t)(p - out->at);
	walk->at = p + 1;
	return true;
}

/* Steps over a value, up to the ',' or '}' of the top level behind it. */
static bool
skip_value(struct walk *walk)
{
	struct text ignored;
	size_t depth = 0;

	while (walk->at < walk->end) {
		switch (*walk->at) {
		case '"':
			if (!take_string(walk, &ignored))
				return false;
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return true;
			depth--;
			break;
		case ',':
			if (depth == 0)
				return true;
			break;
		default:
			break;
		}
		walk->at++;
	}
	return false;
}

/*
 * Decodes a string into out and a NUL.  Returns 0, TALLY_END if an escape is
 * none, or TALLY_E_LIMIT.
 */
static int
decode(const struct text *text, char *out, size_t out_size, size_t *out_len)
{
	const uint8_t *p = text->at, *end = p + text->len;
	uint8_t bytes[4];
	int32_t character;
	size_t n = 0, len;

	while (p < end) {
		if (*p != '\\') {
			bytes[0] = *p++;
			len = 1;
		} else {
			character = tally_json_escape(&p, end);
			if (character < 0)
				return TALLY_END;
			len = tally_utf8_encode(character, bytes);
		}
		if (len >= out_size - n)
			return TALLY_E_LIMIT;
		memcpy(out + n, bytes, len);
		n += len;
	}
	out[n] = '\0';
	*out_len = n;
	return 0;
}

/* Is the string, decoded, this name? */
static bool
is_name(const struct text *text, const char *name, size_t name_len)
{
	const uint8_t *p = text->at, *end = p + text->len;
	uint8_t bytes[4];
	int32_t character;
	size_t n = 0, len;

	if (memchr(p, '\\', text->len) == NULL)
		return text->len == name_len && memcmp(p, name, name_len) == 0;
	while (p < end) {
		bytes[0] = *p;
		len = 1;
		if (*p != '\\') {
			p++;
		} else {
			character = tally_json_escape(&p, end);
			if (character < 0)
				return false;
			len = tally_utf8_encode(character, bytes);
		}
		if (name_len - n < len || memcmp(name + n, bytes, len) != 0)
			return false;
		n += len;
	}
	return n == name_len;
}

int
tally_event_member(const char *event, size_t event_len, const char *member,
    char *out, size_t out_size, size_t *out_len)
{
	struct walk walk = { .begin = (const uint8_t *)event };
	struct text name, value;
	size_t member_len = strlen(member);

	walk.at = walk.begin;
	walk.end = walk.begin + event_len;
	skip_space(&walk);
	if (walk.at == walk.end || *walk.at != '{')
		return TALLY_END;
	do {
		walk.at++; /* over '{' or ',' */
		skip_space(&walk);
		if (!take_string(&walk, &name))
			return TALLY_END;
		skip_space(&walk);
		if (walk.at == walk.end || *walk.at != ':')
			return TALLY_END;
		walk.at++;
		skip_space(&walk);
		if (is_name(&name, member, member_len)) {
			if (!take_string(&walk, &value))
				return TALLY_END;
			if (out_size == 0)
				return TALLY_E_LIMIT;
			return decode(&value, out, out_size, out_len);
		}
		if (!skip_value(&walk))
			return TALLY_END;
	} while (*walk.at == ',');
	return TALLY_END;
}
