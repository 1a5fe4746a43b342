/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the index lead to the heads?
 *
 * Nothing here is read through an index, but sealing finds the head of a chain
 * by it (P4).  If it shows an older record for the last one, the next one to
 * be sealed forks the chain.
 */
#include "postgres.h"

#include "compat.h"
#include "store.h"
#include "verify_chains.h"
#include "verify_index.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

/* The last seq of the chain, as the index has it; 0: none. */
static int64
find_last(IndexScanDesc scan, TupleTableSlot *slot, int64 chain_id)
{
	ScanKeyData key;
	bool		isnull;
	Datum		value;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(chain_id));
	index_rescan(scan, &key, 1, NULL, 0);
	if (!index_getnext_slot(scan, BackwardScanDirection, slot))
		return 0;
	value = slot_getattr(slot, TALLY_RECORD_SEQ, &isnull);
	return isnull ? 0 : DatumGetInt64(value);
}

void
tally_index_judge(struct tally_verifier *v)
{
	struct tally_chain *only = tally_chains_only(v);
	struct tally_chain *chain;
	TupleTableSlot *slot;
	IndexScanDesc scan;
	Relation	index;
	int			position = 0;

	if (!OidIsValid(v->record_seq) || v->scope.to != PG_INT64_MAX)
		return;
	index = index_open(v->record_seq, AccessShareLock);
	slot = table_slot_create(v->record, NULL);
	scan = index_beginscan(v->record, index, v->snapshot, NULL, 1, 0);
	while ((chain = tally_chains_next(v, &position)) != NULL)
	{
		struct tally_subject subject = {chain->seen.name, chain->seen.last_seq};

		CHECK_FOR_INTERRUPTS();
		/* Of a chain that does not fit together other things were told. */
		if (chain->suspect || chain->seen.last_seq == 0 ||
			(only != NULL && chain != only) ||
			find_last(scan, slot, chain->seen.id) == chain->seen.last_seq)
			continue;
		tally_report_tell(v, TALLY_DAMAGED, &subject,
						  "index \"record_seq\" does not show that it is the last of its chain: the next one would fork it");
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
}
