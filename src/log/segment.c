/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "log/fail.h"
#include "log/segment.h"
#include "log/sys.h"

#define NAME_DIGITS 20
#define NAME_SUFFIX ".jsonl"
#define READ_AHEAD ((size_t)256 << 10)

void
tally_segment_name(uint64_t first_index, char out[TALLY_SEGMENT_NAME_SIZE])
{
	char digits[TALLY_DECIMAL_MAX];
	size_t len = tally_decimal_format(first_index, digits);

	memset(out, '0', NAME_DIGITS);
	memcpy(out + NAME_DIGITS - len, digits, len);
	memcpy(out + NAME_DIGITS, NAME_SUFFIX, sizeof(NAME_SUFFIX));
}

bool
tally_segment_is_name(const char *name, uint64_t *out_first_index)
{
	char again[TALLY_SEGMENT_NAME_SIZE];
	uint64_t value = 0;

	if (strlen(name) != TALLY_SEGMENT_NAME_SIZE - 1)
		return false;
	for (int i = 0; i < NAME_DIGITS; i++)
		value = value * 10 + (uint64_t)(name[i] - '0');
	tally_segment_name(value, again);
	if (strcmp(name, again) != 0)
		return false;
	*out_first_index = value;
	return true;
}

static int
list_one(void *arg, const char *name)
{
	struct tally_segments *segments = arg;
	uint64_t first, *more;
	size_t at;

	if (!tally_segment_is_name(name, &first))
		return 0;
	more = tally_sys_realloc(segments->first,
	    (segments->count + 1) * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	segments->first = more;
	for (at = segments->count; at > 0 && more[at - 1] > first; at--)
		more[at] = more[at - 1];
	more[at] = first;
	segments->count++;
	return 0;
}

int
tally_segments_list(int log_dir, struct tally_segments *out,
    struct tally_error *error)
{
	int result;

	memset(out, 0, sizeof(*out));
	result = tally_sys_list(log_dir, list_one, out);
	if (result != 0)
		return tally_fail_os(error, result, "cannot list \"log\"");
	return TALLY_OK;
}

void
tally_segments_wipe(struct tally_segments *segments)
{
	tally_sys_free(segments->first);
	memset(segments, 0, sizeof(*segments));
}

int
tally_segment_open(int log_dir, uint64_t first_index, bool writable,
    struct tally_error *error)
{
	char name[TALLY_SEGMENT_NAME_SIZE];
	int fd;

	tally_segment_name(first_index, name);
	fd = tally_sys_open(log_dir, name,
	    writable ? TALLY_SYS_WRITE : TALLY_SYS_READ);
	if (fd == -ENOENT)
		return tally_fail(error, TALLY_E_SWAPPED,
		    "segment \"log/%s\" is gone; was it rotated or removed?",
		    name);
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot open \"log/%s\"", name);
	return fd;
}

int
tally_segment_bytes(int log_dir, uint64_t first_index, uint64_t *out,
    struct tally_error *error)
{
	char name[TALLY_SEGMENT_NAME_SIZE];
	struct tally_sys_stat st;
	int result;

	tally_segment_name(first_index, name);
	result = tally_sys_stat_at(log_dir, name, &st);
	if (result != 0)
		return tally_fail_os(error, result, "cannot read \"log/%s\"",
		    name);
	*out = st.size;
	return TALLY_OK;
}

int
tally_segment_read(int fd, void *buffer, size_t len, uint64_t offset,
    struct tally_error *error)
{
	int64_t n = tally_sys_read(fd, buffer, len, offset);

	if (n < 0)
		return tally_fail_os(error, (int)n, "cannot read a segment");
	if ((uint64_t)n != len)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "a segment ends before byte %llu",
		    (unsigned long long)(offset + len));
	return TALLY_OK;
}

void
tally_lines_init(struct tally_lines *lines, int fd, uint64_t offset,
    uint64_t end, size_t limit)
{
	memset(lines, 0, sizeof(*lines));
	lines->fd = fd;
	lines->offset = offset;
	lines->end = end;
	lines->limit = limit;
}

void
tally_lines_wipe(struct tally_lines *lines)
{
	tally_sys_free(lines->buffer);
	memset(lines, 0, sizeof(*lines));
}

/* More bytes behind those that are there; false in *out_more at the end. */
static int
lines_fill(struct tally_lines *lines, bool *out_more, struct tally_error *error)
{
	size_t have = lines->filled - lines->begin;
	uint64_t left = lines->end - lines->offset - have;
	int64_t n;

	if (lines->begin > 0)
		memmove(lines->buffer, lines->buffer + lines->begin, have);
	lines->begin = 0;
	lines->filled = have;
	if (left == 0 || have >= lines->limit) {
		*out_more = false;
		return TALLY_OK;
	}
	if (lines->capacity - have < READ_AHEAD / 2) {
		size_t capacity = lines->capacity == 0 ? READ_AHEAD
						       : 2 * lines->capacity;
		char *buffer = tally_sys_realloc(lines->buffer, capacity);

		if (buffer == NULL)
			return tally_fail_memory(error);
		lines->buffer = buffer;
		lines->capacity = capacity;
	}
	if (left > lines->capacity - have)
		left = lines->capacity - have;
	n = tally_sys_read(lines->fd, lines->buffer + have, (size_t)left,
	    lines->offset + have);
	if (n < 0)
		return tally_fail_os(error, (int)n, "cannot read a segment");
	lines->filled += (size_t)n;
	*out_more = n > 0;
	return TALLY_OK;
}

int
tally_lines_next(struct tally_lines *lines, const char **out_line,
    size_t *out_len, struct tally_error *error)
{
	size_t seen = 0;

	for (;;) {
		size_t have = lines->filled - lines->begin;
		/* Before the first read there is no buffer. */
		const char *at = have > 0 ? lines->buffer + lines->begin : NULL;
		const char *feed = have > seen
		    ? memchr(at + seen, '\n', have - seen)
		    : NULL;
		bool more = false;
		int result;

		if (feed != NULL) {
			*out_line = at;
			*out_len = (size_t)(feed - at) + 1;
			lines->begin += *out_len;
			lines->offset += *out_len;
			return TALLY_OK;
		}
		seen = have;
		result = lines_fill(lines, &more, error);
		if (result != 0)
			return result;
		if (!more) {
			*out_line = lines->buffer;
			*out_len = have;
			return have == 0 ? TALLY_END : TALLY_PARTIAL;
		}
	}
}
