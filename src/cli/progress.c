/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include <unistd.h>

#include "progress.h"

#define BAR 24

/* Anything faster only flickers. */
#define SHOW_AFTER_S 0.5

void
progress_init(struct progress *progress, bool quiet)
{
	progress->shown = !quiet && isatty(STDERR_FILENO) == 1;
	progress->drawn = false;
}

/* Blanks take it away on every terminal, also on one without codes. */
void
progress_clear(struct progress *progress)
{
	if (!progress->drawn)
		return;
	fprintf(stderr, "\r%76s\r", "");
	progress->drawn = false;
}

void
progress_draw(struct progress *progress, const struct tally_progress *now)
{
	static const char full[] = "########################";
	double part = 1;
	double left = 0;
	int filled;

	if (!progress->shown || now->seconds < SHOW_AFTER_S)
		return;
	if (now->bytes_total > 0 && now->bytes < now->bytes_total)
		part = (double)now->bytes / (double)now->bytes_total;
	if (part > 0)
		left = now->seconds / part - now->seconds;
	filled = (int)(part * BAR);
	fprintf(stderr,
	    "\r[%.*s%*s] %3d%% %12" PRIu64 " records %6.0f MB/s %3d:%02d left ",
	    filled, full, BAR - filled, "", (int)(part * 100), now->records,
	    (double)now->bytes / now->seconds / 1e6,
	    left < 3600 * 16 ? (int)left / 60 : 999, (int)left % 60);
	progress->drawn = true;
}
