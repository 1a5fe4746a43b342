/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/text.h"
#include "core/tile.h"

#define ENTRIES "tile/entries/"
#define TILE "tile/"

uint64_t
tally_tile_hashes(uint64_t size, unsigned level)
{
	return level >= TALLY_TILE_LEVELS ? 0 : size >> 8 * level;
}

struct tally_tile
tally_tile_of(uint64_t size, unsigned level, uint64_t at)
{
	uint64_t hashes = tally_tile_hashes(size, level);
	struct tally_tile tile = { .level = level,
		.index = at / TALLY_TILE_WIDTH,
		.width = TALLY_TILE_WIDTH };

	if (tile.index == hashes / TALLY_TILE_WIDTH)
		tile.width = (unsigned)(hashes % TALLY_TILE_WIDTH);
	return tile;
}

/* Groups of three digits, each but the last behind an 'x'. */
static size_t
index_format(uint64_t index, char *out)
{
	uint64_t power = 1;
	size_t len = 0;

	while (index / power >= 1000)
		power *= 1000;
	for (; power > 0; power /= 1000) {
		unsigned group = (unsigned)(index / power % 1000);

		if (power > 1)
			out[len++] = 'x';
		out[len++] = (char)('0' + group / 100);
		out[len++] = (char)('0' + group / 10 % 10);
		out[len++] = (char)('0' + group % 10);
		if (power > 1)
			out[len++] = '/';
	}
	return len;
}

size_t
tally_tile_path(const struct tally_tile *tile, char out[TALLY_TILE_PATH_MAX])
{
	size_t len;

	if (tile->is_bundle) {
		len = sizeof(ENTRIES) - 1;
		memcpy(out, ENTRIES, len);
	} else {
		len = sizeof(TILE) - 1;
		memcpy(out, TILE, len);
		len += tally_decimal_format(tile->level, out + len);
		out[len++] = '/';
	}
	len += index_format(tile->index, out + len);
	if (tile->width != TALLY_TILE_WIDTH) {
		memcpy(out + len, ".p/", 3);
		len += 3;
		len += tally_decimal_format(tile->width, out + len);
	}
	out[len] = '\0';
	return len;
}

/* A number of at most max up to a character or the end; moves *at behind. */
static int
take_number(const char *text, size_t len, size_t *at, char stop, uint64_t max,
    uint64_t *out)
{
	size_t end = *at;

	while (end < len && text[end] != stop)
		end++;
	if (end - *at > TALLY_DECIMAL_MAX ||
	    tally_decimal_parse(text + *at, end - *at, max, out) != 0)
		return TALLY_E_FORMAT;
	*at = end;
	return 0;
}

static int
take_group(const char *text, size_t len, size_t *at, uint64_t *index)
{
	unsigned i, group = 0;

	if (len - *at < 3)
		return TALLY_E_FORMAT;
	for (i = 0; i < 3; i++) {
		char c = text[(*at)++];

		if (c < '0' || c > '9')
			return TALLY_E_FORMAT;
		group = group * 10 + (unsigned)(c - '0');
	}
	if (*index > (TALLY_TILE_INDEX_MAX - group) / 1000)
		return TALLY_E_FORMAT;
	*index = *index * 1000 + group;
	return 0;
}

static int
take_index(const char *text, size_t len, size_t *at, uint64_t *out)
{
	uint64_t index = 0;
	bool first = true;

	while (*at < len && text[*at] == 'x') {
		(*at)++;
		if (take_group(text, len, at, &index) != 0 ||
		    (first && index == 0) || *at == len || text[*at] != '/')
			return TALLY_E_FORMAT;
		(*at)++;
		first = false;
	}
	if (take_group(text, len, at, &index) != 0)
		return TALLY_E_FORMAT;
	*out = index;
	return 0;
}

int
tally_tile_path_parse(const char *text, size_t len, struct tally_tile *out)
{
	size_t at = sizeof(TILE) - 1;
	uint64_t number = 0;

	memset(out, 0, sizeof(*out));
	out->width = TALLY_TILE_WIDTH;
	if (len >= sizeof(ENTRIES) - 1 &&
	    memcmp(text, ENTRIES, sizeof(ENTRIES) - 1) == 0) {
		out->is_bundle = true;
		at = sizeof(ENTRIES) - 1;
	} else if (len < at || memcmp(text, TILE, at) != 0 ||
	    take_number(text, len, &at, '/', TALLY_TILE_LEVEL_MAX, &number) !=
		0 ||
	    at++ == len) {
		return TALLY_E_FORMAT;
	}
	out->level = (unsigned)number;
	if (take_index(text, len, &at, &out->index) != 0)
		return TALLY_E_FORMAT;
	if (at == len)
		return 0;
	if (len - at < 3 || memcmp(text + at, ".p/", 3) != 0)
		return TALLY_E_FORMAT;
	at += 3;
	if (take_number(text, len, &at, '\0', TALLY_TILE_WIDTH - 1, &number) !=
		0 ||
	    number == 0 || at != len)
		return TALLY_E_FORMAT;
	out->width = (unsigned)number;
	return 0;
}

int
tally_bundle_next(const uint8_t *bundle, size_t len, size_t *cursor,
    const uint8_t **out_entry, size_t *out_len)
{
	size_t entry;

	if (*cursor >= len)
		return TALLY_END;
	if (len - *cursor < 2)
		return TALLY_E_FORMAT;
	entry = (size_t)bundle[*cursor] << 8 | bundle[*cursor + 1];
	if (len - *cursor - 2 < entry)
		return TALLY_E_FORMAT;
	*out_entry = bundle + *cursor + 2;
	*out_len = entry;
	*cursor += 2 + entry;
	return 0;
}
