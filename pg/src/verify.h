/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifier, as its parts share it (verify*.c, nobody else).
 *
 * A verification goes over everything that one snapshot shows (P11), once if
 * nothing is wrong:
 *
 *	catalog    are the extension's own tables what CREATE EXTENSION made?
 *	records    one walk over tally.record, in the order in which it lies:
 *	           each header against its hash; what is needed below is
 *	           remembered, summed up, or put aside to be sorted
 *	links      each chain's records against one another
 *	sources    tally:log's events: which tables, how, from when to when
 *	origins    in which database, and is it this one?
 *	attached   are tables, columns and triggers what those events say?
 *	rows       the rows that are there, rendered as when they were sealed
 *	kept       the events that are kept, against their records
 *	match      records and rows of one key, against each other
 *	pairs      what was left over on both sides
 *	outside    heads that the caller kept elsewhere
 *
 * No index of the extension is trusted, no uniqueness assumed: whoever could
 * change a record could drop an index.  Memory is bounded by work_mem, the
 * number of chains (some 200 bytes each) and that of attached tables; what is
 * found wrong is remembered up to a limit, behind which it is named less
 * precisely, never left out.
 *
 * A record is told apart by where it lies (its ctid) as long as it is not
 * certain which one it is.
 */
#ifndef TALLY_PG_VERIFY_H
#define TALLY_PG_VERIFY_H

#include "postgres.h"

#include "storage/itemptr.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include <tally/verify.h>

#include "core/sip.h"

struct HTAB;
struct tally_chains;
struct tally_entries;
struct tally_kept;
struct tally_links;
struct tally_match;
struct tally_origins;
struct tally_outside;
struct tally_pairs;
struct tally_report;
struct tally_retired;
struct tally_retiring;
struct tally_sources;

/* What the caller wants to have judged. */
struct tally_scope
{
	const char *chain;			/* plain name; NULL: all */
	int64		from;			/* first seq */
	int64		to;				/* last seq, PG_INT64_MAX: the end */
};

struct tally_verifier
{
	MemoryContext context;		/* whatever lives until the end */
	MemoryContext scratch;		/* of one row or record, reset by the walks */
	Snapshot	snapshot;
	struct tally_scope scope;
	struct tally_sip_key seed;	/* random: nobody can prepare for it */

	Oid			schema;
	Relation	chain;			/* the tables; all five, or no judging */
	Relation	event;
	Relation	record;
	Relation	attachment;
	Relation	origin;
	Oid			event_id;		/* indexes, if they can be used */
	Oid			record_seq;

	struct tally_report *report;
	struct tally_chains *chains;
	struct tally_links *links;
	struct HTAB *accused;
	struct tally_entries *entries;
	struct tally_sources *sources;
	struct tally_origins *origins;
	struct tally_kept *kept;
	struct tally_match *match;
	struct tally_pairs *pairs;
	struct tally_outside *outside;	/* NULL: no heads were given */
	struct List *tracked;		/* epochs, of verify_tracked.c */
	struct List *rewritten;		/* of verify_rewritten.c */
	struct tally_retired *retired;	/* NULL: no partition was */
	struct tally_retiring *retiring;	/* NULL: nobody asks for it */
	struct List *eras;			/* of struct tally_use */
};

/* What a finding is about; zero is "not known" in every member. */
struct tally_subject
{
	const char *chain;
	int64		seq;
	const char *source;
	const char *key;
};

/* ---- verify_report.c ---- */

/*
 * Findings go where the SQL function's result is collected; with result NULL
 * they are only counted.
 */
extern void tally_report_open(struct tally_verifier *v, void *result);

/* The detail is one sentence without a full stop. */
extern void tally_report_tell(struct tally_verifier *v,
							  enum tally_finding_kind kind,
							  const struct tally_subject *subject,
							  const char *format,...)
			pg_attribute_printf(4, 5);

extern void tally_report_vtell(struct tally_verifier *v,
							   enum tally_finding_kind kind,
							   const struct tally_subject *subject,
							   const char *format, va_list args)
			pg_attribute_printf(4, 0);

/* About no record: only a detail. */
extern void tally_report_tell_general(struct tally_verifier *v,
									  enum tally_finding_kind kind,
									  const char *format,...)
			pg_attribute_printf(3, 4);

extern void tally_report_not_covered(struct tally_verifier *v,
									 const char *format,...)
			pg_attribute_printf(2, 3);

extern int64 tally_report_findings(const struct tally_verifier *v);
extern const char *tally_report_verdict(const struct tally_verifier *v,
										int64 records);

/* An array of text. */
extern Datum tally_report_uncovered(const struct tally_verifier *v);

/* ---- verify_attached.c ---- */

/*
 * Finds the roots of every source, and tells what of the attached tables is
 * not as the epoch in force says.
 */
extern void tally_attached_judge(struct tally_verifier *v);

/* ---- verify_catalog.c ---- */

/*
 * Opens the extension's tables and tells what about them is not as CREATE
 * EXTENSION left it.  False if they cannot be read for what they are.  self
 * is the function that SQL called, from whose library the others must be.
 */
extern bool tally_catalog_open(struct tally_verifier *v, Oid self);
extern void tally_catalog_close(struct tally_verifier *v);

/* ---- verify_ddl.c ---- */

/* Tells what of the event triggers is not as CREATE EXTENSION left it. */
extern void tally_ddl_triggers_judge(struct tally_verifier *v);

#endif
