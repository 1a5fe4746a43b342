/* SPDX-License-Identifier: Apache-2.0 */
/* One cycle of a log, and how its steps tell what is wrong. */
#ifndef TALLY_WATCH_CYCLE_H
#define TALLY_WATCH_CYCLE_H

#include "watch/target.h"

struct cycle {
	struct watch_target *target;
	const struct watch_times *times;
	const atomic_bool *stop;
	int64_t begin_us, slice_end_us;
	const char *sink; /* whose findings come in */
	bool is_broken;   /* something that went out is not there */
	bool is_partial;  /* something could not be asked */
	bool whole_done;  /* a whole verification was finished */
};

/* A step failed: an alert, and no verdict. */
void
watch_cycle_fail(struct cycle *cycle, const char *doing, int result,
    const struct tally_error *error);

/* The callback of verifications; arg is the cycle. */
void
watch_cycle_finding(void *arg, const struct tally_finding *finding);

/* ---- database.c ------------------------------------------------------- */

/* Carries what the log's database has got into the log. */
void
watch_database_carry(struct cycle *cycle);

/* Verifies the database, and holds it against what was carried; true: all of
 * it is intact. */
bool
watch_database_verify(struct cycle *cycle);

#endif
