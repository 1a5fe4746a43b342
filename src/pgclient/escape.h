/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a later epoch allows: changes of rows that were sealed before, of which
 * no record of their key of then would tell.
 */
#ifndef TALLY_PGCLIENT_ESCAPE_H
#define TALLY_PGCLIENT_ESCAPE_H

#include "pgclient/match.h"

/*
 * The first epoch that lets rows of use escape, and in whose time or later
 * the row (or NULL) was written, if it was in one; or NULL.
 */
const struct tally_pg_use *
tally_pg_escape_find(const struct tally_pg_use *use,
    const struct tally_pg_item *row);

/* Was the row written in the time of a later epoch, which is to seal it? */
bool
tally_pg_escape_is_of_later(const struct tally_pg_item *row,
    const struct tally_pg_use *use);

/* Do rows have the form's key in a form that can be rendered? */
bool
tally_pg_escape_has_key(const struct tally_pg_form *form);

#endif
