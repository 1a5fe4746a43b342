/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cosignatures into public/checkpoint: its text stays, lines are added, under
 * the lock that publishers take (publish.c, step 0).
 */
#include <errno.h>
#include <string.h>

#include <tally/witness.h>

#include "core/checkpoint.h"
#include "log/fail.h"
#include "log/sys.h"
#include "publish/tiles.h"

#define CHECKPOINT_NAME "checkpoint"
#define NOTE_MAX 65536

/* Is the line in the note? */
static bool
has_line(const struct tally_note *note, const char *line, size_t len)
{
	const char *at = note->lines.at, *end = at + note->lines.len;

	while (at < end) {
		const char *feed = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)(feed - at) + 1;

		if (n == len && memcmp(at, line, len) == 0)
			return true;
		at += n;
	}
	return false;
}

/* The lines of other that the note lacks go behind it; *len grows. */
static int
join(char note_text[2 * NOTE_MAX], size_t *len, const char *lines,
    size_t lines_len)
{
	struct tally_note note;
	size_t at = 0;

	while (at < lines_len) {
		const char *feed = memchr(lines + at, '\n', lines_len - at);
		size_t n = feed == NULL ? 0 : (size_t)(feed - lines) + 1 - at;

		if (n == 0 || tally_note_parse(note_text, *len, &note) != 0)
			return TALLY_E_FORMAT;
		if (!has_line(&note, lines + at, n)) {
			if (*len + n > NOTE_MAX)
				return TALLY_E_LIMIT;
			memcpy(note_text + *len, lines + at, n);
			*len += n;
		}
		at += n;
	}
	return tally_note_parse(note_text, *len, &note);
}

/* Under the lock. */
static int
cosign(int dir, const char *text, size_t text_len, const char *lines,
    size_t lines_len, struct tally_error *error)
{
	char *now = tally_sys_alloc(2 * NOTE_MAX);
	int fd = tally_sys_open(dir, CHECKPOINT_NAME, TALLY_SYS_READ);
	int64_t n = 0;
	struct tally_note note;
	size_t len;
	int result = TALLY_OK;

	if (now == NULL)
		result = tally_fail_memory(error);
	else if (fd < 0 && fd != -ENOENT)
		result = tally_fail_os(error, fd,
		    "cannot read \"public/checkpoint\"");
	else if (fd >= 0)
		n = tally_sys_read(fd, now, NOTE_MAX, 0);
	tally_sys_close(fd);
	if (result == 0 && n < 0)
		result = tally_fail_os(error, (int)n,
		    "cannot read \"public/checkpoint\"");
	/* Another checkpoint went out meanwhile, or none is there. */
	if (result == 0 &&
	    (n <= 0 || tally_note_parse(now, (size_t)n, &note) != 0 ||
		note.text.len != text_len ||
		memcmp(note.text.at, text, text_len) != 0))
		result = TALLY_END;
	len = (size_t)(n > 0 ? n : 0);
	if (result == 0) {
		result = join(now, &len, lines, lines_len);
		if (result != 0)
			(void)tally_fail(error, result,
			    "the checkpoint takes no such cosignatures");
		else if (len > (size_t)n)
			result = tally_public_write(dir, CHECKPOINT_NAME, now,
			    len, error);
	}
	tally_sys_free(now);
	return result;
}

int
tally_publish_cosign(const char *dir, const char *note, size_t note_len,
    struct tally_error *error)
{
	struct tally_note parsed;
	int log_dir, public_dir, result;

	if (tally_note_parse(note, note_len, &parsed) != 0)
		return tally_fail(error, TALLY_E_FORMAT,
		    "what is cosigned is no checkpoint");
	log_dir = tally_sys_open_dir(TALLY_SYS_CWD, dir);
	public_dir = log_dir < 0
	    ? log_dir
	    : tally_sys_open_dir(log_dir, TALLY_PUBLIC_NAME);
	result = public_dir < 0 ? public_dir : 0;
	while (result == 0) {
		result = tally_sys_lock(public_dir, true);
		if (result != -EINTR)
			break;
		result = 0;
	}
	if (result != 0)
		result = tally_fail_os(error, result,
		    "cannot open \"%s/public\"", dir);
	else
		result = cosign(public_dir, parsed.text.at, parsed.text.len,
		    parsed.lines.at, parsed.lines.len, error);
	tally_sys_close(public_dir);
	tally_sys_close(log_dir);
	return result;
}
