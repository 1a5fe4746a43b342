/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of time limits: it does not go back. */
#ifndef TALLY_OUTSIDE_CLOCK_H
#define TALLY_OUTSIDE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t
tally_clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
