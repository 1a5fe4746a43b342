/* SPDX-License-Identifier: Apache-2.0 */
/* One cycle of a log, and how its steps tell what is wrong. */
#ifndef TALLY_WATCH_CYCLE_H
#define TALLY_WATCH_CYCLE_H

#include "watch/segments.h"
#include "watch/target.h"

struct cycle {
	struct watch_target *target;
	int64_t begin_us, slice_end_us;
	const char *sink;  /* whose findings come in */
	bool is_broken;    /* something that went out is not there */
	bool is_partial;   /* something could not be asked */
	bool whole_done;   /* a whole verification was finished */
	bool read_all_now; /* a segment was touched, or nothing is known */
	bool is_judged;    /* what the segments say is of what was verified */
	struct watch_segments segments;
};

/* ---- findings.c ------------------------------------------------------- */

void
watch_cycle_trouble(struct cycle *cycle, const char *kind, const char *sink,
    const char *evidence);

/* A break that is of no chain. */
void
watch_cycle_broken(struct cycle *cycle, const char *kind, const char *evidence);

/* A step failed: an alert, and no verdict. */
void
watch_cycle_fail(struct cycle *cycle, const char *doing, int result,
    const struct tally_error *error);

/* The same of the log itself: the next cycle begins with handles that are
 * new, if need be. */
void
watch_cycle_fail_log(struct cycle *cycle, const char *doing, int result,
    const struct tally_error *error);

/* The callback of verifications; arg is the cycle. */
void
watch_cycle_finding(void *arg, const struct tally_finding *finding);

/* ---- verify.c --------------------------------------------------------- */

/* What is new since the last cycle, the last segment, and whether anything
 * before it was touched. */
void
watch_verify_new(struct cycle *cycle);

/* If it is due: a slice of a whole verification, or all of it. */
void
watch_verify_whole(struct cycle *cycle);

/* ---- sinks.c ---------------------------------------------------------- */

/* Sends what waits, and reads back; each sink in a thread of its own. */
void
watch_sinks_serve(struct cycle *cycle);

/* ---- database.c ------------------------------------------------------- */

/* Carries what the log's database has got into the log. */
void
watch_database_carry(struct cycle *cycle);

/* Verifies the database, and holds it against what was carried; true: all of
 * it is intact. */
bool
watch_database_verify(struct cycle *cycle);

#endif
