/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a source, as far as a record needs them. */
#include <string.h>

#include "core/fail.h"
#include "foreign/judge.h"
#include "foreign/reader.h"
#include "log/sys.h"

#define READ_BYTES ((size_t)1 << 18)

static int
make_room(struct tally_reader *reader)
{
	size_t unread = reader->end - reader->begin, wanted;
	char *grown;

	if (reader->begin > 0) {
		memmove(reader->buffer, reader->buffer + reader->begin, unread);
		reader->begin = 0;
		reader->end = unread;
	}
	if (reader->capacity - reader->end >= READ_BYTES)
		return 0;
	if (unread > TALLY_LINE_MAX)
		return tally_fail(reader->error, TALLY_E_LIMIT,
		    "a record is longer than %zu bytes", TALLY_LINE_MAX);
	wanted = 2 * reader->capacity + READ_BYTES;
	grown = tally_sys_realloc(reader->buffer, wanted);
	if (grown == NULL)
		return tally_fail(reader->error, TALLY_E_MEMORY,
		    "out of memory");
	reader->buffer = grown;
	reader->capacity = wanted;
	return 0;
}

int
tally_reader_fill(struct tally_reader *reader)
{
	int64_t n;
	int r;

	if (reader->at_end)
		return TALLY_END;
	r = make_room(reader);
	if (r != 0)
		return r;
	n = reader->source->read(reader->source->arg,
	    reader->buffer + reader->end, READ_BYTES);
	if (n < 0)
		return tally_fail(reader->error, (int)n,
		    "\"%s\" cannot be read", reader->source->name);
	reader->end += (size_t)n;
	reader->at_end = n == 0;
	return n == 0 ? TALLY_END : 0;
}
