/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hexadecimal, base64 (RFC 4648, section 4) and decimal.
 *
 * Reading a line takes 96 bytes out of hexadecimal and is in the path of
 * verification, so 16 digits go at once where the processor can; the tables
 * do the rest and define the result.
 */
#include <string.h>

#include "core/json.h"
#include "core/text.h"

static const char hex_digits[] = "0123456789abcdef";

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#ifdef TALLY_SSE2
/* Which of the bytes, unsigned, are at most n? */
static inline __m128i
at_most(__m128i bytes, char n)
{
	return _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(n)), bytes);
}

/* Eight bytes from 16 lower-case digits; false if any is none. */
static inline bool
hex_parse16(const char *text, uint8_t *out)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)text);
	__m128i digit = _mm_sub_epi8(v, _mm_set1_epi8('0'));
	__m128i letter = _mm_sub_epi8(v, _mm_set1_epi8('a'));
	__m128i is_digit = at_most(digit, 9);
	__m128i is_letter = at_most(letter, 5);
	__m128i values, bytes;

	if (_mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) != 0xffff)
		return false;
	letter = _mm_add_epi8(letter, _mm_set1_epi8(10));
	values = _mm_or_si128(_mm_and_si128(is_digit, digit),
	    _mm_and_si128(is_letter, letter));
	/* In each pair the first digit is the low byte. */
	bytes = _mm_or_si128(_mm_srli_epi16(values, 8),
	    _mm_and_si128(_mm_slli_epi16(values, 4), _mm_set1_epi16(0xf0)));
	_mm_storel_epi64((__m128i *)(void *)out,
	    _mm_packus_epi16(bytes, bytes));
	return true;
}
#endif

void
tally_hex_format(const uint8_t *bytes, size_t len, char *out)
{
	size_t i;

	for (i = 0; i < len; i++) {
		out[2 * i] = hex_digits[bytes[i] >> 4];
		out[2 * i + 1] = hex_digits[bytes[i] & 15];
	}
}

int
tally_hex_parse(const char *text, size_t len, bool strict, uint8_t *out,
    size_t out_len)
{
	const uint8_t *in = (const uint8_t *)text;
	int high, low;
	size_t i = 0;

	if (len % 2 != 0 || len / 2 != out_len)
		return TALLY_E_FORMAT;
#ifdef TALLY_SSE2
	for (; strict && out_len - i >= 8; i += 8) {
		if (!hex_parse16(text + 2 * i, out + i))
			return TALLY_E_FORMAT;
	}
#endif
	for (; i < out_len; i++) {
		high = tally_hex_digit(in[2 * i]);
		low = tally_hex_digit(in[2 * i + 1]);
		if (high < 0 || low < 0)
			return TALLY_E_FORMAT;
		out[i] = (uint8_t)(high << 4 | low);
		if (strict &&
		    (hex_digits[high] != text[2 * i] ||
			hex_digits[low] != text[2 * i + 1]))
			return TALLY_E_FORMAT;
	}
	return 0;
}

void
tally_hash_format(const struct tally_hash *hash, char out[TALLY_HASH_TEXT_SIZE])
{
	tally_hex_format(hash->b, TALLY_HASH_SIZE, out);
	out[TALLY_HASH_TEXT_SIZE - 1] = '\0';
}

int
tally_hash_parse(const char *text, size_t len, struct tally_hash *out)
{
	struct tally_hash hash;
	int r;

	/* Lower case is what there nearly always is, and faster. */
	r = tally_hex_parse(text, len, true, hash.b, sizeof(hash.b));
	if (r != 0)
		r = tally_hex_parse(text, len, false, hash.b, sizeof(hash.b));
	if (r == 0)
		*out = hash;
	return r;
}

size_t
tally_base64_size(size_t len)
{
	return (len / 3 + (len % 3 != 0)) * 4;
}

void
tally_base64_format(const uint8_t *bytes, size_t len, char *out)
{
	uint32_t group;
	size_t i, left;

	for (i = 0; i < len; i += 3, out += 4) {
		left = len - i;
		group = (uint32_t)bytes[i] << 16;
		if (left > 1)
			group |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			group |= bytes[i + 2];
		out[0] = base64_digits[group >> 18];
		out[1] = base64_digits[group >> 12 & 63];
		out[2] = left > 1 ? base64_digits[group >> 6 & 63] : '=';
		out[3] = left > 2 ? base64_digits[group & 63] : '=';
	}
}

/* The value of a digit, or 64. */
static uint32_t
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0' + 52);
	return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* The 24 bits of digits (2 to 4) at text, or UINT32_MAX. */
static uint32_t
base64_group(const char *text, size_t digits)
{
	uint32_t group = 0, value;
	size_t i;

	for (i = 0; i < 4; i++) {
		value = i < digits ? base64_value(text[i]) : 0;
		if (value > 63)
			return UINT32_MAX;
		group = group << 6 | value;
	}
	return group;
}

int
tally_base64_parse(const char *text, size_t len, uint8_t *out, size_t out_size,
    size_t *out_len)
{
	size_t padding = 0, bytes, i, done = 0, want;
	uint32_t group;

	if (len % 4 != 0)
		return TALLY_E_FORMAT;
	if (len > 0 && text[len - 1] == '=')
		padding = text[len - 2] == '=' ? 2 : 1;
	bytes = len / 4 * 3 - padding;
	if (bytes > out_size)
		return TALLY_E_LIMIT;
	for (i = 0; i < len; i += 4, done += want) {
		want = bytes - done < 3 ? bytes - done : 3;
		group = base64_group(text + i, want + 1);
		/* Bits that no byte takes must be zero. */
		if (group == UINT32_MAX || (group & (0xffffffU >> 8 * want)))
			return TALLY_E_FORMAT;
		out[done] = (uint8_t)(group >> 16);
		if (want > 1)
			out[done + 1] = (uint8_t)(group >> 8);
		if (want > 2)
			out[done + 2] = (uint8_t)group;
	}
	*out_len = bytes;
	return 0;
}

size_t
tally_decimal_format(uint64_t value, char out[TALLY_DECIMAL_MAX])
{
	char digits[TALLY_DECIMAL_MAX];
	size_t len = 0;

	do {
		len++;
		digits[TALLY_DECIMAL_MAX - len] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	memcpy(out, digits + TALLY_DECIMAL_MAX - len, len);
	return len;
}

int
tally_decimal_parse(const char *text, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t value = 0, digit;
	size_t i;

	if (len == 0 || len > TALLY_DECIMAL_MAX || (len > 1 && text[0] == '0'))
		return TALLY_E_FORMAT;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return TALLY_E_FORMAT;
		digit = (uint64_t)(text[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return TALLY_E_FORMAT;
		value = value * 10 + digit;
	}
	if (value > max)
		return TALLY_E_FORMAT;
	*out = value;
	return 0;
}
