/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of tally.attach, tally.detach, tally.track and tally.alter; for
 * them and for whoever asks what is attached.
 *
 * All take, in this order: tally.attachment, so that one of them runs at a
 * time and what it finds there stays so; then the table; then its partitions.
 * After that no row trigger of the table is running anywhere.
 */
#ifndef TALLY_PG_ATTACH_H
#define TALLY_PG_ATTACH_H

#include "epoch.h"

#include "fmgr.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

/* What the caller of tally.attach or alter asked for; NULL: not given. */
struct tally_attach_request
{
	Oid			relation;
	char	   *chain_by;
	char	   *prefix;
	char	   *label;
	char	   *only_when;
	bool		some_columns;	/* columns was given, perhaps empty */
	List	   *columns;		/* of char * */
	List	   *exclude;		/* of char * */
	bool		salted;
	bool		keep_event;
	bool		append_only;
	bool		actor;
};

/* ---- attach_epoch.c ---- */

/* What the caller of tally.attach or tally.track asked for. */
extern void tally_attach_get_request(FunctionCallInfo fcinfo,
									 struct tally_attach_request *out);
extern void tally_attach_get_tracked(FunctionCallInfo fcinfo,
									 struct tally_attach_request *out);

/* The argument "tbl", which is the first where there is one; ERROR if null. */
extern Oid	tally_attach_get_table(FunctionCallInfo fcinfo);

/* The elements of a name[], as strings; argument is its number. */
extern List *tally_attach_get_names(FunctionCallInfo fcinfo, int argument,
									const char *name);

/* What is no matter of the table; command: for the message. */
extern void tally_attach_check_database(const char *command);

/*
 * Everything that the event will say, as the request has it; is_tracked is
 * set.  The locks are held.
 */
extern void tally_attach_make_epoch(struct tally_epoch *epoch, Relation rel,
									const struct tally_attach_request *request);

/*
 * Seals the end of the epoch, and nothing else: triggers and the row of
 * tally.attachment stay.
 */
extern void tally_attach_end(const struct tally_epoch *epoch);

/* ---- attach_table.c ---- */

/* A relation's name with its schema, quoted as SQL has it; else its oid. */
extern char *tally_attach_name(Oid relation);

/*
 * Is there such a relation?  ERROR if it is not the caller's.
 */
extern bool tally_attach_check_owner(Oid relation);

/*
 * The locks, in the mode that is given for the table; returns the table and
 * all its partitions.  A table that is gone is locked by its oid alone.
 */
extern List *tally_attach_lock(Oid relation, LOCKMODE mode);

/*
 * The attached relation itself, or the attached ancestor, or InvalidOid.
 */
extern Oid	tally_attach_find(Oid relation);

/* The epoch under which the relation is tracked, or NULL. */
extern struct tally_epoch *tally_attach_find_tracked(Oid relation);

/*
 * ERROR if the relation, which has a row in tally.attachment, is tracked: what
 * can be done with attached tables cannot be done with this one.
 */
extern void tally_attach_refuse_tracked(Oid relation);

/* ERROR, which says why, if rows of this table cannot be sealed. */
extern void tally_attach_check_table(Relation rel, List *members);

/* Why rows of this table itself cannot be sealed, or NULL. */
extern const char *tally_attach_fault(Relation rel);

/* ---- attach_columns.c ---- */

/*
 * Fills in columns, keys and chain_by; ERROR, which says what to do, if they
 * cannot be as the request has them.  What is tracked has no key.
 */
extern void tally_attach_choose(const struct tally_attach_request *request,
								Relation rel, struct tally_epoch *out_epoch);

/*
 * What the text of the column's type depends on, as it is now; hold: and stays
 * until the transaction ends.
 */
extern void tally_attach_shape(struct tally_column *to, Oid type,
							   bool hold);

/* ---- attach_state.c ---- */

/* A function of the extension without arguments. */
extern Oid	tally_attach_find_function(const char *name);

/*
 * The trigger of ours with this function, whether enabled or not; NULL if
 * there is none that does what attach made it for.
 */
struct Trigger;
extern const struct Trigger *tally_attach_find_trigger(Relation rel,
													   const char *function,
													   int16 type);

/* Does an index see to it that there is at most one row of a key? */
extern bool tally_attach_is_key_unique(Relation rel,
									   const struct tally_epoch *epoch);

/* ---- attach_trigger.c ---- */

/* The triggers, made as the extension's owner; dropped whatever their names. */
struct CreateTrigStmt;
extern void tally_attach_make_trigger(Oid relation,
									  struct CreateTrigStmt *trigger,
									  const char *function);
extern void tally_attach_drop_triggers_of(Oid relation, const char *function);
extern void tally_attach_make_triggers(Oid relation);
extern void tally_attach_drop_triggers(Oid relation);

/*
 * The trigger that refuses TRUNCATE, of the table and each partition: has
 * each one?  Makes those that are missing; drops all.
 */
extern bool tally_attach_is_guarded(Oid relation);
extern void tally_attach_guard(Oid relation);
extern void tally_attach_unguard(Oid relation);

#endif
