/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "text.h"

/* A byte that is no UTF-8 is decoded as this plus the byte. */
#define RAW 0x80000000u

struct range {
	uint32_t first;
	uint32_t last;
};

/* Characters that are not shown as they are; sorted. */
static const struct range hidden[] = {
	{ 0x00, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, /* soft hyphen */
	{ 0x61c, 0x61c },                               /* Arabic letter mark */
	{ 0x180e, 0x180e }, /* Mongolian vowel separator */
	{ 0x200b, 0x200f }, /* zero width; marks of direction */
	{ 0x2028, 0x202e }, /* separators; embeddings and overrides */
	{ 0x2060, 0x206f }, /* joiner, isolates, invisible operators */
	{ 0xfe00, 0xfe0f }, /* variation selectors */
	{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, /* interlinear annotation */
	{ 0xe0000, 0xe0fff }, /* tags, more variation selectors */
};

/* Characters that end a line, or may do more than that; sorted. */
static const struct range breaking[] = {
	{ 0x00, 0x1f },
	{ 0x7f, 0x9f },
	{ 0x2028, 0x2029 },
};

/* Characters that take two columns, near enough; sorted. */
static const struct range wide[] = {
	{ 0x1100, 0x115f },
	{ 0x2e80, 0xa4cf },
	{ 0xac00, 0xd7a3 },
	{ 0xf900, 0xfaff },
	{ 0xfe30, 0xfe6f },
	{ 0xff00, 0xff60 },
	{ 0xffe0, 0xffe6 },
	{ 0x1f300, 0x1f64f },
	{ 0x1f680, 0x1f6ff },
	{ 0x1f900, 0x1f9ff },
	{ 0x20000, 0x3fffd },
};

/* Characters that take none, near enough; sorted. */
static const struct range combining[] = {
	{ 0x300, 0x36f },
	{ 0x483, 0x489 },
	{ 0x591, 0x5bd },
	{ 0x610, 0x61a },
	{ 0x64b, 0x65f },
	{ 0x1ab0, 0x1aff },
	{ 0x1dc0, 0x1dff },
	{ 0x20d0, 0x20ff },
	{ 0xfe20, 0xfe2f },
};

#define IS_IN(c, ranges) is_in(c, ranges, sizeof(ranges) / sizeof((ranges)[0]))

static bool
is_in(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count && ranges[i].first <= c; i++)
		if (c <= ranges[i].last)
			return true;
	return false;
}

/* The bytes of a character by its first one, 0 if it cannot be one. */
static size_t
lead(uint8_t byte, uint32_t *out_bits)
{
	if (byte < 0x80) {
		*out_bits = byte;
		return 1;
	}
	if (byte >= 0xc2 && byte <= 0xdf) {
		*out_bits = byte & 0x1f;
		return 2;
	}
	if (byte >= 0xe0 && byte <= 0xef) {
		*out_bits = byte & 0x0f;
		return 3;
	}
	if (byte >= 0xf0 && byte <= 0xf4) {
		*out_bits = byte & 0x07;
		return 4;
	}
	return 0;
}

/* Takes one character, or one byte that is none; len > 0. */
static size_t
decode(const char *text, size_t len, uint32_t *out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t first = (uint8_t)text[0];
	uint32_t c = 0;
	size_t size = lead(first, &c);
	bool good = size > 0 && size <= len;

	for (size_t i = 1; good && i < size; i++) {
		uint8_t byte = (uint8_t)text[i];

		good = (byte & 0xc0) == 0x80;
		c = c << 6 | (byte & 0x3f);
	}
	if (!good || c < least[size] || c > 0x10ffff ||
	    (c >= 0xd800 && c <= 0xdfff)) {
		*out = RAW | first;
		return 1;
	}
	*out = c;
	return size;
}

/* How a hidden character is written; its length. */
static size_t
spell(uint32_t c, char out[16])
{
	int n;

	if (c & RAW)
		n = snprintf(out, 16, "\\x%02" PRIx32, c & 0xff);
	else if (c < 0x10000)
		n = snprintf(out, 16, "\\u%04" PRIx32, c);
	else
		n = snprintf(out, 16, "\\u%04" PRIx32 "\\u%04" PRIx32,
		    0xd800 + ((c - 0x10000) >> 10),
		    0xdc00 + ((c - 0x10000) & 0x3ff));
	return n > 0 ? (size_t)n : 0;
}

static bool
is_hidden(uint32_t c)
{
	return (c & RAW) != 0 || IS_IN(c, hidden);
}

static size_t
columns_of(uint32_t c)
{
	char spelled[16];

	if (c >= 0x20 && c < 0x7f)
		return 1;
	if (is_hidden(c))
		return spell(c, spelled);
	if (IS_IN(c, combining))
		return 0;
	return IS_IN(c, wide) ? 2 : 1;
}

/* How many bytes of text fit so many columns, and the columns they take. */
static size_t
fit(const char *text, size_t len, size_t columns, size_t *out_columns)
{
	size_t used = 0;
	size_t at = 0;

	while (at < len) {
		uint32_t c;
		size_t size = decode(text + at, len - at, &c);
		size_t more = columns_of(c);

		if (more > columns - used)
			break;
		used += more;
		at += size;
	}
	*out_columns = used;
	return at;
}

size_t
text_columns(const char *text, size_t len)
{
	size_t columns;

	(void)fit(text, len, SIZE_MAX, &columns);
	return columns;
}

static bool
is_breaking(uint32_t c)
{
	return (c & RAW) == 0 && IS_IN(c, breaking);
}

/* Writes text, those characters spelled. */
static void
put(FILE *file, const char *text, size_t len, bool (*is_spelled)(uint32_t c))
{
	size_t run = 0;
	size_t at = 0;

	while (at < len) {
		char spelled[16];
		uint32_t c;
		size_t size = decode(text + at, len - at, &c);

		if (is_spelled(c)) {
			(void)fwrite(text + run, 1, at - run, file);
			(void)fwrite(spelled, 1, spell(c, spelled), file);
			run = at + size;
		}
		at += size;
	}
	(void)fwrite(text + run, 1, len - run, file);
}

void
text_put_visible(FILE *file, const char *text, size_t len)
{
	put(file, text, len, is_hidden);
}

void
text_put_line(FILE *file, const char *text, size_t len)
{
	put(file, text, len, is_breaking);
}

void
text_put_shortened(FILE *file, const char *text, size_t len, size_t columns)
{
	size_t used;

	if (fit(text, len, columns, &used) == len) {
		text_put_visible(file, text, len);
		return;
	}
	if (columns < 3)
		return;
	text_put_visible(file, text, fit(text, len, columns - 3, &used));
	fputs("...", file);
}

void
text_put_json(FILE *file, const char *text, size_t len)
{
	fputc('"', file);
	for (size_t at = 0; at < len;) {
		char spelled[16];
		uint32_t c;
		size_t size = decode(text + at, len - at, &c);

		if (c == '"' || c == '\\') {
			fputc('\\', file);
			fputc((int)c, file);
		} else if (c & RAW) {
			fputs("\\ufffd", file);
		} else if (is_hidden(c)) {
			(void)fwrite(spelled, 1, spell(c, spelled), file);
		} else {
			(void)fwrite(text + at, 1, size, file);
		}
		at += size;
	}
	fputc('"', file);
}
