/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of tiles and bundles in public/, many at a time.
 *
 * A file is pending from when it was put until it is settled.  A folder is one
 * of the directories that tiles lie in; "." is public/ itself.
 *
 * 1. A file gets its name when its bytes are on stable storage.
 * 2. After tally_tile_files_settle everything that was put is there, with its
 *    name and the folders above: also what was found there already, unless it
 *    belongs to what went out before.  Story: publisher A is killed between
 *    the rename and the sync of the folder; B finds the file, with the right
 *    bytes, signs, and the power goes.
 * 3. What a killed publisher left without its name is gone when the next one
 *    puts a tile.
 */
#ifndef TALLY_PUBLISH_TILEFILES_H
#define TALLY_PUBLISH_TILEFILES_H

#include "core/tile.h"
#include "log/handle.h"

/* Of one batch: a disk takes many syncs in a row for little more than one, and
 * writers of the log wait behind each. */
#define TALLY_TILE_FILES_PENDING 128
#define TALLY_TILE_FOLDERS 32

struct tally_tile_file {
	int fd;
	bool found; /* has its name already */
	char path[TALLY_TILE_PATH_MAX];
};

struct tally_tile_folder {
	int fd;
	size_t parent;
	bool changed; /* has entries that may not be on stable storage */
	char path[TALLY_TILE_PATH_MAX];
};

struct tally_tile_files {
	int dir; /* public/ */
	/* public/checkpoint has this size, or a larger one: its tiles were
	 * settled. */
	uint64_t settled;
	/* What lies there and is not settled is what this writer put, so it
	 * need not be looked for. */
	bool alone;
	/* The folder of what has no name yet is there, and was looked through,
	 * for this checkpoint. */
	bool staged;
	int64_t patience_us; /* for which others may have the processor yet */
	struct tally_tile_file pending[TALLY_TILE_FILES_PENDING];
	size_t pending_len;
	struct tally_tile_folder folder[TALLY_TILE_FOLDERS];
	size_t folders_len;
};

/* For another checkpoint: public/ may be another directory by now, or another
 * writer's have been meanwhile. */
void
tally_tile_files_take_up(struct tally_tile_files *files, int dir,
    uint64_t settled);

/* The tile, or bundle, with these bytes; what is there with others was written
 * for a history that nobody signed, or is damaged, and is replaced. */
TALLY_MUST_CHECK int
tally_tile_files_put(struct tally_tile_files *files,
    const struct tally_tile *tile, const void *bytes, size_t len,
    struct tally_error *error);

/*
 * Between two pieces of work that take some 20 us: whoever wants the processor,
 * above all who appends, has it first, until patience_us is used up.
 */
void
tally_tile_files_give_way(struct tally_tile_files *files);

TALLY_MUST_CHECK int
tally_tile_files_settle(struct tally_tile_files *files,
    struct tally_error *error);

/* Closes what is open; what was pending is not settled. */
void
tally_tile_files_drop(struct tally_tile_files *files);

/* A whole file under a name in dir, both on stable storage; replaces what is
 * there. */
TALLY_MUST_CHECK int
tally_public_write(int dir, const char *name, const void *bytes, size_t len,
    struct tally_error *error);

#endif
