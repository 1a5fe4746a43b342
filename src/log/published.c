/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/bundle.h"
#include "log/fail.h"
#include "log/published.h"

int
tally_published_note_read(struct tally_log *log,
    struct tally_published_note *out, struct tally_error *error)
{
	int fd = tally_sys_open(log->dir, TALLY_PUBLISHED_PATH, TALLY_SYS_READ);
	int64_t n;

	memset(out, 0, sizeof(*out));
	if (fd < 0)
		return TALLY_END;
	out->text = tally_sys_alloc(TALLY_TRAVELLING_NOTE_MAX);
	n = out->text == NULL
	    ? 0
	    : tally_sys_read(fd, out->text, TALLY_TRAVELLING_NOTE_MAX, 0);
	tally_sys_close(fd);
	if (out->text == NULL)
		return tally_fail_memory(error);
	if (n <= 0 || n == (int64_t)TALLY_TRAVELLING_NOTE_MAX ||
	    tally_note_parse(out->text, (size_t)n, &out->note) != 0 ||
	    tally_checkpoint_parse(out->note.text.at, out->note.text.len,
		&out->checkpoint) != 0 ||
	    strcmp(out->checkpoint.origin, log->identity.origin) != 0)
		return TALLY_END;
	out->len = (size_t)n;
	return TALLY_OK;
}

void
tally_published_note_wipe(struct tally_published_note *published)
{
	tally_sys_free(published->text);
	memset(published, 0, sizeof(*published));
}
