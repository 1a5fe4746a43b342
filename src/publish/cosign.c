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

/* Does a key of that name and id sign the note already? */
static bool
has_key(const struct tally_note *note, const struct tally_note_signature *key,
    struct tally_note_signature *scratch)
{
	size_t cursor = 0;

	while (tally_note_next(note, &cursor, scratch) == 0) {
		if (scratch->id == key->id &&
		    scratch->name.len == key->name.len &&
		    memcmp(scratch->name.at, key->name.at, key->name.len) == 0)
			return true;
	}
	return false;
}

/*
 * The signatures of other by keys that the note lacks go behind it; *len
 * grows.  One that is there stays: a witness that is asked twice gives two
 * times, and the earlier one says more.
 */
static int
join(char note_text[NOTE_MAX], size_t *len, const struct tally_note *other)
{
	struct tally_note_signature key, scratch;
	size_t cursor = 0, at = 0;
	struct tally_note note;

	while (tally_note_next(other, &cursor, &key) == 0) {
		size_t n = cursor - at;

		if (tally_note_parse(note_text, *len, &note) != 0)
			return TALLY_E_FORMAT;
		if (!has_key(&note, &key, &scratch)) {
			if (n > NOTE_MAX - *len)
				return TALLY_E_LIMIT;
			memcpy(note_text + *len, other->lines.at + at, n);
			*len += n;
		}
		at = cursor;
	}
	return tally_note_parse(note_text, *len, &note);
}

/* Under the lock. */
static int
cosign(int dir, const struct tally_note *cosigned, struct tally_error *error)
{
	char *now = tally_sys_alloc(NOTE_MAX);
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
		note.text.len != cosigned->text.len ||
		memcmp(note.text.at, cosigned->text.at, note.text.len) != 0))
		result = TALLY_END;
	len = (size_t)(n > 0 ? n : 0);
	if (result == 0) {
		result = join(now, &len, cosigned);
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
		result = cosign(public_dir, &parsed, error);
	tally_sys_close(public_dir);
	tally_sys_close(log_dir);
	return result;
}
