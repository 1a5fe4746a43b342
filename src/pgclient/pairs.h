/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left over: records that no row proves, rows that no record proves.
 *
 * A record's key and epoch are not hashed; whoever changes one of them makes
 * two things of one.  The digest brings them together again.  Of each side as
 * many are remembered as somebody would change by hand; the rest is told at
 * once, as two.
 */
#ifndef TALLY_PGCLIENT_PAIRS_H
#define TALLY_PGCLIENT_PAIRS_H

#include "pgclient/key.h"

TALLY_MUST_CHECK int
tally_pg_pairs_open(struct tally_pg_verifier *v, struct tally_error *error);
void
tally_pg_pairs_close(struct tally_pg_verifier *v);

/*
 * A record that no row proves; kind and detail (static storage) are what is
 * told if none of the rows that are left over does.  TALLY_NOT_JUDGED: of the
 * records of its epoch only the number is told.  One that was named already is
 * not told again, but its row is not missed.  Any worker.
 */
TALLY_MUST_CHECK int
tally_pg_pairs_add_record(struct tally_pg_verifier *v,
    const struct tally_pg_item *item, const char *key,
    enum tally_finding_kind kind, const char *detail,
    struct tally_error *error);

/*
 * A record that does not hold for the row of its key: it is told, unless a
 * later record that has lost its place turns out to be the row's.
 */
TALLY_MUST_CHECK int
tally_pg_pairs_add_altered(struct tally_pg_verifier *v,
    const struct tally_pg_member *record, const struct tally_pg_member *row,
    struct tally_error *error);

/* A row that no record proves. */
TALLY_MUST_CHECK int
tally_pg_pairs_add_row(struct tally_pg_verifier *v,
    const struct tally_pg_member *row, struct tally_error *error);

/* The same row in another form: under that, too, a record may hold for it. */
TALLY_MUST_CHECK int
tally_pg_pairs_add_form(struct tally_pg_verifier *v,
    const struct tally_pg_member *row, struct tally_error *error);

/* Both sides are known: brings together, and tells. */
void
tally_pg_pairs_resolve(struct tally_pg_verifier *v);

#endif
