/* SPDX-License-Identifier: Apache-2.0 */
/* What a witness shows of a log, against the log. */
#ifndef TALLY_OUTSIDE_SHOWN_H
#define TALLY_OUTSIDE_SHOWN_H

#include <tally/outside.h>

enum tally_shown_verdict {
	TALLY_SHOWN_NOTHING, /* no checkpoint that a key of the log signed */
	TALLY_SHOWN_AGREES,
	TALLY_SHOWN_BREAK, /* one that the log is not in accord with */
};

struct tally_shown {
	enum tally_shown_verdict verdict;
	uint64_t size;    /* of the checkpoint, unless it is nothing */
	char detail[160]; /* of a break */
};

/*
 * options: the log, and whose signatures are believed.  Returns 0 with a
 * verdict; or an error: the log could not be asked, which says nothing.
 */
TALLY_MUST_CHECK int
tally_shown_judge(const struct tally_outside_options *options, const char *note,
    size_t len, struct tally_shown *out, struct tally_error *error);

#endif
