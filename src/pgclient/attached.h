/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog: are the extension's tables, the attached ones, their columns
 * and triggers what they should be?  Asked under the snapshot.
 */
#ifndef TALLY_PGCLIENT_ATTACHED_H
#define TALLY_PGCLIENT_ATTACHED_H

#include "pgclient/sources.h"

/* TALLY_E_NO_LOG if the database has none of tally's tables. */
TALLY_MUST_CHECK int
tally_pg_catalog_judge(struct tally_pg_verifier *v, struct tally_error *error);

/*
 * Finds the roots of every source, and tells what of the attached tables is
 * not as the epoch in force says.
 */
TALLY_MUST_CHECK int
tally_pg_attached_judge(struct tally_pg_verifier *v, struct tally_error *error);

/* The row of tally.attachment for this event; NULL: there is none. */
const struct tally_pg_attached *
tally_pg_attached_find(const struct tally_pg_verifier *v, int64_t epoch);

/* Tells which columns of the table are not what the epoch says. */
TALLY_MUST_CHECK int
tally_pg_columns_judge(struct tally_pg_verifier *v,
    const struct tally_pg_epoch *epoch, uint32_t root,
    const struct tally_pg_subject *subject, struct tally_error *error);

/* A column as it is now. */
struct tally_pg_live_column {
	int number;
	const char *name;
	const char *type; /* as the format names it */
	int64_t typmod;
	const struct tally_pg_fact *shape; /* shape.h; in any order */
};

/*
 * SQL: the name of the type with this oid as the format has it, with its
 * schema; with this modifier, or NULL.
 */
#define TALLY_PG_TYPE_NAME(oid, typmod) \
	"(SELECT CASE WHEN tb.oid IN (16, 20, 21, 23, 700, 701," \
	" 1042, 1043, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700)" \
	" THEN pg_catalog.format_type(tb.oid, " typmod ") ELSE" \
	" pg_catalog.quote_ident(tn.nspname) || '.' ||" \
	" pg_catalog.quote_ident(tb.typname) END ||" \
	" CASE WHEN tb.oid <> tt.oid THEN '[]' ELSE '' END" \
	" FROM pg_catalog.pg_type tt JOIN pg_catalog.pg_type tb" \
	" ON tb.oid = CASE WHEN tt.typlen = -1 AND tt.typelem <> 0 AND" \
	" tt.typcategory = 'A' AND tt.typstorage <> 'p'" \
	" THEN tt.typelem ELSE tt.oid END" \
	" JOIN pg_catalog.pg_namespace tn ON tn.oid = tb.typnamespace" \
	" WHERE tt.oid = " oid ")"

TALLY_MUST_CHECK int
tally_pg_columns_read(struct tally_pg_verifier *v, uint32_t relation,
    struct tally_pg_live_column **out, int *out_count,
    struct tally_error *error);

/*
 * Where a column of the epoch is in table, whose columns are live; of the
 * epoch's own relation they are root.  NULL and why, if it is not what it was.
 */
const struct tally_pg_live_column *
tally_pg_column_find(struct tally_pg_verifier *v,
    const struct tally_pg_epoch *epoch, int position,
    const struct tally_pg_live_column *root, int nroot,
    const struct tally_pg_live_column *live, int nlive, const char **out_why);

#endif
