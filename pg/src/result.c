/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the functions that SQL calls give back.
 */
#include "postgres.h"

#include "result.h"

#include "access/htup_details.h"
#include "funcapi.h"

Datum
tally_result_hash(const struct tally_hash *hash)
{
	bytea	   *bytes = palloc(VARHDRSZ + sizeof(hash->b));

	SET_VARSIZE(bytes, VARHDRSZ + sizeof(hash->b));
	memcpy(VARDATA(bytes), hash->b, sizeof(hash->b));
	return PointerGetDatum(bytes);
}

Datum
tally_result_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values,
											 nulls));
}
