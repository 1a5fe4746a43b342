/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that are wanted by their keys, where only their events are asked for: a
 * carrier that brings a few records need not read a large table.
 *
 * The keys are what tally.record says, so they are looked at here, and an error
 * of the server's is not provoked: a key that is none of its column's type, or
 * of a type that is not known here, makes that all rows are read.
 */
#ifndef TALLY_PGCLIENT_WANTED_H
#define TALLY_PGCLIENT_WANTED_H

#include "pgclient/text.h"

/* Of more keys all rows are read. */
#define TALLY_PG_WANTED_MAX 1000

struct tally_pg_wanted {
	struct tally_pg_text keys; /* each with a NUL behind it */
	size_t count;
	bool is_all; /* too many, or none of this kind */
};

void
tally_pg_wanted_add(struct tally_pg_wanted *wanted, const char *key,
    size_t len);

/*
 * Adds " WHERE t.column = ANY (...)" for these keys; false, and nothing is
 * added, if all rows have to be read.  type: as format_type has it.
 */
bool
tally_pg_wanted_put(const struct tally_pg_wanted *wanted, const char *column,
    const char *type, struct tally_pg_text *sql);

/* NULL does no harm. */
void
tally_pg_wanted_free(struct tally_pg_wanted *wanted);

#endif
