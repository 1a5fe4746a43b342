/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "log/fail.h"
#include "log/mark.h"
#include "log/sys.h"

/*
 * A slot is one line of text, so that people can read it:
 *
 *     tally-watermark-1 <turn> <size> <segment> <offset> <64 hex>\n
 *
 * with the numbers in twenty digits, and H() of all before the last space.
 */
#define SLOT_BYTES 512
#define SLOT_TEXT_MAX 200
#define SLOT_FORMAT "tally-watermark-1 %020llu %020llu %020llu %020llu"

static size_t
slot_format(struct tally_hasher *hasher, const struct tally_mark *mark,
    char out[SLOT_TEXT_MAX])
{
	char hex[TALLY_HASH_TEXT_SIZE];
	struct tally_hash sum;
	int len;

	len = snprintf(out, SLOT_TEXT_MAX, SLOT_FORMAT,
	    (unsigned long long)mark->turn,
	    (unsigned long long)mark->place.size,
	    (unsigned long long)mark->place.segment,
	    (unsigned long long)mark->place.offset);
	sum = tally_hash_bytes(hasher, out, (size_t)len);
	tally_hash_format(&sum, hex);
	len += snprintf(out + len, SLOT_TEXT_MAX - (size_t)len, " %s\n", hex);
	return (size_t)len;
}

/* Believed only if it is what format would have written. */
static bool
slot_parse(struct tally_hasher *hasher, const char *text,
    struct tally_mark *out)
{
	char again[SLOT_TEXT_MAX];
	uint64_t number[4];
	const char *at = text + strlen("tally-watermark-1 ");

	for (int i = 0; i < 4; i++, at += 21) {
		number[i] = 0;
		for (int d = 0; d < 20; d++)
			number[i] = number[i] * 10 + (uint64_t)(at[d] - '0');
	}
	out->turn = number[0];
	out->place.size = number[1];
	out->place.segment = number[2];
	out->place.offset = number[3];
	return out->turn != 0 &&
	    memcmp(again, text, slot_format(hasher, out, again)) == 0;
}

int
tally_mark_read(struct tally_hasher *hasher, int log_dir,
    struct tally_mark *out, struct tally_error *error)
{
	char text[2 * SLOT_BYTES];
	int64_t n;
	int fd;

	memset(out, 0, sizeof(*out));
	fd = tally_sys_open(log_dir, TALLY_MARK_NAME, TALLY_SYS_READ);
	if (fd == -ENOENT)
		return TALLY_OK;
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot open \"log/%s\"",
		    TALLY_MARK_NAME);
	memset(text, 0, sizeof(text));
	n = tally_sys_read(fd, text, sizeof(text), 0);
	tally_sys_close(fd);
	if (n < 0)
		return tally_fail_os(error, (int)n, "cannot read \"log/%s\"",
		    TALLY_MARK_NAME);
	for (int i = 0; i < 2; i++) {
		struct tally_mark mark;

		if (slot_parse(hasher, text + i * SLOT_BYTES, &mark) &&
		    mark.turn > out->turn)
			*out = mark;
	}
	return TALLY_OK;
}

int
tally_mark_write(struct tally_hasher *hasher, int log_dir,
    const struct tally_place *place, struct tally_mark *mark,
    struct tally_error *error)
{
	struct tally_mark next = { .place = *place, .turn = mark->turn + 1 };
	char slot[SLOT_BYTES];
	size_t len;
	int fd, result;

	memset(slot, '\n', sizeof(slot));
	len = slot_format(hasher, &next, slot);
	slot[len] = '\n';
	fd = tally_sys_open(log_dir, TALLY_MARK_NAME,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE);
	if (fd < 0)
		return tally_fail_os(error, fd, "cannot open \"log/%s\"",
		    TALLY_MARK_NAME);
	result = tally_sys_write(fd, slot, sizeof(slot),
	    next.turn % 2 * SLOT_BYTES, NULL);
	if (result == 0)
		result = tally_sys_sync(fd);
	tally_sys_close(fd);
	if (result != 0)
		return tally_fail_os(error, result, "cannot write \"log/%s\"",
		    TALLY_MARK_NAME);
	*mark = next;
	return TALLY_OK;
}
