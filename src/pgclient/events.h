/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of rows, for records that are copied: records and rows meet
 * sorted by key, as when they are verified, and what holds goes on sorted by
 * chain and seq.
 */
#ifndef TALLY_PGCLIENT_EVENTS_H
#define TALLY_PGCLIENT_EVENTS_H

#include "pgclient/sources.h"
#include "sort/sort.h"

/* Zeros at first. */
struct tally_pg_events {
	struct tally_sort *sort; /* NULL: there are none */
	bool has_next;
	struct tally_sort_key next; /* of the event at hand */
	const void *event;
	size_t event_len;
};

/* Before records are put. */
TALLY_MUST_CHECK int
tally_pg_events_open(struct tally_pg_verifier *v,
    struct tally_pg_events *events, struct tally_error *error);

/* A record of a row whose event is wanted.  Any worker. */
TALLY_MUST_CHECK int
tally_pg_events_put(struct tally_pg_verifier *v,
    const struct tally_pg_record *record, struct tally_error *error);

/* All were put: reads the rows of the tables that they are of. */
TALLY_MUST_CHECK int
tally_pg_events_find(struct tally_pg_verifier *v,
    struct tally_pg_events *events, struct tally_error *error);

/*
 * The row's event of this record; *out NULL: it has none.  Asked for in
 * ascending order of chain and seq.
 */
TALLY_MUST_CHECK int
tally_pg_events_get(struct tally_pg_events *events, int64_t chain_id,
    int64_t seq, const char **out, size_t *out_len, struct tally_error *error);

void
tally_pg_events_close(struct tally_pg_events *events);

#endif
