/* SPDX-License-Identifier: Apache-2.0 */
/* Escapes (RFC 8259, section 7) and UTF-8 (RFC 3629). */
#include "core/json.h"

/* What the character behind a '\' stands for, or -1. */
static int32_t
short_escape(uint8_t c)
{
	switch (c) {
	case '"':
	case '\\':
	case '/':
		return c;
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return -1;
	}
}

int32_t
tally_json_escape(const uint8_t **p, const uint8_t *end)
{
	const uint8_t *at = *p;
	int32_t high, low;

	if (end - at < 2)
		return -1;
	if (at[1] != 'u') {
		high = short_escape(at[1]);
		if (high >= 0)
			*p = at + 2;
		return high;
	}
	high = tally_json_unit(at, end);
	if (high < 0)
		return -1;
	if (high < 0xd800 || high > 0xdfff) {
		*p = at + 6;
		return high;
	}
	low = tally_json_unit(at + 6, end);
	if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return -2;
	*p = at + 12;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

size_t
tally_utf8_encode(int32_t character, uint8_t out[4])
{
	uint32_t c = (uint32_t)character;

	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}
