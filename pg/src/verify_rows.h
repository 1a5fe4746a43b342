/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of attached tables, as they are now. */
#ifndef TALLY_PG_VERIFY_ROWS_H
#define TALLY_PG_VERIFY_ROWS_H

#include "verify_sources.h"

/* Is the form to be rendered on this table, or its partitions? */
extern bool tally_rows_is_root_of(const struct tally_source *source,
								  const struct tally_form *form, Oid root);

/* The epoch, as if it were of this table; is_told: in the words of here. */
extern struct tally_epoch *
			tally_rows_move_epoch(const struct tally_epoch *epoch, Oid root,
								  bool is_told);

/*
 * Goes over the source's tables and adds up their rows: source->rows and
 * source->old_rows.
 */
extern void tally_rows_sum(struct tally_verifier *v,
						   struct tally_source *source);

/* The same, and puts each row to be matched. */
extern void tally_rows_put(struct tally_verifier *v,
						   struct tally_source *source);

#endif
