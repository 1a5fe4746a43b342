/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log/fail.h"
#include "log/found.h"
#include "log/handle.h"

#define FIRST_READ 4096

void
tally_found_wipe(struct tally_found *found)
{
	tally_sys_free(found->text);
	memset(found, 0, sizeof(*found));
}

/* Reads on until there is a line feed; TALLY_END if there is none. */
static int
read_line(int fd, uint64_t offset, struct tally_found *out,
    struct tally_error *error)
{
	size_t want = out->capacity > FIRST_READ ? out->capacity : FIRST_READ;

	for (;; want *= 4) {
		const char *feed;
		char *text;
		int64_t n;

		if (want > out->capacity) {
			text = tally_sys_realloc(out->text, want);
			if (text == NULL)
				return tally_fail_memory(error);
			out->text = text;
			out->capacity = want;
		}
		n = tally_sys_read(fd, out->text, want, offset);
		if (n < 0)
			return tally_fail_os(error, (int)n,
			    "cannot read a segment");
		feed = memchr(out->text, '\n', (size_t)n);
		if (feed != NULL) {
			out->len = (size_t)(feed - out->text) + 1;
			return TALLY_OK;
		}
		if ((size_t)n < want || want > TALLY_LINE_MAX(TALLY_EVENT_MAX))
			return TALLY_END;
	}
}

int
tally_found_peek(struct tally_log *log, const struct tally_place *at,
    struct tally_found *out, struct tally_error *error)
{
	struct tally_open_segment *segment = tally_view_segment(log);
	bool ours = segment != NULL && segment->first == at->segment;
	int fd, result;

	fd = ours ? segment->fd
		  : tally_segment_open(log->log_dir, at->segment, false, error);
	result = fd < 0 ? fd : read_line(fd, at->offset, out, error);
	if (!ours && fd >= 0)
		tally_sys_close(fd);
	tally_open_segment_unref(segment);
	if (result != 0)
		return result;
	out->index = at->size;
	out->at = *at;
	return tally_line_decode(out->text, out->len, &out->line) == 0
	    ? TALLY_OK
	    : TALLY_END;
}

int
tally_found_read(struct tally_log *log, struct tally_hasher *hasher,
    const struct tally_place *at, struct tally_found *out,
    struct tally_error *error)
{
	int result = tally_found_peek(log, at, out, error);

	if (result == 0 && !tally_line_holds(hasher, &out->line))
		return TALLY_END;
	return result;
}
