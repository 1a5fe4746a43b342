/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "core/fail.h"
#include "pgclient/attached.h"
#include "pgclient/configuration.h"
#include "pgclient/entries.h"
#include "pgclient/session.h"

static int
take_entry(struct tally_pg_verifier *v, struct tally_pg_worker *worker,
    const struct tally_pg_record *record, struct tally_error *error)
{
	(void)worker;
	return tally_pg_entries_take(v, record, error);
}

int
tally_pg_configuration_read(struct tally_pg_verifier *v,
    struct tally_error *error)
{
	char filter[64];
	int result = tally_pg_catalog_judge(v, error);

	if (result == 0)
		result = tally_pg_chains_load(v, error);
	if (result == 0 && v->chains.log == NULL)
		return tally_fail(error, TALLY_END,
		    "nothing was attached yet in database \"%s\"",
		    v->server.database);
	if (result == 0)
		result = tally_pg_entries_open(v, error);
	if (result == 0)
		result = tally_pg_sources_open(v, error);
	if (result != 0)
		return result;
	snprintf(filter, sizeof(filter), "r.chain_id = %" PRId64,
	    v->chains.log->seen.id);
	result = tally_pg_records_walk(v, filter, take_entry, error);
	if (result == 0)
		result = tally_pg_sources_load(v, error);
	return result != 0 ? result : tally_pg_attached_judge(v, error);
}
