/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of tally.status.
 */
#ifndef TALLY_PG_STATUS_H
#define TALLY_PG_STATUS_H

#include "postgres.h"

#include "nodes/pg_list.h"

struct tally_status_row
{
	const char *item;
	const char *subject;
	const char *state;
	int			owner;			/* process id; 0: null, and waiters too */
	int			nwaiters;
	const int  *waiters;		/* process ids */
	const char *detail;			/* NULL: null */
};

/*
 * The tables: those that are attached, by label, and those that have the
 * trigger but are not.  Of struct tally_status_row *.
 */
extern List *tally_status_tables(void);

#endif
