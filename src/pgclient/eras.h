/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eras: under which rows that were there before the attach were sealed.  An
 * era is a use like an epoch, but of the attachment that was in force when it
 * began, its base: records are judged as that one's, by another event.
 */
#ifndef TALLY_PGCLIENT_ERAS_H
#define TALLY_PGCLIENT_ERAS_H

#include "pgclient/entries.h"
#include "pgclient/sources.h"

/* Takes the era, which the entry begins; or tells why it is none. */
TALLY_MUST_CHECK int
tally_pg_era_begin(struct tally_pg_verifier *v,
    const struct tally_pg_entry *entry, struct tally_pg_epoch *era);

/* All events were taken, and sources made of them. */
void
tally_pg_eras_finish(struct tally_pg_verifier *v);

#endif
