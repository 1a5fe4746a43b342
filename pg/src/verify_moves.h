/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Epochs of other places, told in the numbers and oids of here.
 */
#ifndef TALLY_PG_VERIFY_MOVES_H
#define TALLY_PG_VERIFY_MOVES_H

#include "verify_sources.h"

/*
 * uses: of struct tally_use, all of one source, in the log's order.  Sets
 * is_told of those whose columns and shapes are those of here now.  The others
 * are as they were, which are those of places from which nothing leads here.
 */
extern void tally_moves_translate(List *uses);

#endif
