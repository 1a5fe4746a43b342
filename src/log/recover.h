/* SPDX-License-Identifier: Apache-2.0 */
/* What to do when somebody died, or the machine did (R3, R5, R6). */
#ifndef TALLY_LOG_RECOVER_H
#define TALLY_LOG_RECOVER_H

#include "log/handle.h"

/* A file in log/ that says: a sync failed, recover before anything else. */
#define TALLY_POISON_NAME "poison"
/* The suffix of a segment that is being rewritten. */
#define TALLY_REWRITE_NAME "rewrite"
/* What was set aside: "torn-<index>-<n>". */
#define TALLY_TORN_PREFIX "torn-"

/*
 * Order lock held, state lost or poisoned: rebuilds the state from the
 * segments, rewrites everything above the watermark through a new descriptor,
 * sets aside what is torn, and installs the state.
 */
TALLY_MUST_CHECK int
tally_recover(struct tally_log *log, struct tally_error *error);

/*
 * Order lock held, state valid, a writer died between its write and its
 * publication: adopts what is whole and sets the rest aside.
 */
TALLY_MUST_CHECK int
tally_repair(struct tally_log *log, struct tally_error *error);

/*
 * A private state as of the end of the log, for a reader that may not write
 * and finds no live state: the same scan, without a single write.
 */
TALLY_MUST_CHECK int
tally_recover_view(struct tally_log *log, struct tally_state **out,
    struct tally_error *error);

#endif
