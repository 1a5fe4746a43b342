/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include "foreign/tail.h"
#include "log/sys.h"

#define BLOCK ((size_t)1 << 16)

/* Forgets what lies behind end, and reads a block in front of the rest. */
static int
read_before(struct tally_tail *tail, uint64_t end, int *out_errno)
{
	size_t keep = (size_t)(end - tail->begin);
	size_t more = tail->begin < BLOCK ? (size_t)tail->begin : BLOCK;
	char *grown = tail->buffer;
	int64_t n;

	if (keep > TALLY_LINE_MAX)
		return TALLY_E_LIMIT;
	if (keep + more > tail->capacity) {
		grown = tally_sys_realloc(tail->buffer,
		    2 * (keep + more) + BLOCK);
		if (grown == NULL)
			return TALLY_E_MEMORY;
		tail->buffer = grown;
		tail->capacity = 2 * (keep + more) + BLOCK;
	}
	memmove(grown + more, grown, keep);
	n = tally_sys_read(tail->fd, grown, more, tail->begin - more);
	if (n != (int64_t)more) {
		*out_errno = n < 0 ? (int)-n : 0;
		return TALLY_E_IO;
	}
	tail->begin -= more;
	tail->len = keep + more;
	return 0;
}

int
tally_tail_line(struct tally_tail *tail, uint64_t end, uint64_t *out_begin,
    const char **out_line, int *out_errno)
{
	const char *feed;
	size_t len;
	int r;

	if (tail->len == 0 || end < tail->begin ||
	    end > tail->begin + tail->len) {
		tail->begin = end;
		tail->len = 0;
	}
	for (;;) {
		len = (size_t)(end - tail->begin);
		feed = tally_last_byte(tail->buffer, len, '\n');
		if (feed != NULL || tail->begin == 0)
			break;
		r = read_before(tail, end, out_errno);
		if (r != 0)
			return r;
	}
	*out_line = feed != NULL ? feed + 1 : tail->buffer;
	*out_begin = feed != NULL
	    ? tail->begin + (uint64_t)(feed + 1 - tail->buffer)
	    : 0;
	return 0;
}

void
tally_tail_wipe(struct tally_tail *tail)
{
	tally_sys_free(tail->buffer);
}
