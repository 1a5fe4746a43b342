/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retirement: partitions whose rows go (doc/design/postgresql.md).
 */
#ifndef TALLY_PG_RETIRE_H
#define TALLY_PG_RETIRE_H

#include "postgres.h"

/*
 * Is there a retirement of this relation in tally:log, and are its rows those
 * of then?  A partition can come back, be changed, and be retired anew; and an
 * oid can be another table's, in a restored database above all.
 */
extern bool tally_retire_has(Oid partition);

#endif
