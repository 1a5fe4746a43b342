/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "lines.h"
#include "signals.h"

/* How much is read at once, and after how many bytes a batch is full. */
#define READ_BYTES ((size_t)256 << 10)
#define BATCH_BYTES ((size_t)4 << 20)

int
lines_open(struct lines *lines, int fd, size_t line_max)
{
	memset(lines, 0, sizeof(*lines));
	lines->fd = fd;
	lines->line_max = line_max;
	lines->capacity = READ_BYTES * 2;
	lines->data = malloc(lines->capacity);
	return lines->data != NULL ? 0 : -1;
}

void
lines_close(struct lines *lines)
{
	free(lines->data);
	lines->data = NULL;
}

/* Adds what stands at [taken, taken + len) to the batch. */
static void
add(struct lines *lines, size_t len, size_t skip)
{
	lines->offset[lines->count] = lines->taken;
	lines->line[lines->count].len = len;
	lines->count++;
	lines->taken += len + skip;
	lines->searched = lines->taken;
}

/* Takes a line of what was read; false if there is no whole one. */
static bool
take(struct lines *lines)
{
	size_t have = lines->end - lines->taken;
	const char *feed = NULL;

	if (lines->searched < lines->end)
		feed = memchr(lines->data + lines->searched, '\n',
		    lines->end - lines->searched);
	lines->searched = lines->end;
	if (feed != NULL)
		have = (size_t)(feed - lines->data) - lines->taken;
	if (have > lines->line_max) {
		add(lines, lines->line_max, 0);
		lines->taken = lines->end;
		lines->ended = true;
		return true;
	}
	if (feed != NULL)
		add(lines, have, 1);
	return feed != NULL;
}

/* Room for one more read. */
static bool
widen(struct lines *lines)
{
	char *data;

	if (lines->capacity - lines->end >= READ_BYTES)
		return true;
	data = realloc(lines->data, lines->capacity * 2);
	if (data == NULL) {
		lines->os_errno = ENOMEM;
		return false;
	}
	lines->data = data;
	lines->capacity *= 2;
	return true;
}

/* Reads once; false at the end, and on failure. */
static bool
fill(struct lines *lines)
{
	ssize_t n;

	if (!widen(lines))
		return false;
	do
		n = read(lines->fd, lines->data + lines->end, READ_BYTES);
	while (n < 0 && errno == EINTR && !signals_caught());
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0)
		lines->os_errno = errno;
	if (n > 0)
		lines->end += (size_t)n;
	return n > 0;
}

/* Moves what is left of the last batch to the front. */
static void
compact(struct lines *lines)
{
	size_t left = lines->end - lines->taken;

	memmove(lines->data, lines->data + lines->taken, left);
	lines->searched -= lines->taken;
	lines->end = left;
	lines->taken = 0;
}

/* What is behind the last line feed, when nothing more comes. */
static void
take_rest(struct lines *lines)
{
	if (lines->os_errno == 0 && lines->taken < lines->end)
		add(lines, lines->end - lines->taken, 0);
}

static bool
is_full(const struct lines *lines)
{
	return lines->count == LINES_MAX || lines->taken >= BATCH_BYTES;
}

/* Waits if the batch is empty, then reads; false if the batch is to end. */
static bool
more(struct lines *lines)
{
	int ready = signals_wait_readable(lines->fd, lines->count == 0);

	if (ready == 0)
		return lines->count == 0;
	if (ready > 0 && fill(lines))
		return true;
	if (ready < 0)
		lines->os_errno = errno;
	lines->ended = true;
	take_rest(lines);
	return false;
}

void
lines_next(struct lines *lines)
{
	lines->count = 0;
	compact(lines);
	while (!signals_caught() && !lines->ended) {
		while (!is_full(lines) && !lines->ended && take(lines))
			;
		if (is_full(lines) || lines->ended || !more(lines))
			break;
	}
	for (size_t i = 0; i < lines->count; i++)
		lines->line[i].text = lines->data + lines->offset[i];
}
