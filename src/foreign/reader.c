/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of JSON. */
#include <string.h>

#include "core/fail.h"
#include "foreign/judge.h"
#include "foreign/reader.h"
#include "log/sys.h"

void
tally_reader_init(struct tally_reader *reader,
    const struct tally_profile *profile,
    const struct tally_profile_source *source, struct tally_error *error)
{
	memset(reader, 0, sizeof(*reader));
	reader->profile = profile;
	reader->source = source;
	reader->error = error;
}

void
tally_reader_wipe(struct tally_reader *reader)
{
	tally_sys_free(reader->buffer);
	tally_sys_free(reader->header);
	tally_sys_free(reader->line.at);
	tally_room_wipe(&reader->cell);
}

static bool
is_blank(const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	}
	return true;
}

/* One line, without its feed. */
static int
next_line(struct tally_reader *reader, struct tally_reading *out)
{
	size_t scanned = 0;

	for (;;) {
		char *line = reader->buffer + reader->begin, *feed = NULL;
		size_t len = reader->end - reader->begin;
		int r;

		if (len > scanned)
			feed = memchr(line + scanned, '\n', len - scanned);
		if (feed == NULL && !reader->at_end) {
			scanned = len;
			r = tally_reader_fill(reader);
			if (r < 0)
				return r;
			continue;
		}
		if (feed == NULL && len == 0)
			return TALLY_END;
		out->line = line;
		out->len = feed != NULL ? (size_t)(feed - line) : len;
		out->offset = reader->offset;
		out->mark = out->offset == 0 ? tally_mark_len(line, out->len)
					     : 0;
		out->whole = feed != NULL;
		tally_reader_skip(reader, out->len + (feed != NULL));
		out->line += out->mark;
		out->len -= out->mark;
		return 0;
	}
}

static int
next_record(struct tally_reader *reader, struct tally_reading *out)
{
	const struct tally_profile_source *source = reader->source;
	int r = source->record(source->arg, &out->line, &out->len,
	    reader->error);

	out->whole = true;
	out->offset = 0;
	return r;
}

int
tally_reader_next(struct tally_reader *reader, struct tally_reading *out)
{
	int r;

	out->mark = 0;
	out->raw = NULL;
	out->raw_len = 0;
	if (reader->source->record != NULL)
		return next_record(reader, out);
	if (reader->source->format == TALLY_PROFILE_CSV)
		return tally_reader_csv(reader, out);
	do
		r = next_line(reader, out);
	while (r == 0 && is_blank(out->line, out->len));
	return r;
}
