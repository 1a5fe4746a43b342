/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event "retire" of tally:log: the rows of a partition go, and which
 * records were of them (doc/format.md, section 8).
 */
#ifndef TALLY_PG_RETIRE_EVENT_H
#define TALLY_PG_RETIRE_EVENT_H

#include "postgres.h"

/* An event that is as long as this is ended, and another begun. */
#define TALLY_RETIRE_EVENT_MAX (1024 * 1024)

/* Records of a chain, from first to last. */
struct tally_retired_range
{
	char	   *chain;
	int64		first;			/* seq */
	int64		last;			/* likewise */
};

struct tally_retirement
{
	char	   *label;
	char	   *partition;		/* "schema.name", quoted as SQL has it */
	Oid			relation;		/* of the partition */
	int64		rows;			/* that it has */
	char	   *table;			/* that is attached */
	int			nranges;
	struct tally_retired_range *ranges; /* by chain, ascending, apart */
};

/* Its canonical text (JCS), palloc'd. */
extern char *tally_retirement_encode(const struct tally_retirement *retirement);

/* How long the text of a range is at most; same_chain: as the one before. */
extern Size tally_retirement_measure(const struct tally_retired_range *range,
									 bool same_chain);

/*
 * Reads what encode wrote, palloc'd; NULL if the text is of another kind or
 * malformed, whatever it holds.
 */
extern struct tally_retirement *tally_retirement_parse(const char *text);

#endif
