/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tiles and entry bundles of a log, as files in public/ (core/tile.h).
 *
 * A writer goes over the records once, from the last whole tile on, and holds
 * on each level of tiles the hashes of the one that is not full.  Together
 * these are the whole tree: the root of what was read is theirs.
 *
 * 1. Hashes of the records that are passed come from their lines, whose
 *    headers were read and hashed.  Only the beginnings of the higher tiles
 *    come from the index, and a wrong one of these makes a wrong root.
 * 2. A file appears whole, under its name, on stable storage, and keeps the
 *    bytes that it has: what is signed is what they say.
 */
#ifndef TALLY_PUBLISH_TILES_H
#define TALLY_PUBLISH_TILES_H

#include "core/tree.h"
#include "log/handle.h"
#include "publish/tilefiles.h"

#define TALLY_PUBLIC_NAME "public"

typedef void
tally_tiles_fn(void *arg, const struct tally_record *record);

typedef int
tally_tiles_line_fn(void *arg, uint64_t index, const struct tally_line *line);

struct tally_tiles {
	struct tally_log *log;
	struct tally_hasher *hasher;
	struct tally_hash hash[TALLY_TILE_LEVELS][TALLY_TILE_WIDTH];
	unsigned count[TALLY_TILE_LEVELS];
	uint64_t size; /* leaves taken */
	char *bundle;
	size_t bundle_len;
	bool has_last; /* the record that was taken last, and where it is */
	struct tally_hash last;
	struct tally_place last_at;
	/* Called for each record of tally:log that is taken, at least; may be
	 * NULL. */
	tally_tiles_fn *taken;
	/* Called for every record that is taken; may be NULL.  Not 0 ends the
	 * walk. */
	tally_tiles_line_fn *passed;
	void *arg;
	struct tally_tile_files files;
};

/*
 * Stands at the last whole tile of level 0 at or before size.  Close it in any
 * case.
 */
TALLY_MUST_CHECK int
tally_tiles_open(struct tally_tiles *tiles, struct tally_log *log, int dir,
    struct tally_hasher *hasher, uint64_t size, struct tally_error *error);

void
tally_tiles_close(struct tally_tiles *tiles);

/*
 * Takes the records up to size, writing every tile that becomes full.  Tiles
 * may be kept and taken on later, without the index: the record that was taken
 * last is read again then.  TALLY_PARTIAL if the log has another in its place;
 * TALLY_E_DAMAGED where a record does not hold.
 */
TALLY_MUST_CHECK int
tally_tiles_take(struct tally_tiles *tiles, uint64_t size,
    struct tally_error *error);

/* The root of the leaves taken. */
struct tally_hash
tally_tiles_root(struct tally_tiles *tiles);

/* Writes the tiles that are not full; then all is on stable storage. */
TALLY_MUST_CHECK int
tally_tiles_finish(struct tally_tiles *tiles, struct tally_error *error);

#endif
