/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the functions that SQL calls give back.
 */
#ifndef TALLY_PG_RESULT_H
#define TALLY_PG_RESULT_H

#include "postgres.h"

#include "fmgr.h"

#include <tally/record.h>

/* The bytea of a hash; palloc'd. */
extern Datum tally_result_hash(const struct tally_hash *hash);

/* The one row of a function that returns a record. */
extern Datum tally_result_row(FunctionCallInfo fcinfo, Datum *values,
							  bool *nulls);

#endif
