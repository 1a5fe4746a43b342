/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going on after an error about data.
 */
#ifndef TALLY_PG_ATTEMPT_H
#define TALLY_PG_ATTEMPT_H

#include "postgres.h"

/*
 * Calls body(arg); false if it raised an error about a value: one of the SQL
 * standard's data exceptions, or a limit.  All other errors pass.
 *
 * There is no subtransaction, which would cost more than what is attempted:
 * body only computes, so that there is nothing to undo but memory.
 */
extern bool tally_attempt(void (*body) (void *arg), void *arg);

#endif
