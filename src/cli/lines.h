/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a descriptor, taken as they come: as many as are there, but never
 * waiting for a second one while there is a first.
 *
 * 1. A line is what stands before a line feed; the last one may lack it.
 * 2. A line that is longer than line_max is cut to line_max bytes, and is the
 *    last: whoever asked for it refuses it.
 * 3. The views of one batch live until the next call.
 */
#ifndef TALLY_CLI_LINES_H
#define TALLY_CLI_LINES_H

#include <stdbool.h>
#include <stddef.h>

#define LINES_MAX ((size_t)1000)

struct line {
	const char *text;
	size_t len;
};

struct lines {
	int fd;
	size_t line_max;
	struct line line[LINES_MAX];
	size_t count;
	int os_errno; /* why reading ended, 0: at the end of the input */
	/* The rest is the reader's own. */
	size_t offset[LINES_MAX];
	char *data;
	size_t capacity;
	size_t end;      /* of what was read */
	size_t taken;    /* of that, given out before */
	size_t searched; /* of that, known to hold no line feed */
	bool ended;
};

/* Lines of fd.  Returns 0 or -1 if there is no memory. */
int
lines_open(struct lines *lines, int fd, size_t line_max);

void
lines_close(struct lines *lines);

/*
 * The next lines: fills line[0, count).  count is 0 at the end of the input,
 * after a failure (os_errno), and when a signal came.
 */
void
lines_next(struct lines *lines);

#endif
