/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains that are kept in PostgreSQL, from outside: libtally-pg, over libpq.
 *
 * Nothing that runs in the server is trusted but PostgreSQL itself: records
 * and rows are read with COPY under one snapshot, and hashed and judged here.
 * No call writes to the database.
 */
#ifndef TALLY_PG_H
#define TALLY_PG_H

#include <tally/error.h>
#include <tally/verify.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Verifies all that the extension sealed in the database that conninfo (a
 * string or URI of libpq) leads to.  Of options, which may be NULL, jobs (of
 * connections, 64 at most; 0: as many as there are processors), chain, heads,
 * heads_complete, finding, progress and arg count.  root, ids and resume are
 * refused.  A finding's chain, source, key and detail live until the callback
 * returns; index and file are never known.
 *
 * Returns 0 with a verdict, whatever that is; its size is that of records,
 * and its root is zeros: a database has no order between chains.
 * TALLY_PARTIAL if progress interrupted it; TALLY_END if there is no such
 * chain; TALLY_E_NO_LOG if the database has no tables of tally;
 * TALLY_E_ACCESS with the right that is missing; TALLY_E_DAMAGED if tally's
 * own tables are not what they are to be; TALLY_E_IO if the server cannot be
 * reached.  A table whose rows cannot be read is a finding, no error.
 */
TALLY_API TALLY_MUST_CHECK int
tally_pg_verify(const char *conninfo,
    const struct tally_verify_options *options,
    struct tally_verdict *out_verdict, struct tally_error *error);

#ifdef __cplusplus
}
#endif
#endif
