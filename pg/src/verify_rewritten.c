/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables that were rewritten (ddl_rewrite.c).
 */
#include "postgres.h"

#include "rewrite_event.h"
#include "store.h"
#include "verify_rewritten.h"

#include "access/htup_details.h"

/* The last rewriting of a table: all its rows of then have this xid. */
struct rewritten
{
	struct tally_rewrite *rewrite;
	int64		seq;			/* in tally:log */
	int64		found;			/* rows without a record */
};

static struct rewritten *
find(struct tally_verifier *v, Oid relation)
{
	ListCell   *cell;

	foreach(cell, v->rewritten)
	{
		struct rewritten *rewritten = lfirst(cell);

		if (rewritten->rewrite->relation == relation)
			return rewritten;
	}
	return NULL;
}

bool
tally_rewritten_replay(struct tally_verifier *v,
					   const struct tally_entry *entry)
{
	struct tally_rewrite *rewrite = tally_rewrite_parse(entry->event);
	struct rewritten *rewritten;

	if (rewrite == NULL)
		return false;
	rewritten = find(v, rewrite->relation);
	if (rewritten == NULL)
	{
		rewritten = palloc0(sizeof(*rewritten));
		v->rewritten = lappend(v->rewritten, rewritten);
	}
	rewritten->rewrite = rewrite;
	rewritten->seq = entry->seq;
	return true;
}

bool
tally_rewritten_is(struct tally_verifier *v, Oid relation,
				   const struct tally_use *use, HeapTuple tuple)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	const struct rewritten *rewritten = find(v, relation);

	/* One of another place was sealed before the table was attached here. */
	return rewritten != NULL && use->is_here &&
		rewritten->seq > use->attach_seq &&
		(TransactionId) rewritten->rewrite->xid == xmin;
}

bool
tally_rewritten_take(struct tally_verifier *v, Oid relation)
{
	struct rewritten *rewritten = find(v, relation);

	if (rewritten == NULL || rewritten->rewrite->rows == 0)
		return true;
	rewritten->found++;
	return false;
}

void
tally_rewritten_tell(struct tally_verifier *v)
{
	ListCell   *cell;

	foreach(cell, v->rewritten)
	{
		const struct rewritten *rewritten = lfirst(cell);
		const struct tally_rewrite *rewrite = rewritten->rewrite;
		struct tally_subject subject = {
			TALLY_LOG_CHAIN, rewritten->seq, rewrite->label
		};

		if (rewritten->found > rewrite->rows)
			tally_report_tell(v, TALLY_UNSEALED, &subject,
							  "no record seals %lld rows of table \"%s\", of which %lld at most needed none when it was rewritten",
							  (long long) rewritten->found, rewrite->table,
							  (long long) rewrite->rows);
		else if (rewritten->found > 0)
			tally_report_tell(v, TALLY_NOT_JUDGED, &subject,
							  "no record seals %lld rows of table \"%s\", which may have needed none when it was rewritten",
							  (long long) rewritten->found, rewrite->table);
	}
}
