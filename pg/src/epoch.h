/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An epoch: the whole configuration under which a table's rows are sealed, as
 * the attach event in tally:log states it (doc/design/postgresql.md).
 */
#ifndef TALLY_PG_EPOCH_H
#define TALLY_PG_EPOCH_H

#include "postgres.h"

#include "moment.h"

#include "access/attnum.h"

/* A column as attach froze it. */
struct tally_column
{
	char	   *name;			/* in the events of this epoch, for ever */
	AttrNumber	number;			/* in the attached relation */
	char	   *type_name;		/* format_type, fully qualified, no modifier */
	int32		typmod;
	int			nshapes;
	char	  **shapes;			/* what its type's text depends on (shape.h) */
};

struct tally_epoch
{
	int64		id;				/* tally.event.id of the attach event */
	bool		is_alteration;	/* tally.alter's: it ends the one before */
	bool		is_tracked;		/* of tally.track, which has no key */
	bool		is_backfill;	/* of tally.backfill: of rows from before */
	Oid			relation;
	char	   *table;			/* "schema.name", quoted as SQL has it */
	uint64		cluster;		/* system identifier: where it was attached */
	char	   *database;
	char	   *label;
	char	   *prefix;
	int			ncolumns;
	struct tally_column *columns;	/* by number */
	int			nkeys;
	int		   *keys;			/* positions in columns, in the key's order */
	int			chain_by;		/* position in columns, or -1 */
	char	   *only_when;		/* canonical text, or NULL */
	int			norder;			/* of a backfill: by which columns it goes */
	char	  **order_by;
	bool		append_only;
	bool		keep_event;
	bool		salted;
	bool		actor;			/* tracked: events say who did it */
	struct tally_moment moment; /* what was written before was there; of a
								 * backfill, that of the first attach */
	bool		is_elsewhere;	/* not in the event: it began in another
								 * place, whose oids and xids mean nothing */
};

/* A detach event, or that of untrack; its epoch ends where it begins. */
struct tally_detach
{
	bool		is_tracked;
	Oid			relation;
	char	   *table;
	char	   *label;
	struct tally_moment moment;
};

/* Was it attached in this database?  Else its oids and xids mean nothing. */
extern bool tally_epoch_is_here(const struct tally_epoch *epoch);

/* Is the backfill's configuration that of the attachment? */
extern bool tally_epoch_is_base(const struct tally_epoch *base,
								const struct tally_epoch *era);

/*
 * Are both of one table, by its oid in one database?  So is one whose database
 * was renamed in between, which this does not see.
 */
extern bool tally_epoch_is_same_table(const struct tally_epoch *a,
									  const struct tally_epoch *b);

/*
 * The canonical event text (JCS) of an attach, an alteration or a detach;
 * palloc'd.  Of what is tracked, that of track and untrack; of old rows, that
 * of a backfill.
 */
extern char *tally_epoch_encode(const struct tally_epoch *epoch);
extern char *tally_detach_encode(const struct tally_detach *detach);

/*
 * Reads what encode wrote, strictly; all of it palloc'd in the current memory
 * context.  Returns NULL if the event is of another kind, or malformed (the
 * text may be an adversary's: never an error, never a crash).
 */
extern struct tally_epoch *tally_epoch_parse(int64 id, const char *event);
extern struct tally_detach *tally_detach_parse(const char *event);
extern struct tally_epoch *tally_track_parse(int64 id, const char *event);
extern struct tally_epoch *tally_backfill_parse(int64 id, const char *event);
extern struct tally_detach *tally_untrack_parse(const char *event);

#endif
