/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of attached tables, as they are now. */
#ifndef TALLY_PGCLIENT_ROWS_H
#define TALLY_PGCLIENT_ROWS_H

#include "pgclient/sources.h"

struct tally_pg_rows;

/* Which tables, with which columns; says what cannot be read. */
TALLY_MUST_CHECK int
tally_pg_rows_open(struct tally_pg_verifier *v, struct tally_pg_rows **out,
    struct tally_error *error);
void
tally_pg_rows_close(struct tally_pg_rows *rows);

/*
 * Reads the tables of all sources: those that are sorted are put to be
 * matched (put), those that are not are added up (not put).
 */
TALLY_MUST_CHECK int
tally_pg_rows_read(struct tally_pg_verifier *v, struct tally_pg_rows *rows,
    bool put, struct tally_error *error);

#endif
