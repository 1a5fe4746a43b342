/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records and rows of one key, against each other.
 */
#ifndef TALLY_PG_VERIFY_MATCH_H
#define TALLY_PG_VERIFY_MATCH_H

#include "verify.h"
#include "verify_chains.h"
#include "verify_sources.h"

#include "core/hash.h"

/* A record that is of a row. */
struct tally_match_record
{
	struct tally_use *use;		/* NULL: it names no epoch */
	struct tally_chain *chain;	/* NULL: none */
	int64		seq;
	ItemPointerData tid;
	bool		has_digest;
	struct tally_hash digest;
	const uint8 *salt;			/* or NULL */
	const char *key;
	Size		key_len;
	bool		is_deletion;	/* its event, which holds, says so */
	bool		is_kept;		/* its event holds */
	bool		is_part;		/* its digest is that of some columns */
	bool		is_accused;		/* it was told already, and proves nothing */
};

/* A row, in one form. */
struct tally_match_row
{
	struct tally_form *form;
	Oid			relation;
	ItemPointerData tid;
	enum tally_age age;
	struct tally_use *use;		/* in whose time it was written, or NULL */
	int			nclasses;		/* of keys that it was rendered with */
	int64		chain_id;		/* that it belongs to; 0: there is none */
	struct tally_hash digest;	/* without salt, as an insertion */
	struct tally_hash update;	/* likewise, as an update */
	struct tally_hash backfill; /* likewise, as an old row */
	const char *key;
	Size		key_len;
	const char *event;			/* NULL unless the form is salted */
	Size		event_len;
};

extern void tally_match_open(struct tally_verifier *v);

/* What of a record is wanted here; it points to where that did. */
extern void tally_match_prepare(struct tally_verifier *v,
								const struct tally_sealed *sealed,
								struct tally_match_record *out);
extern void tally_match_put_record(struct tally_verifier *v,
								   const struct tally_match_record *record);
extern void tally_match_put_row(struct tally_verifier *v,
								const struct tally_match_row *row);

/* All were put: judges them key by key. */
extern void tally_match_judge(struct tally_verifier *v);

/* ---- verify_holds.c ---- */

/* What stands before the rest of a row's event. */
#define TALLY_MATCH_UPDATE "{\"op\":\"update\","
#define TALLY_MATCH_BACKFILL "{\"op\":\"backfill\","

/*
 * The commitment to a row with this before, whose event as a row that came is
 * given; salt may be NULL.
 */
extern struct tally_hash tally_match_hash(const char *op, const uint8 *salt,
										  const char *event, Size len);

/*
 * Does the record's digest hold for the row, as for one that came or was
 * changed; or as for an old one?
 */
extern bool tally_match_holds(const struct tally_hash *digest,
							  const uint8 *salt,
							  const struct tally_match_row *row);
extern bool tally_match_holds_old(const struct tally_hash *digest,
								  const uint8 *salt,
								  const struct tally_match_row *row);

/* ---- verify_pairs.c ---- */

/* What is left over is told when both sides are known. */
extern void tally_pairs_open(struct tally_verifier *v);

/*
 * A record that no row proves; kind and detail (static storage) are what is
 * told if none of the rows that are left over does.  TALLY_NOT_JUDGED: of the
 * records of its epoch only the number is told.  One that was named already is
 * not told again, but its row is not missed.
 */
extern void tally_pairs_add_record(struct tally_verifier *v,
								   const struct tally_match_record *record,
								   enum tally_finding_kind kind,
								   const char *detail);

/*
 * A record that does not hold for the row of its key: it is told, unless a
 * later record that has lost its place turns out to be the row's.
 */
extern void tally_pairs_add_altered(struct tally_verifier *v,
									const struct tally_match_record *record,
									const struct tally_match_row *row);

/* A row that no record proves. */
extern void tally_pairs_add_row(struct tally_verifier *v,
								const struct tally_match_row *row);

/* The same row in another form: under that, too, a record may hold for it. */
extern void tally_pairs_add_form(struct tally_verifier *v,
								 const struct tally_match_row *row);

extern void tally_pairs_resolve(struct tally_verifier *v);

#endif
