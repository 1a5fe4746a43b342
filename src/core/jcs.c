/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 8785 (JCS): strings and the order of members.
 *
 * Quoting is in the path of every row that a database seals, so what needs no
 * escape is copied in runs.
 */
#include <string.h>

#include "core/jcs.h"
#include "core/json.h"

static const char hex_digits[] = "0123456789abcdef";

/* The letter that stands for a byte behind a '\', or 'u'. */
static inline char
escape_letter(uint8_t c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\f':
		return 'f';
	case '\r':
		return 'r';
	default:
		return 'u';
	}
}

static char *
write_escape(uint8_t c, char *out)
{
	*out++ = '\\';
	*out = escape_letter(c);
	if (*out++ != 'u')
		return out;
	*out++ = '0';
	*out++ = '0';
	*out++ = hex_digits[c >> 4];
	*out++ = hex_digits[c & 15];
	return out;
}

/*
 * The first byte of [p, end) that needs an escape, or end, or NULL if the
 * bytes before it are not valid UTF-8.
 */
static inline const uint8_t *
run_end(const uint8_t *begin, const uint8_t *p, const uint8_t *end)
{
	do {
		p = tally_json_plain_end(begin, p, end);
		while (p != NULL && p < end && *p >= 0x80)
			p = tally_utf8_next(p, end);
	} while (p != NULL && p < end && tally_json_is_plain(*p));
	return p;
}

size_t
tally_jcs_quote(const char *text, size_t len, char *out)
{
	const uint8_t *begin = (const uint8_t *)text;
	const uint8_t *p = begin, *end, *stop;
	char *to = out;

	*to++ = '"';
	if (len > 0) {
		end = begin + len;
		for (;;) {
			stop = run_end(begin, p, end);
			if (stop == NULL)
				return 0;
			memcpy(to, p, (size_t)(stop - p));
			to += stop - p;
			if (stop == end)
				break;
			to = write_escape(*stop, to);
			p = stop + 1;
		}
	}
	*to++ = '"';
	return (size_t)(to - out);
}

size_t
tally_jcs_measure(const char *text, size_t len)
{
	size_t i, sum = len + 2;
	uint8_t c;

	for (i = 0; i < len; i++) {
		c = (uint8_t)text[i];
		if (c < 0x20 || c == '"' || c == '\\')
			sum += escape_letter(c) == 'u' ? 5 : 1;
	}
	return sum;
}

int
tally_jcs_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t len = a_len < b_len ? a_len : b_len, i;
	uint8_t x, y;

	for (i = 0; i < len && a[i] == b[i]; i++)
		;
	if (i == len)
		return (a_len > b_len) - (a_len < b_len);
	x = (uint8_t)a[i];
	y = (uint8_t)b[i];
	/*
	 * In UTF-16 the characters from U+10000 on (0xf0 and more) begin with
	 * a surrogate, which is below U+E000 (0xee and 0xef).  Bytes from 0xee
	 * on only ever begin a character, so both strings begin one here.
	 */
	if (x >= 0xee && y >= 0xee && (x >= 0xf0) != (y >= 0xf0))
		return x < y ? 1 : -1;
	return x < y ? -1 : 1;
}
