/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoint that the log's publisher wrote last. */
#ifndef TALLY_LOG_PUBLISHED_H
#define TALLY_LOG_PUBLISHED_H

#include "core/reading.h"
#include "log/handle.h"

#define TALLY_PUBLISHED_PATH "public/checkpoint"

struct tally_published_note {
	char *text;
	size_t len;
	struct tally_note note; /* views text */
	struct tally_checkpoint checkpoint;
};

/*
 * Returns 0; TALLY_END if there is none that is a checkpoint of this log's
 * origin; TALLY_E_MEMORY.  Whoever signed it is not looked at.  Wipe it in any
 * case.
 */
TALLY_MUST_CHECK int
tally_published_note_read(struct tally_log *log,
    struct tally_published_note *out, struct tally_error *error);

void
tally_published_note_wipe(struct tally_published_note *published);

#endif
