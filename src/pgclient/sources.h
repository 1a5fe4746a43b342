/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources: the tables whose rows are sealed, as tally:log tells.
 *
 * Terms.  A source is all epochs that are of one table or have one label; to
 * the reader it is the label.  A form is a way to render rows: epochs that
 * differ in nothing that shows in an event, its key or its chain have the same
 * form.  A root is an attached relation that is still there.
 */
#ifndef TALLY_PGCLIENT_SOURCES_H
#define TALLY_PGCLIENT_SOURCES_H

#include "core/sum.h"
#include "pgclient/epoch.h"
#include "pgclient/record.h"
#include "pgclient/verifier.h"

struct tally_pg_source;
struct tally_pg_tracked;
struct tally_pg_wanted;

struct tally_pg_form {
	int number;
	struct tally_pg_source *source;
	const struct tally_pg_epoch *epoch; /* one of those that have it */
	bool is_salted;                     /* some of them are */
	bool is_unsalted;                   /* some are not */
	bool has_updates;                   /* some are not append-only */
	bool has_eras;                      /* some have eras */
	bool is_rendered;                   /* on some root */
	int key_class;   /* forms with the same key share it */
	const char *why; /* it is not rendered, or NULL */
	/* What of it is: what did not change; NULL: all, or nothing. */
	const struct tally_pg_epoch *part;
	const char **names;         /* of its columns, quoted */
	uint64_t unjudged;          /* records, for that reason */
	struct tally_pg_form *next; /* of the source */
};

/* An epoch that tally:log seals or a record names. */
struct tally_pg_use {
	int64_t id;                   /* tally.event.id of the attach event */
	struct tally_pg_epoch *epoch; /* NULL: tally:log does not seal it */
	struct tally_pg_source *source;
	struct tally_pg_form *form;
	struct tally_pg_tracked *tracked; /* then it has no source; or NULL */
	struct tally_pg_use
	    *base;          /* of an era: the epoch that it is of; or NULL */
	uint32_t root;      /* the table that it is of; 0: gone */
	int64_t attach_seq; /* in tally:log */
	int64_t detach_seq; /* 0: it is in force */
	uint64_t detach_xid, detach_since;
	uint64_t total; /* of records that name it, in the scope */
	atomic_uint_fast64_t records;  /* of these, not told one by one */
	atomic_uint_fast64_t narrowed; /* rows of its time, left out */
	bool is_named;                 /* by a record of tally:log */
	struct tally_sum sum;          /* of its records */
	struct tally_pg_use *next;     /* of the source, in the log's order */
};

/* What is known of a row that no record seals. */
enum tally_pg_age {
	TALLY_PG_AGE_LEGACY = 0, /* there before the first attach */
	TALLY_PG_AGE_SEALED,     /* written when it should have been sealed */
	TALLY_PG_AGE_LEFT_OUT,   /* likewise, but only_when leaves it out */
	TALLY_PG_AGE_NARROWED,   /* that of an earlier epoch did not */
	TALLY_PG_AGE_BETWEEN,    /* written while the table was detached */
	TALLY_PG_AGE_AFTER,      /* likewise, and it is */
	TALLY_PG_AGE_UNKNOWN,
	TALLY_PG_AGE_REWRITTEN, /* likewise, since its table was rewritten */
};

struct tally_pg_source {
	int number;
	const char *label; /* of its last epoch */
	struct tally_pg_use *uses;
	struct tally_pg_use *last; /* of uses */
	struct tally_pg_use *eras; /* under which old rows were sealed */
	struct tally_pg_form *forms;
	int nforms;
	int nclasses; /* different keys of its forms */
	uint32_t *roots;
	int nroots;
	bool is_here;              /* all epochs began in this database */
	bool is_sorted;            /* its rows are compared one by one */
	const char *_Atomic blind; /* why rows could not be read, or NULL */
	struct tally_pg_use *live; /* in force, or NULL */
	struct tally_pg_wanted *wanted; /* rows, by key; NULL: all */
	struct tally_sum rows;          /* that are to have a record */
	struct tally_sum old_rows;      /* that need none, as old as they are */
	/* Told once for the source, with their number: */
	uint64_t legacy;
	uint64_t unknown_age;
	uint64_t gone;   /* records without a row, after a detach */
	uint64_t unread; /* records whose rows could not be read */
	struct tally_pg_source *next;
};

