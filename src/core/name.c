/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of chains and ids, plain and escaped (doc/format.md, section 3):
 * UTF-8 without control characters (U+0000 to U+001F, U+007F to U+009F).
 *
 * In the escaped form only '"' and '\' are escaped, with a '\' before them,
 * so there is one escaped form for each name, and its bytes tell the length
 * of the plain one.
 */
#include <string.h>

#include "core/json.h"
#include "core/text.h"

bool
tally_is_utf8(const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text;
	const uint8_t *end;

	if (len == 0)
		return true;
	for (end = p + len; p != NULL && p < end;)
		p = *p < 0x80 ? p + 1 : tally_utf8_next(p, end);
	return p != NULL;
}

/* Is the character at p (of valid UTF-8) a control character? */
static inline bool
is_control(const uint8_t *p)
{
	return *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);
}

/* Why no name is like this one, or NULL. */
static const char *
name_fault(const char *name, size_t len, size_t max)
{
	const uint8_t *p = (const uint8_t *)name;
	size_t i;

	if (len == 0)
		return "is empty";
	if (len > max && max == TALLY_CHAIN_MAX)
		return "is longer than 255 bytes";
	if (len > max && max == TALLY_ID_MAX)
		return "is longer than 128 bytes";
	if (len > max)
		return "is too long";
	if (!tally_is_utf8(name, len))
		return "is not valid UTF-8";
	for (i = 0; i < len; i++) {
		if (is_control(p + i))
			return "holds a control character";
	}
	return NULL;
}

int
tally_name_escape(const char *name, size_t len, size_t max, char *out,
    size_t *out_len, const char **out_what)
{
	const char *fault = name_fault(name, len, max);
	size_t i, n = 0;

	if (fault != NULL) {
		*out_what = fault;
		return TALLY_E_USAGE;
	}
	for (i = 0; i < len; i++) {
		if (name[i] == '"' || name[i] == '\\')
			out[n++] = '\\';
		out[n++] = name[i];
	}
	*out_len = n;
	return 0;
}

size_t
tally_name_measure(const char *text, size_t len, size_t max)
{
	const uint8_t *begin = (const uint8_t *)text;
	const uint8_t *end = begin + len;
	const uint8_t *p = begin, *next;
	size_t escapes = 0, plain;

	while (p < end && *p != '"') {
		if (*p == '\\') {
			next = p + 2;
			if (end - p < 2 || (p[1] != '"' && p[1] != '\\'))
				return 0;
			escapes++;
		} else if (*p < 0x80) {
			next = p + 1;
		} else {
			next = tally_utf8_next(p, end);
		}
		if (next == NULL || is_control(p))
			return 0;
		p = next;
	}
	plain = (size_t)(p - begin) - escapes;
	return plain <= max ? (size_t)(p - begin) : 0;
}

int
tally_name_unescape(const char *text, size_t len, size_t max, char *out,
    size_t *out_len)
{
	size_t i, n = 0;

	if (len == 0 || tally_name_measure(text, len, max) != len)
		return TALLY_E_FORMAT;
	for (i = 0; i < len; i++) {
		if (text[i] == '\\')
			i++;
		out[n++] = text[i];
	}
	out[n] = '\0';
	*out_len = n;
	return 0;
}
