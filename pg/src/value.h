/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A column's value as text, byte for byte as its type's output function gives
 * it under the pinned settings.
 */
#ifndef TALLY_PG_VALUE_H
#define TALLY_PG_VALUE_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/datetime.h"

enum tally_way
{
	TALLY_WAY_OUTPUT,			/* by its type's output function */
	TALLY_WAY_TEXT,				/* its bytes are its text */
	TALLY_WAY_BOOL,
	TALLY_WAY_INT2,
	TALLY_WAY_INT4,
	TALLY_WAY_INT8,
	TALLY_WAY_UUID,
	TALLY_WAY_DATE,
	TALLY_WAY_TIMESTAMP,
	TALLY_WAY_TIMESTAMPTZ,
};

struct tally_value
{
	enum tally_way way;
	FmgrInfo	output;
	const char *str;			/* of the row at hand; NULL: null */
	Size		len;
	char		small[MAXDATELEN + 1];
};

/*
 * Prepares for values of a type that is stable (types.h).  Takes from *needs
 * what is not needed after all, in the current memory context.
 */
extern void tally_value_init(struct tally_value *value, Oid type, int *needs);

/*
 * Sets str and len; they are as short-lived as the row and the current
 * memory context.  True if the text holds nothing that JSON escapes.
 */
extern bool tally_value_set(struct tally_value *value, Datum datum);

#endif
