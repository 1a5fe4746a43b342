/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the columns of an epoch are now.
 */
#ifndef TALLY_PG_COLUMNS_H
#define TALLY_PG_COLUMNS_H

#include "epoch.h"

#include "utils/relcache.h"

/*
 * Finds each column of the epoch in rel, which is the epoch's relation or a
 * partition of it: by number in the epoch's relation, whatever its name is
 * now, and from there by the name of now in the partition.
 *
 * Returns the numbers in rel, palloc'd; or NULL, and a message in *out_why
 * (palloc'd), if one is gone or has another type or modifier.
 */
extern AttrNumber *tally_columns_find(const struct tally_epoch *epoch,
									  Relation rel, char **out_why);

/*
 * Why values of these columns are not printed any more as the epoch's were,
 * though their types are the same: palloc'd; or NULL.
 */
extern char *tally_columns_shape_fault(const struct tally_epoch *epoch,
									   Relation rel,
									   const AttrNumber *numbers);

/* What to do then; an errhint. */
#define TALLY_COLUMNS_HINT \
	"tally.alter() begins an epoch with the table as it is now."
#define TALLY_TRACK_HINT \
	"Untrack the table and track it again; that begins a new epoch."

#endif
