/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register: the last (size, root) of each origin that anybody was allowed
 * to sign.  It changes by compare-and-swap before a signature exists, so two
 * publishers never sign two histories.
 *
 * A kind of register is its two functions.  The file register is a directory
 * with a file for each origin, named by the SHA-256 of the origin, that holds
 * the three lines of a checkpoint: whoever lost a register makes it anew from
 * the first three lines of the last checkpoint that is found outside.  A line
 * "closed <origin>" behind them says that the origin ended, and goes on as
 * another.
 */
#ifndef TALLY_PUBLISH_REGISTER_H
#define TALLY_PUBLISH_REGISTER_H

#include "core/checkpoint.h"

struct tally_register {
	/* Returns 0, TALLY_END if the origin has no entry, or an error. */
	int (*read)(struct tally_register *self, const char *origin,
	    struct tally_checkpoint *out, struct tally_error *error);
	/*
	 * Puts next in the place of last (NULL: of nothing); durable when it
	 * returns, which what was read may not be: last may be put in its own
	 * place.  Returns 0; TALLY_END if the entry is not last; an error,
	 * after which nobody knows which of the two it is.
	 */
	int (*swap)(struct tally_register *self,
	    const struct tally_checkpoint *last,
	    const struct tally_checkpoint *next, struct tally_error *error);
	/*
	 * The entry last is the origin's end, for ever: read and swap fail
	 * from then on, and say that it goes on as successor.  Durable when
	 * it returns.  Returns as swap, and 0 if it was closed so before.
	 */
	int (*close)(struct tally_register *self,
	    const struct tally_checkpoint *last, const char *successor,
	    struct tally_error *error);
};

struct tally_file_register {
	struct tally_register base;
	int dir;
	struct tally_hasher *hasher;
	const char *path;
};

/*
 * Opens the directory, making it if it is missing.  TALLY_E_NETWORK where
 * locks cannot be trusted.  Close it in any case.
 */
TALLY_MUST_CHECK int
tally_file_register_open(struct tally_file_register *out, int base,
    const char *path, struct tally_hasher *hasher, struct tally_error *error);

/* The origin's entry, open, or closed for this successor (NULL: for any).  As
 * read; for another successor TALLY_E_USAGE. */
TALLY_MUST_CHECK int
tally_file_register_find(struct tally_file_register *file, const char *origin,
    struct tally_checkpoint *out, const char *successor,
    struct tally_error *error);

void
tally_file_register_close(struct tally_file_register *file);

#endif
