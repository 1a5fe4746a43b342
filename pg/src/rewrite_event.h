/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event "rewrite" of tally:log: all rows of a table get another xmin, and
 * of so many no record is asked (doc/format.md, section 8).
 */
#ifndef TALLY_PG_REWRITE_EVENT_H
#define TALLY_PG_REWRITE_EVENT_H

#include "postgres.h"

struct tally_rewrite
{
	char	   *label;			/* of the attached table */
	Oid			relation;		/* it, or a partition of it */
	int64		rows;			/* that need no record, at most */
	char	   *table;			/* "schema.name", quoted as SQL has it */
	uint64		xid;			/* that all rows have afterwards */
};

/* Its canonical text (JCS), palloc'd. */
extern char *tally_rewrite_encode(const struct tally_rewrite *rewrite);

/*
 * Reads what encode wrote, palloc'd; NULL if the text is of another kind or
 * malformed, whatever it holds.
 */
extern struct tally_rewrite *tally_rewrite_parse(const char *text);

#endif
