/* SPDX-License-Identifier: Apache-2.0 */
/* A bar on standard error, where that is a terminal. */
#ifndef TALLY_CLI_PROGRESS_H
#define TALLY_CLI_PROGRESS_H

#include <stdbool.h>

#include <tally/verify.h>

struct progress {
	bool shown; /* is there a terminal to draw on? */
	bool drawn; /* does a bar stand there now? */
};

void
progress_init(struct progress *progress, bool quiet);

void
progress_draw(struct progress *progress, const struct tally_progress *now);

/* Takes the bar away, before anything else is printed. */
void
progress_clear(struct progress *progress);

#endif
