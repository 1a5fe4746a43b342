/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of tally:log, and their events.
 *
 * An event counts if it hashes to the digest of a record.  The record names
 * it (event_id), but that is not hashed: if the event that it names does not
 * hold, others can be offered.  So whoever breaks that link breaks one record,
 * and not everything that was sealed under its epoch.
 */
#ifndef TALLY_PGCLIENT_ENTRIES_H
#define TALLY_PGCLIENT_ENTRIES_H

#include "pgclient/record.h"
#include "pgclient/verifier.h"

struct tally_pg_entry {
	struct tally_pg_record *record; /* a copy */
	int64_t seq;                    /* where it belongs */
	int64_t event_id;               /* whose event holds */
	const char *event;              /* NULL: none found */
	size_t event_len;
};

struct tally_pg_entries {
	struct tally_pg_entry *all;
	size_t count;
	size_t capacity;
};

TALLY_MUST_CHECK int
tally_pg_entries_open(struct tally_pg_verifier *v, struct tally_error *error);
void
tally_pg_entries_close(struct tally_pg_verifier *v);

/* The links were judged: puts them into the order in which they belong. */
void
tally_pg_entries_order(struct tally_pg_verifier *v);

/* Reads their events; ids: others that may be tried. */
TALLY_MUST_CHECK int
tally_pg_entries_read(struct tally_pg_verifier *v, const int64_t *ids,
    size_t count, struct tally_error *error);

#endif
