/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/fail.h"
#include "pgclient/ids.h"

/* Each record but the first that has an id of its chain. */
static const char again_sql[] =
    "SELECT s.chain_id, s.seq, s.first FROM (SELECT r.chain_id, r.seq,"
    " pg_catalog.min(r.seq) OVER (PARTITION BY r.chain_id,"
    " r.id COLLATE pg_catalog.\"C\") AS first"
    " FROM ONLY tally.record AS r WHERE r.id IS NOT NULL%s) AS s"
    " WHERE s.seq > s.first ORDER BY 1, 2";

int
tally_pg_ids_judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	const struct tally_pg_chain *only = v->chains.only;
	const char *filter = only == NULL
	    ? ""
	    : tally_pg_arena_format(&v->arena, " AND r.chain_id = %" PRId64,
		  only->seen.id);
	const char *sql = filter == NULL
	    ? NULL
	    : tally_pg_arena_format(&v->arena, again_sql, filter);
	PGresult *rows;
	int result;

	if (sql == NULL)
		return tally_pg_no_memory(error);
	result = tally_pg_conn_query(&v->pool.first, sql, 0, NULL, &rows,
	    error);
	if (result != 0)
		return result;
	for (int i = 0; i < PQntuples(rows); i++) {
		const struct tally_pg_chain *chain = tally_pg_chains_get(v,
		    strtoll(PQgetvalue(rows, i, 0), NULL, 10));
		struct tally_pg_subject subject = {
			.chain = chain == NULL ? NULL : chain->seen.name,
			.seq = strtoll(PQgetvalue(rows, i, 1), NULL, 10),
		};

		tally_pg_tell(v, TALLY_DUPLICATE, &subject,
		    "its id is that of record %s", PQgetvalue(rows, i, 2));
	}
	PQclear(rows);
	return 0;
}
