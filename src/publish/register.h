/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register: the last (size, root) of each origin that anybody was allowed
 * to sign.  It changes by compare-and-swap before a signature exists, so two
 * publishers never sign two histories.
 *
 * A kind of register holds short texts (struct tally_register, public); what
 * they say is read and written here, for all kinds.  An entry is the three
 * lines of a checkpoint: whoever lost a register makes it anew from the first
 * three lines of the last checkpoint that is found outside.  A line "closed
 * <origin>" behind them says that the origin ended, and goes on as another.
 */
#ifndef TALLY_PUBLISH_REGISTER_H
#define TALLY_PUBLISH_REGISTER_H

#include <tally/publish.h>

#include "core/checkpoint.h"

/* Returns 0, TALLY_END if the origin has no entry, or an error; one that ended
 * is an error. */
TALLY_MUST_CHECK int
tally_register_read(struct tally_register *reg, const char *origin,
    struct tally_checkpoint *out, struct tally_error *error);

/* The origin's entry, open, or closed for this successor (NULL: for any).  As
 * read; for another successor TALLY_E_USAGE. */
TALLY_MUST_CHECK int
tally_register_find(struct tally_register *reg, const char *origin,
    struct tally_checkpoint *out, const char *successor,
    struct tally_error *error);

/*
 * Puts next in the place of last (NULL: of nothing); durable when it returns,
 * which what was read may not be: last may be put in its own place.  Returns 0;
 * TALLY_END if the entry is not last; an error, after which nobody knows which
 * of the two it is.
 */
TALLY_MUST_CHECK int
tally_register_swap(struct tally_register *reg,
    const struct tally_checkpoint *last, const struct tally_checkpoint *next,
    struct tally_error *error);

/*
 * The entry last is the origin's end, for ever: read and swap fail from then
 * on, and say that it goes on as successor.  Durable when it returns.  Returns
 * as swap, and 0 if it was ended so before.
 */
TALLY_MUST_CHECK int
tally_register_end(struct tally_register *reg,
    const struct tally_checkpoint *last, const char *successor,
    struct tally_error *error);

#endif
