/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file's lines from its end to its beginning, read in blocks.
 */
#ifndef TALLY_FOREIGN_TAIL_H
#define TALLY_FOREIGN_TAIL_H

#include <stddef.h>
#include <stdint.h>

#include "foreign/judge.h"

struct tally_tail {
	int fd;
	uint64_t begin; /* of what is in the buffer, within the file */
	size_t len;
	size_t capacity;
	char *buffer;
};

/* The last c among len bytes, or NULL. */
static inline const char *
tally_last_byte(const char *bytes, size_t len, char c)
{
	while (len > 0 && bytes[len - 1] != c)
		len--;
	return len > 0 ? bytes + len - 1 : NULL;
}

/*
 * The line whose bytes end at end, where its line feed stands or the file
 * ends: its place and its bytes, which live until the next call.  Calls go
 * from the file's end towards its beginning.  Returns 0, TALLY_E_LIMIT if
 * the line is longer than TALLY_LINE_MAX, TALLY_E_MEMORY, or TALLY_E_IO with
 * errno in *out_errno.
 */
TALLY_MUST_CHECK int
tally_tail_line(struct tally_tail *tail, uint64_t end, uint64_t *out_begin,
    const char **out_line, int *out_errno);

void
tally_tail_wipe(struct tally_tail *tail);

#endif
