/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bytes inside a JSON string are: runs of plain bytes, UTF-8
 * sequences, escapes.  Shared by the event scanner and by names.
 *
 * Nothing here reads outside the bytes that it was given, whatever they are.
 * TALLY_PORTABLE leaves out what needs SSE2, so that both ways can be tested
 * on one machine.
 */
#ifndef TALLY_CORE_JSON_H
#define TALLY_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(TALLY_PORTABLE)
#define TALLY_SSE2 1
#include <emmintrin.h>
#endif

/* Plain bytes stand for themselves: ASCII but controls, '"' and '\'. */
static inline bool
tally_json_is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

#ifdef TALLY_SSE2
/* A bit for each of the 16 bytes at p that is not plain. */
static inline unsigned
tally_json_stops16(const uint8_t *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	/* Signed, so that bytes from 0x80 on are below 0x20 as well. */
	__m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
	__m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	__m128i escape = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));

	return (unsigned)_mm_movemask_epi8(_mm_or_si128(low,
	    _mm_or_si128(quote, escape)));
}
#else
/* Are the eight bytes at p all plain? */
static inline bool
tally_json_plain8(const uint8_t *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t tops = ones << 7;
	uint64_t v, stops;

	memcpy(&v, p, sizeof(v));
	/* Borrows only ever come from a byte that stops by itself. */
	stops = v | (v - ones * 0x20);
	stops |= (v ^ (ones * '"')) - ones;
	stops |= (v ^ (ones * '\\')) - ones;
	return (stops & tops) == 0;
}
#endif

/*
 * The first byte of [p, end) that is not plain, or end.  begin <= p is where
 * the readable bytes begin.
 */
static inline const uint8_t *
tally_json_plain_end(const uint8_t *begin, const uint8_t *p, const uint8_t *end)
{
#ifdef TALLY_SSE2
	unsigned stops;

	for (; end - p >= 16; p += 16) {
		stops = tally_json_stops16(p);
		if (stops != 0)
			return p + __builtin_ctz(stops);
	}
	/* The last bytes through a load that ends where the text ends. */
	if (end - begin >= 16) {
		stops = tally_json_stops16(end - 16) >> (16 - (end - p));
		return stops != 0 ? p + __builtin_ctz(stops) : end;
	}
#else
	(void)begin;
	while (end - p >= 8 && tally_json_plain8(p))
		p += 8;
#endif
	while (p < end && tally_json_is_plain(*p))
		p++;
	return p;
}

static inline bool
tally_utf8_is_tail(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/*
 * The end of the UTF-8 sequence of a character from U+0080 on that begins at
 * p < end (Unicode, table 3-7: no surrogates, nothing overlong, at most
 * U+10FFFF), or NULL.
 */
static inline const uint8_t *
tally_utf8_next(const uint8_t *p, const uint8_t *end)
{
	size_t left = (size_t)(end - p);
	uint8_t low, high;

	if (p[0] < 0xc2 || p[0] > 0xf4 || left < 2)
		return NULL;
	if (p[0] < 0xe0)
		return tally_utf8_is_tail(p[1]) ? p + 2 : NULL;
	low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < low || p[1] > high || left < 3 || !tally_utf8_is_tail(p[2]))
		return NULL;
	if (p[0] < 0xf0)
		return p + 3;
	return left >= 4 && tally_utf8_is_tail(p[3]) ? p + 4 : NULL;
}

/* The value of a hexadecimal digit of either case, or -1. */
static inline int
tally_hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The unit of the escape "\uXXXX" at p, or -1 if there is none. */
static inline int32_t
tally_json_unit(const uint8_t *p, const uint8_t *end)
{
	int32_t unit = 0;
	int digit, i;

	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	for (i = 2; i < 6; i++) {
		digit = tally_hex_digit(p[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/*
 * Decodes the escape at *p, which is at a '\', and moves *p behind it.
 * Returns the character, or -1 if there is no whole escape, or -2 if there is
 * one but it is an unpaired surrogate (*p is left alone in both cases).
 */
int32_t
tally_json_escape(const uint8_t **p, const uint8_t *end);

/* Writes a character as UTF-8; returns the length, 1 to 4. */
size_t
tally_utf8_encode(int32_t character, uint8_t out[4]);

#endif
