/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log says of earlier adoptions into a chain: its events in tally:log,
 * and the chains that hold parts of it.
 */
#ifndef TALLY_FOREIGN_ADOPT_SAID_H
#define TALLY_FOREIGN_ADOPT_SAID_H

#include <jansson.h>

#include "foreign/adopt.h"

struct tally_adopt_said {
	int64_t time_us;   /* of the last adoption; 0: none was finished */
	uint64_t records;  /* the most that one of them took */
	uint64_t findings; /* of the last */
	json_t *others;    /* by name: chains below that other sources went
			      into */
};

/* 0, or an error with a message; to be wiped in either case. */
TALLY_MUST_CHECK int
tally_adopt_said_find(struct tally_adopt_said *said,
    const struct tally_adoption *adoption, struct tally_log *log,
    struct tally_error *error);

void
tally_adopt_said_wipe(struct tally_adopt_said *said);

/* One chain of the log that may hold parts of the adoption, and of which the
 * source has no record.  A result that is not 0 ends the search. */
typedef int (*tally_adopt_gone_fn)(void *arg, struct tally_era *era);

/* Finds them, when the whole source was walked through.  0, what fn says, or
 * an error with a message. */
TALLY_MUST_CHECK int
tally_adopt_gone(struct tally_adopting *a, const struct tally_adopt_said *said,
    tally_adopt_gone_fn fn, void *arg);

#endif
