/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DDL under attached and tracked tables, as its parts share it (ddl*.c).
 *
 * Not the commands are judged, of which there are many, but what they leave
 * behind: after each, the catalog is held against the epochs in force of the
 * tables that it may have touched.  What only the command itself shows is
 * looked at beside that: partitions that come and go, tables that are dropped,
 * rows that are rewritten.
 */
#ifndef TALLY_PG_DDL_H
#define TALLY_PG_DDL_H

#include "epoch.h"

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"

/* ---- ddl_find.c: which tables -------------------------------------- */

/* Those that hold the relation's rows: itself, its ancestors. */
extern List *tally_ddl_roots_above(Oid relation);

/* Adds these, and those of its descendants. */
extern List *tally_ddl_add_roots(List *roots, Oid relation);

/* All of them. */
extern List *tally_ddl_all_roots(void);

/* Does some column, of whatever table, have the relation's row type? */
extern bool tally_ddl_has_row_type_user(Oid relation);

/*
 * The attached table of which the relation was a partition before this
 * transaction dropped it, or InvalidOid.
 */
extern Oid	tally_ddl_lost_root(Oid relation);

/*
 * Has the relation a trigger of this name, or had it before this transaction
 * took it away?
 */
extern bool tally_ddl_has_trigger(Oid relation, const char *name);

/* The epoch in force; NULL: there is none that can be read. */
extern struct tally_epoch *tally_ddl_epoch(Oid root);

/* ---- ddl_judge.c: what became of them ------------------------------ */

enum tally_ddl_change
{
	TALLY_DDL_NOTHING = 0,
	TALLY_DDL_NAMES,			/* goes on, under other names */
	TALLY_DDL_ROWS,				/* rows cannot be rendered as they were */
	TALLY_DDL_BROKEN,			/* nothing could be sealed any more */
};

/* *out_why: a sentence, palloc'd, of TALLY_DDL_ROWS and _BROKEN. */
extern enum tally_ddl_change tally_ddl_judge(const struct tally_epoch *epoch,
											 char **out_why);

/* ---- ddl_act.c: refused or sealed ---------------------------------- */

/* The catalog of the root may have changed: refuses that, or seals it. */
extern void tally_ddl_settle(Oid root);

/* The root itself is gone. */
extern void tally_ddl_settle_gone(Oid root);

/* A partition of the root is to go, or is gone; its rows with it. */
extern void tally_ddl_settle_partition(Oid root, Oid partition,
									   const char *name);

/* One that is to go while others may still write to it. */
extern void tally_ddl_settle_concurrently(Oid root, Oid partition);

/* A table, with its rows, became a partition of the root. */
extern void tally_ddl_settle_joined(Oid root, Oid partition);

/*
 * A partition that came, as it may have where nobody was watching, gets the
 * trigger that refuses TRUNCATE.
 */
extern void tally_ddl_guard(Oid root);

/* The extension is to be dropped, with everything. */
extern void tally_ddl_settle_extension(void);

/* A column was added, of which the epoch knows nothing. */
extern void tally_ddl_note_column(Oid root, const Node *def);

/* What would commit before it could be judged. */
extern void tally_ddl_refuse_concurrently(Oid root, const char *what,
										  const char *hint);

/* ---- ddl_rewrite.c ------------------------------------------------- */

/* The rows of a table of the root are about to be written anew. */
extern void tally_ddl_settle_rewrite(Oid root, Oid relation);

#endif
