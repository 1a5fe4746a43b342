/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event "rewrite", written and read.
 */
#include "postgres.h"

#include "event_text.h"
#include "rewrite_event.h"

/* What each begins with. */
#define HEAD "{\"rewrite\":"

char *
tally_rewrite_encode(const struct tally_rewrite *rewrite)
{
	StringInfoData out;

	initStringInfo(&out);
	tally_text_add(&out, HEAD "{\"label\":", rewrite->label);
	appendStringInfo(&out, ",\"relation\":%u,\"rows\":%lld",
					 rewrite->relation, (long long) rewrite->rows);
	tally_text_add(&out, ",\"table\":", rewrite->table);
	appendStringInfo(&out, ",\"xid\":\"" UINT64_FORMAT "\"}}", rewrite->xid);
	return out.data;
}

struct tally_rewrite *
tally_rewrite_parse(const char *text)
{
	struct tally_rewrite *rewrite;
	struct tally_text_reader reader;
	char	   *again;
	bool		same;

	if (strncmp(text, HEAD, strlen(HEAD)) != 0 ||
		!tally_text_open(text, &reader))
		return NULL;
	rewrite = palloc0(sizeof(*rewrite));
	if (!tally_text_string(&reader, HEAD "{\"label\":", &rewrite->label) ||
		!tally_text_relation(&reader, &rewrite->relation) ||
		!tally_text_number(&reader, ",\"rows\":", PG_INT64_MAX,
						   &rewrite->rows) ||
		!tally_text_string(&reader, ",\"table\":", &rewrite->table) ||
		!tally_text_uint64(&reader, ",\"xid\":", &rewrite->xid) ||
		!tally_text_skip(&reader, "}}") || reader.p != reader.end)
		return NULL;
	again = tally_rewrite_encode(rewrite);
	same = strcmp(again, text) == 0;
	pfree(again);
	return same ? rewrite : NULL;
}
