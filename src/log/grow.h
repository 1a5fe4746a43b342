/* SPDX-License-Identifier: Apache-2.0 */
/* More room in the shared state. */
#ifndef TALLY_LOG_GROW_H
#define TALLY_LOG_GROW_H

#include "log/handle.h"

/*
 * Room for so many more chains, bytes of names and recent ids: makes *state a
 * larger copy, if need be, which is not installed yet.  The order lock and
 * the sync lock are held, or nobody else knows the state.
 * Returns 0 if it had the room, TALLY_PARTIAL if it is another one now (the
 * old one was left to the caller, in *out_old), or an error.
 */
TALLY_MUST_CHECK int
tally_state_grow(int run_dir, const struct tally_state_owner *owner,
    const struct tally_state_room *more, struct tally_state **state,
    struct tally_state **out_old, struct tally_error *error);

/* Order lock held: the same for the handle's state, in its file. */
TALLY_MUST_CHECK int
tally_order_make_room(struct tally_log *log,
    const struct tally_state_room *more, struct tally_error *error);

#endif
