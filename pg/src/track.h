/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracking: the statements that change an ordinary table, as events that are
 * kept (doc/design/postgresql.md).
 */
#ifndef TALLY_PG_TRACK_H
#define TALLY_PG_TRACK_H

#include "postgres.h"

#include "attachment.h"

#include "lib/stringinfo.h"

/* ---- track_triggers.c ---- */

/* The function that all of them call. */
#define TALLY_TRACK_FUNCTION "capture_statement"

/* One of the triggers of a tracked table. */
struct tally_track_trigger
{
	const char *name;
	int16		events;			/* TRIGGER_TYPE_INSERT and so on */
	bool		has_old;		/* transition tables */
	bool		has_new;
};

#define TALLY_TRACK_TRIGGERS 4
extern const struct tally_track_trigger
			tally_track_triggers[TALLY_TRACK_TRIGGERS];

extern void tally_track_make_triggers(Oid relation);
extern void tally_track_drop_triggers(Oid relation);

/* ---- track_actor.c ---- */

/* Who runs this statement: a JSON object in the form of RFC 8785. */
extern void tally_track_append_actor(StringInfo out);

/* ---- track_statement.c ---- */

struct tally_statement;

/* The length of an event, from which on another is begun. */
#define TALLY_TRACK_EVENT_MAX (1024 * 1024)

/*
 * Begins a statement's events, in the current memory context.  op: "insert"
 * and so on.
 */
extern void tally_statement_begin(const struct tally_attachment *att,
								  const char *op,
								  struct tally_statement **out_statement);

/*
 * Adds a row to the event of its chain, as JSON objects; NULL where there is
 * none.  Everything is copied.
 */
extern void tally_statement_add(struct tally_statement *statement,
								const StringInfoData *chain,
								const StringInfoData *before,
								const StringInfoData *after);

/* Adds an event that has no rows, in this chain. */
extern void tally_statement_add_bare(struct tally_statement *statement,
									 const char *chain);

/* Remembers what was added, to be sealed at the commit. */
extern void tally_statement_end(struct tally_statement *statement);

#endif
