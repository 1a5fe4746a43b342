/* SPDX-License-Identifier: Apache-2.0 */
/* Single events of tally.event, as an adversary may have left them. */
#ifndef TALLY_PG_VERIFY_EVENTS_H
#define TALLY_PG_VERIFY_EVENTS_H

#include "verify.h"

/*
 * The text of an event, palloc'd, or NULL.  Looked for through the index, and
 * in the table itself if it is not found there.
 */
extern char *tally_events_read(struct tally_verifier *v, int64 id);

/* The same by where it lies. */
extern char *tally_events_fetch(struct tally_verifier *v,
								const ItemPointerData * tid);

#endif
