/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracked tables, whose statements are sealed: are their records of them, and
 * is everything what the epochs in force say?
 *
 * Their rows are compared with nothing.  That a record and its event are the
 * same is judged with all events that are kept (kept.c).
 */
#ifndef TALLY_PGCLIENT_TRACKED_H
#define TALLY_PGCLIENT_TRACKED_H

#include "pgclient/sources.h"

/* An epoch of one that tally:log seals. */
struct tally_pg_tracked {
	int64_t id; /* tally.event.id of the track event */
	const struct tally_pg_epoch *epoch;
	int64_t track_seq;   /* in tally:log */
	int64_t untrack_seq; /* 0: it is in force */
	const char *tail;    /* with which its events end */
	struct tally_pg_tracked *next;
};

/*
 * Reads the event of seq in tally:log.  Returns 0 if it begins or ends an
 * epoch: *out is that which begins, or NULL; TALLY_END if it does neither;
 * TALLY_E_MEMORY.
 */
TALLY_MUST_CHECK int
tally_pg_tracked_replay(struct tally_pg_verifier *v, int64_t seq, int64_t id,
    const char *event, size_t len, struct tally_pg_tracked **out);

/*
 * A record that names the epoch: is it one of the table's?  event NULL: none
 * that holds is known, which was told.
 */
void
tally_pg_tracked_judge_record(struct tally_pg_verifier *v,
    const struct tally_pg_tracked *tracked,
    const struct tally_pg_record *record, const char *event, size_t len);

/* Tells what of the tracked tables is not as the epochs in force say. */
TALLY_MUST_CHECK int
tally_pg_tracked_judge(struct tally_pg_verifier *v, struct tally_error *error);

#endif
