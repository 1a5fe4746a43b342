/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletions: events that say of themselves that a row was deleted.
 */
#ifndef TALLY_PG_VERIFY_DELETION_H
#define TALLY_PG_VERIFY_DELETION_H

#include "epoch.h"

#include "lib/stringinfo.h"

extern bool tally_deletion_is(const char *event);

/*
 * The key of the row that the event deletes; false if it is no deletion of a
 * row of the epoch's table.
 */
extern bool tally_deletion_key(const char *event,
							   const struct tally_epoch *epoch,
							   StringInfo out_key);

#endif