/* A row of tally.attachment. */
struct tally_pg_attached {
	uint32_t relation;
	int64_t epoch;
	const char *label;
	struct tally_pg_attached *next;
};

struct tally_pg_sources {
	struct tally_pg_source *all;
	int nsources;
	struct tally_pg_form **forms; /* by number */
	int nforms;
	struct tally_pg_attached *attached;
	struct tally_pg_tracked *tracked; /* in the log's order */
	/* By id; of the records that name more than these the number. */
	struct tally_pg_use **uses;
	size_t nuses;
	uint64_t other_records;
	struct tally_pg_tally *tallies; /* one for each worker */
};

TALLY_MUST_CHECK int
tally_pg_sources_open(struct tally_pg_verifier *v, struct tally_error *error);
void
tally_pg_sources_close(struct tally_pg_verifier *v);

/* Every record of the scope passes here once.  Any worker. */
void
tally_pg_sources_take(struct tally_pg_verifier *v, unsigned worker,
    const struct tally_pg_record *record);

/* A record of tally:log.  Any worker. */
TALLY_MUST_CHECK int
tally_pg_entries_take(struct tally_pg_verifier *v,
    const struct tally_pg_record *record, struct tally_error *error);

/* Forgets them: they were another chain's. */
void
tally_pg_entries_forget(struct tally_pg_verifier *v);

/* What the workers saw, together. */
TALLY_MUST_CHECK int
tally_pg_sources_join(struct tally_pg_verifier *v);

/* replay.c: the links were judged; what do the log's events say? */
TALLY_MUST_CHECK int
tally_pg_sources_load(struct tally_pg_verifier *v, struct tally_error *error);

/* The use of this number, made if it is not known; NULL: no memory. */
struct tally_pg_use *
tally_pg_sources_get(struct tally_pg_verifier *v, int64_t id);

/* NULL: no record names it, and tally:log does not seal it. */
struct tally_pg_use *
tally_pg_sources_find(struct tally_pg_verifier *v, int64_t epoch);

/*
 * A record of tally:log names it, but the event does not hold, which was told:
 * records that name it may be of rows or of statements.
 */
static inline bool
tally_pg_use_is_lost(const struct tally_pg_use *use)
{
	return use != NULL && use->epoch == NULL && use->tracked == NULL &&
	    use->is_named;
}

/* Does any record name an epoch that tally:log does not seal? */
bool
tally_pg_sources_has_unknown(struct tally_pg_verifier *v);

/* Tells, once for each, of epochs that are not sealed and their records. */
void
tally_pg_sources_tell_unknown(struct tally_pg_verifier *v);

/* What has a sum: a record's or row's part in its source. */
uint64_t
tally_pg_sources_hash(struct tally_pg_verifier *v, int64_t chain_id,
    const struct tally_hash *digest, const char *key, size_t key_len);

/* Was it attached in this database?  Else its oids and xids mean nothing. */
bool
tally_pg_age_is_here(const struct tally_pg_verifier *v,
    const struct tally_pg_epoch *epoch);

/* Asks whether the epoch's table is still there, under its oid. */
int
tally_pg_age_look(struct tally_pg_verifier *v, struct tally_pg_epoch *epoch,
    struct tally_error *error);

/*
 * How old is the row version?  *out_use is the epoch in whose time it was
 * written, if it was in one.  What only_when says is not asked.
 */
enum tally_pg_age
tally_pg_age_judge(const struct tally_pg_verifier *v,
    const struct tally_pg_source *source, uint32_t xmin,
    struct tally_pg_use **out_use);

#endif
