/* SPDX-License-Identifier: Apache-2.0 */
/* The sinks of one log. */
#ifndef TALLY_OUTSIDE_OUTSIDE_H
#define TALLY_OUTSIDE_OUTSIDE_H

#include "outside/fail.h"
#include "outside/sink.h"

struct tally_outside {
	struct tally_outside_options options;
	char origin_hash[TALLY_HASH_TEXT_SIZE];
	int dir; /* of the queues; its lock is held */
	struct tally_sink *sinks;
	size_t count;
};

/* A line was read back: whoever waits may have enough of it. */
static inline int
tally_outside_go_on(const struct tally_outside_options *options,
    struct tally_error *error)
{
	if (options->progress == NULL ||
	    options->progress(options->progress_arg) == 0)
		return TALLY_OK;
	return tally_fail(error, TALLY_E_BUSY,
	    "there is more than can be read in the time");
}

#endif
