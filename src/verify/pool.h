/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads of a verification.
 *
 * There are more chunks in hand than threads.  Each passes through
 *
 *	free -> scanning -> scanned -> counted -> folding -> folded -> joined
 *
 * where counted means that the number of its first record is known, because
 * all chunks before it were counted.  A thread does what is most urgent:
 * join the oldest chunk (one thread at a time), fold one, scan another.  A
 * chunk that is not clean is not counted: it waits to be the oldest, and the
 * judge counts it.
 */
#ifndef TALLY_VERIFY_POOL_H
#define TALLY_VERIFY_POOL_H

#include "verify/judge.h"
#include "verify/resume.h"

/*
 * Verifies the chunks from *position on, with up to jobs threads, and leaves
 * there how far it came.  progress is called from the calling thread.
 * Returns 0, TALLY_PARTIAL if it was interrupted, or an error.
 */
TALLY_MUST_CHECK int
tally_pool_run(struct tally_judge *judge, unsigned jobs, int64_t start_us,
    struct tally_position *position);

#endif
