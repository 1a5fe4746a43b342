/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of attached tables, as they are now. */
#ifndef TALLY_PG_VERIFY_ROWS_H
#define TALLY_PG_VERIFY_ROWS_H

#include "verify_sources.h"

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
