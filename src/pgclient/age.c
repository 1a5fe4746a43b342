/* SPDX-License-Identifier: Apache-2.0 */
/* How old is a row that no record seals? */
#include <stdio.h>
#include <string.h>

#include "pgclient/sources.h"

bool
tally_pg_age_is_here(const struct tally_pg_verifier *v,
    const struct tally_pg_epoch *epoch)
{
	return epoch->cluster == v->server.cluster &&
	    strcmp(epoch->database, v->server.database) == 0;
}

int
tally_pg_age_look(struct tally_pg_verifier *v, struct tally_pg_epoch *epoch,
    struct tally_error *error)
{
	static const char sql[] = "SELECT FROM pg_catalog.pg_class AS c"
				  " WHERE c.oid = $1::pg_catalog.oid";
	char oid[16];
	const char *params[] = { oid };
	PGresult *rows;
	int result;

	if (!tally_pg_age_is_here(v, epoch))
		return 0;
	snprintf(oid, sizeof(oid), "%u", (unsigned)epoch->relation);
	result = tally_pg_conn_query(&v->pool.first, sql, 1, params, &rows,
	    error);
	if (result != 0)
		return result;
	epoch->is_there = PQntuples(rows) > 0;
	PQclear(rows);
	return 0;
}

/* May it have been running at that moment? */
static bool
is_between(uint64_t xid, uint64_t since, uint64_t moment)
{
	return xid >= since && xid < moment;
}

/*
 * A row's xmin has 32 bits, the xids of epochs 64.  A row that is not frozen
 * is younger than 2^31 transactions, so the higher bits are known.  A frozen
 * one may be older by any number of wraps, and SQL does not tell which is
 * which; younger than what its xmin says it is not.
 */
enum tally_pg_age
tally_pg_age_judge(const struct tally_pg_verifier *v,
    const struct tally_pg_source *source, uint32_t xmin,
    struct tally_pg_use **out_use)
{
	uint64_t next = v->server.next_xid;
	uint64_t xid = (next & ~(uint64_t)UINT32_MAX) | xmin;
	struct tally_pg_use *found = NULL;

	*out_use = NULL;
	if (xmin < 3 || !source->is_here)
		return TALLY_PG_AGE_UNKNOWN;
	if (xid >= next && xid > UINT32_MAX)
		xid -= (uint64_t)1 << 32;
	for (struct tally_pg_use *use = source->uses; use != NULL;
	     use = use->next) {
		if (is_between(xid, use->epoch->since, use->epoch->xid) ||
		    (use->detach_seq != 0 &&
			is_between(xid, use->detach_since, use->detach_xid)))
			return TALLY_PG_AGE_UNKNOWN;
		if (use->epoch->xid <= xid)
			found = use;
	}
	if (found == NULL)
		return TALLY_PG_AGE_LEGACY;
	if (xid > UINT32_MAX)
		return TALLY_PG_AGE_UNKNOWN;
	*out_use = found;
	if (found->detach_seq == 0 || xid < found->detach_xid)
		return TALLY_PG_AGE_SEALED;
	return found == source->last ? TALLY_PG_AGE_AFTER
				     : TALLY_PG_AGE_BETWEEN;
}
