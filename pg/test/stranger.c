/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An extension that exports the same names as the code within tally: PostgreSQL
 * loads every library so that all see its names, and the first one wins.
 * Behind this come, from the Makefile, all names of tally's objects.
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

#define STRANGER(name) \
	PGDLLEXPORT void name(void); \
	void \
	name(void) \
	{ \
		elog(PANIC, "\"%s\" of another extension was called", #name); \
	}
