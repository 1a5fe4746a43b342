/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A type's shape: what the text of its values depends on beside the values
 * (doc/format.md, section 8): each value of an enum by its oid, each
 * composite's attributes by number, as strings.  Text that was printed is
 * printed again as long as all facts of then are among those of now.
 */
#ifndef TALLY_PGCLIENT_SHAPE_H
#define TALLY_PGCLIENT_SHAPE_H

#include "pgclient/attached.h"

/* Reads the facts of the relation's columns into live. */
TALLY_MUST_CHECK int
tally_pg_shapes_read(struct tally_pg_verifier *v, uint32_t relation,
    struct tally_pg_live_column *live, int count, struct tally_error *error);

/*
 * Why the text of the values of the epoch's column is not what it was; NULL:
 * it is.  live: the column as it is now.
 */
const char *
tally_pg_shape_fault(struct tally_pg_verifier *v,
    const struct tally_pg_epoch *epoch, int position,
    const struct tally_pg_live_column *live);

#endif
