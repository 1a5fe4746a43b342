/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event "origin" of tally:log: from here on a database is the log that
 * another one was (doc/format.md, section 8).
 */
#ifndef TALLY_PG_ORIGIN_EVENT_H
#define TALLY_PG_ORIGIN_EVENT_H

#include "origin.h"

#include <tally/record.h>

/* The event lists the heads of so many chains at most. */
#define TALLY_ORIGIN_HEADS_MAX 10000

struct tally_origin_head
{
	char	   *chain;
	struct tally_hash hash;
	uint64		seq;
};

struct tally_origin_event
{
	char	   *by;				/* the session's role */
	char	   *note;
	struct tally_origin from;
	struct tally_origin to;		/* numbers are not written */
	int64		nchains;		/* that have records */
	struct tally_origin_head *heads;	/* of all, by name; NULL: too many */
};

/* Its canonical text (JCS), palloc'd. */
extern char *tally_origin_event_encode(const struct tally_origin_event *event);

/*
 * Reads what encode wrote, palloc'd; NULL if the text is of another kind or
 * malformed, whatever it holds.  heads is NULL if it lists none.
 */
extern struct tally_origin_event *tally_origin_event_parse(const char *text);

#endif
