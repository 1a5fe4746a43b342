/* SPDX-License-Identifier: Apache-2.0 */
/* The sinks of one log. */
#ifndef TALLY_OUTSIDE_OUTSIDE_H
#define TALLY_OUTSIDE_OUTSIDE_H

#include "outside/sink.h"

struct tally_outside {
	struct tally_outside_options options;
	char origin_hash[TALLY_HASH_TEXT_SIZE];
	int dir; /* of the queues; its lock is held */
	struct tally_sink *sinks;
	size_t count;
};

static inline void
tally_outside_alive(const struct tally_outside_options *options)
{
	if (options->alive != NULL)
		options->alive(options->alive_arg);
}

#endif
