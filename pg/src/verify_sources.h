/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: the tables whose rows are sealed, as tally:log tells.
 *
 * Terms.  A source is all epochs that are of one table or have one label,
 * unless that went from one table to another that are both still there; to
 * the reader it is the label.  A form is a way to render rows: epochs that
 * differ in nothing that shows in an event, its key or its chain have the same
 * form.  A root is an attached relation that is still there.
 */
#ifndef TALLY_PG_VERIFY_SOURCES_H
#define TALLY_PG_VERIFY_SOURCES_H

#include "epoch.h"
#include "render.h"
#include "verify.h"
#include "verify_entries.h"
#include "verify_record.h"
#include "core/sum.h"

#include "access/htup.h"
#include "nodes/pg_list.h"

struct tally_source;

struct tally_form
{
	int			number;
	struct tally_source *source;
	const struct tally_epoch *epoch;	/* one of those that have it */
	bool		is_salted;		/* some of them are */
	bool		is_unsalted;	/* some are not */
	bool		has_updates;	/* some are not append-only */
	bool		has_backfill;	/* some have eras */
	bool		is_told;		/* some are, as below */
	bool		is_rendered;	/* on some root */
	int			key_class;		/* forms with the same key share it */
	char	   *why;			/* why not, or not all of it; or NULL */
	const struct tally_epoch *part; /* what of it can be; NULL: all, or none */
	const char **names;			/* of its columns, quoted */
	int64		parts;			/* records that are compared so */
	int64		unjudged;		/* records, for that reason */
	int64		kept;			/* likewise, but their events are kept */
};

/* An epoch, or era, that tally:log seals or a record names. */
struct tally_use
{
	int64		id;				/* tally.event.id, the key */
	struct tally_epoch *epoch;	/* NULL: tally:log does not seal it */
	struct tally_source *source;
	struct tally_form *form;
	Oid			root;			/* the table that it is of; invalid: gone */
	int64		attach_seq;		/* in tally:log */
	int64		detach_seq;		/* 0: it is in force */
	const struct tally_moment *detach_moment;
	int64		total;			/* of records that name it, in the scope */
	int64		records;		/* of these, not told one by one */
	int64		narrowed;		/* rows of its time that are left out */
	bool		is_named;		/* by a record of tally:log */
	bool		is_tracked;		/* of a tracked table: it has no source */
	bool		is_here;		/* began here: oids and xids mean something */
	bool		is_told;		/* columns and shapes are those of here */
	struct tally_use *base;		/* of an era: the epoch that it is of */
	int64		backfill_seq;	/* likewise: in tally:log */
	struct tally_sum sum;		/* of these */
};

/* What is known of a row that no record seals. */
enum tally_age
{
	TALLY_AGE_LEGACY = 0,		/* there before the first attach */
	TALLY_AGE_SEALED,			/* written when it should have been sealed */
	TALLY_AGE_LEFT_OUT,			/* likewise, but only_when leaves it out */
	TALLY_AGE_NARROWED,			/* that of an earlier epoch did not */
	TALLY_AGE_BETWEEN,			/* written while the table was detached */
	TALLY_AGE_AFTER,			/* likewise, and it is */
	TALLY_AGE_UNKNOWN,
	TALLY_AGE_REWRITTEN,		/* likewise, since its table was rewritten */
};

struct tally_source
{
	int			number;
	const char *label;			/* of its last epoch */
	List	   *uses;			/* of struct tally_use, in the log's order */
	List	   *eras;			/* likewise (verify_backfill.h) */
	List	   *forms;			/* of struct tally_form */
	List	   *roots;			/* oids */
	int			nclasses;		/* different keys of its forms */
	bool		is_moved;		/* some epochs began in another place */
	struct tally_use *live;		/* in force, or NULL */
	bool		is_relevant;	/* to the scope */
	bool		is_sorted;		/* its rows are compared one by one */
	struct tally_sum rows;		/* that are to have a record */
	struct tally_sum old_rows;	/* that need none, as old as they are */
	/* Told once for the source, with their number: */
	int64		legacy;
	int64		unknown_age;
	int64		gone;			/* records without a row, after a detach */
	int64		retired;		/* likewise, of partitions that were retired */
};

/* A row of tally.attachment. */
struct tally_attached_row
{
	Oid			relation;
	int64		epoch;
	const char *label;
};

extern void tally_sources_open(struct tally_verifier *v);

/* Every record of the scope passes here once. */
extern void tally_sources_take(struct tally_verifier *v,
							   const struct tally_sealed *record);

/* tally.attachment, for tally_sources_attached. */
extern void tally_sources_load_attached(struct tally_verifier *v);

/*
 * All records have passed, and some events of tally:log do not hold: offers
 * for them (tally_entries_offer) all that records and tally.attachment name.
 */
extern void tally_sources_offer(struct tally_verifier *v);

/*
 * An event of tally:log; false if it neither begins nor ends an epoch of an
 * attached table.
 */
extern bool tally_sources_replay(struct tally_verifier *v,
								 const struct tally_entry *entry);

/* All events were taken: the sources' forms, and what else follows. */
extern void tally_sources_finish(struct tally_verifier *v);

extern List *tally_sources_all(struct tally_verifier *v);

/* The use of this number, made if it is not known. */
extern struct tally_use *tally_sources_get(struct tally_verifier *v, int64 id);
extern struct tally_use *tally_sources_find(struct tally_verifier *v,
											int64 epoch);
extern struct tally_form *tally_sources_form(struct tally_verifier *v,
											 int number);
extern List *tally_sources_attached(struct tally_verifier *v);

/* Does any record name an epoch that tally:log does not seal? */
extern bool tally_sources_has_unknown(struct tally_verifier *v);

/* Tells, once for each, of epochs that are not sealed and their records. */
extern void tally_sources_tell_unknown(struct tally_verifier *v);

/* What has a sum: a record's or row's part in its source. */
extern uint64 tally_sources_hash(struct tally_verifier *v, int64 chain_id,
								 const struct tally_hash *digest,
								 const char *key, Size key_len);

/* ---- verify_replay.c ---- */

/* All records have passed: what do the log's events say? */
extern void tally_replay_log(struct tally_verifier *v);

/* ---- verify_age.c ---- */

/*
 * How old is the row version of the table root?  *out_use is the epoch in
 * whose time it was written, if it was in one.  What only_when says is not
 * asked.
 */
extern enum tally_age tally_age_judge(const struct tally_source *source,
									  Oid root, HeapTuple tuple,
									  struct tally_use **out_use);

#endif
