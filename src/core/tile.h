/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles and entry bundles (c2sp.org/tlog-tiles): which there are for a tree of
 * some size, and what they are called.
 *
 * A tile of level l holds up to 256 hashes: element i of tile n is the root of
 * the 256^l leaves that begin at (n * 256 + i) * 256^l.  Above level 0 only
 * whole tiles below count.  A bundle holds the data of the leaves of a tile of
 * level 0, each behind its length in two bytes, big-endian.
 *
 *     tile/<level>/<index>[.p/<width>]     tile/entries/<index>[.p/<width>]
 *
 * where the index is written in groups of three digits, x001/x234/067.
 */
#ifndef TALLY_CORE_TILE_H
#define TALLY_CORE_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

#define TALLY_TILE_WIDTH 256
#define TALLY_TILE_BYTES (TALLY_TILE_WIDTH * 32)
#define TALLY_TILE_LEVELS 8 /* that a tree of 2^63 leaves has */
#define TALLY_TILE_LEVEL_MAX 63
#define TALLY_TILE_INDEX_MAX ((uint64_t)1 << 55)
#define TALLY_TILE_PATH_MAX 64 /* NUL included */
#define TALLY_BUNDLE_ENTRY_MAX 65535

struct tally_tile {
	bool is_bundle; /* level is 0 then */
	unsigned level;
	uint64_t index;
	unsigned width; /* 1 to 256 */
};

/* Hashes that a tree of this size has on a level of tiles. */
uint64_t
tally_tile_hashes(uint64_t size, unsigned level);

/* The tile that holds hash number at of a level, as wide as the tree makes
 * it; at is below tally_tile_hashes(size, level). */
struct tally_tile
tally_tile_of(uint64_t size, unsigned level, uint64_t at);

/* Writes the path and NUL; returns its length. */
size_t
tally_tile_path(const struct tally_tile *tile, char out[TALLY_TILE_PATH_MAX]);

/* Exactly what tally_tile_path writes.  Returns 0 or TALLY_E_FORMAT. */
TALLY_MUST_CHECK int
tally_tile_path_parse(const char *text, size_t len, struct tally_tile *out);

/*
 * The next entry of a bundle, *cursor first 0.  Returns 0; TALLY_END behind
 * the last; TALLY_E_FORMAT where an entry is cut off.
 */
TALLY_MUST_CHECK int
tally_bundle_next(const uint8_t *bundle, size_t len, size_t *cursor,
    const uint8_t **out_entry, size_t *out_len);

#endif
