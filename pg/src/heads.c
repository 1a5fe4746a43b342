/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads and receipts.  Each is read under the query's snapshot, then waited
 * for, then shown (P9).
 */
#include "postgres.h"

#include "durable.h"
#include "result.h"
#include "store.h"

#include "access/table.h"
#include "access/tableam.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* (seq, hash, time), or nulls. */
static Datum
head_row(FunctionCallInfo fcinfo, const struct tally_stored_head *head)
{
	bool		none = head->seq == 0;
	bool		nulls[3] = {none, none, none};
	Datum		values[3];

	values[0] = Int64GetDatum((int64) head->seq);
	values[1] = tally_result_hash(&head->hash);
	values[2] = TimestampTzGetDatum(head->time);
	return tally_result_row(fcinfo, values, nulls);
}

static int64
find_chain(const text *name)
{
	return tally_store_find_chain(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name),
								  GetActiveSnapshot());
}

PG_FUNCTION_INFO_V1(tally_sql_head);

/* tally.head(chain): nulls if there is no such chain. */
Datum
tally_sql_head(PG_FUNCTION_ARGS)
{
	int64		chain = find_chain(PG_GETARG_TEXT_PP(0));
	struct tally_stored_head head = {0};

	if (chain != 0)
		tally_store_read_head(chain, GetActiveSnapshot(), &head);
	tally_durable_wait();
	return head_row(fcinfo, &head);
}

PG_FUNCTION_INFO_V1(tally_sql_receipt);

/* tally.receipt(chain, id): nulls if there is no such record. */
Datum
tally_sql_receipt(PG_FUNCTION_ARGS)
{
	int64		chain = find_chain(PG_GETARG_TEXT_PP(0));
	text	   *id = PG_GETARG_TEXT_PP(1);
	struct tally_stored_head head = {0};

	if (chain != 0)
		(void) tally_store_find_id(chain, VARDATA_ANY(id),
								   VARSIZE_ANY_EXHDR(id),
								   GetActiveSnapshot(), &head, NULL);
	tally_durable_wait();
	return head_row(fcinfo, &head);
}

/* Puts the head of the chain in slot, if it has one. */
static void
put_head(ReturnSetInfo *result, TupleTableSlot *slot)
{
	struct tally_stored_head head;
	Datum		values[4];
	bool		nulls[4] = {false};
	int64		chain;

	chain = DatumGetInt64(slot_getattr(slot, TALLY_CHAIN_ID, &nulls[0]));
	values[0] = slot_getattr(slot, TALLY_CHAIN_NAME, &nulls[0]);
	tally_store_read_head(chain, GetActiveSnapshot(), &head);
	if (head.seq == 0)
		return;
	values[1] = Int64GetDatum((int64) head.seq);
	values[2] = tally_result_hash(&head.hash);
	values[3] = TimestampTzGetDatum(head.time);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	pfree(DatumGetPointer(values[2]));
}

PG_FUNCTION_INFO_V1(tally_sql_head_list);

/* The heads of all chains, for tally.heads. */
Datum
tally_sql_head_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	TupleTableSlot *slot;
	TableScanDesc scan;
	Relation	rel;

	InitMaterializedSRF(fcinfo, 0);
	rel = table_open(tally_store_tables()->chain, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		put_head(result, slot);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	tally_durable_wait();
	return (Datum) 0;
}
