/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A column's value as text.
 *
 * The commonest types are formatted here: their output functions do the same
 * (and are what a test holds these ways against), but by way of a copy, of
 * settings, or of snprintf.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "core/text.h"
#include "types.h"
#include "value.h"

static enum tally_way
way_of(Oid type)
{
	switch (getBaseType(type))
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case JSONOID:
			return TALLY_WAY_TEXT;
		case BOOLOID:
			return TALLY_WAY_BOOL;
		case INT2OID:
			return TALLY_WAY_INT2;
		case INT4OID:
			return TALLY_WAY_INT4;
		case INT8OID:
			return TALLY_WAY_INT8;
		case UUIDOID:
			return TALLY_WAY_UUID;
		case DATEOID:
			return TALLY_WAY_DATE;
		case TIMESTAMPOID:
			return TALLY_WAY_TIMESTAMP;
		case TIMESTAMPTZOID:
			return TALLY_WAY_TIMESTAMPTZ;
		default:
			return TALLY_WAY_OUTPUT;
	}
}

void
tally_value_init(struct tally_value *value, Oid type, int *needs)
{
	Oid			output;
	bool		is_varlena;

	value->way = way_of(type);
	if (value->way != TALLY_WAY_OUTPUT)
		*needs = TALLY_NEEDS_NOTHING;
	getTypeOutputInfo(type, &output, &is_varlena);
	fmgr_info_cxt(output, &value->output, CurrentMemoryContext);
}

static void
set_uuid(struct tally_value *value, Datum datum)
{
	static const int groups[] = {4, 2, 2, 2, 6};
	const unsigned char *bytes = DatumGetUUIDP(datum)->data;
	char	   *out = value->small;
	int			i;

	for (i = 0; i < lengthof(groups); i++)
	{
		if (i > 0)
			*out++ = '-';
		tally_hex_format(bytes, groups[i], out);
		bytes += groups[i];
		out += 2 * groups[i];
	}
	value->len = out - value->small;
}

static void
set_date(struct tally_value *value, DateADT date)
{
	struct pg_tm tm;

	if (DATE_NOT_FINITE(date))
		EncodeSpecialDate(date, value->small);
	else
	{
		j2date(date + POSTGRES_EPOCH_JDATE, &tm.tm_year, &tm.tm_mon,
			   &tm.tm_mday);
		EncodeDateOnly(&tm, USE_ISO_DATES, value->small);
	}
	value->len = strlen(value->small);
}

/* UTC is the zone of offset 0, so no rules of a time zone are asked. */
static void
set_timestamp(struct tally_value *value, Timestamp timestamp, bool has_zone)
{
	struct pg_tm tm;
	fsec_t		fraction;

	if (TIMESTAMP_NOT_FINITE(timestamp))
		EncodeSpecialTimestamp(timestamp, value->small);
	else if (timestamp2tm(timestamp, NULL, &tm, &fraction, NULL, NULL) == 0)
	{
		/* Not asked for a zone, it says that it knows none. */
		tm.tm_isdst = 0;
		EncodeDateTime(&tm, fraction, has_zone, 0, NULL, USE_ISO_DATES,
					   value->small);
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	value->len = strlen(value->small);
}

static void
set_text(struct tally_value *value, Datum datum)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(datum);

	value->str = VARDATA_ANY(bytes);
	value->len = VARSIZE_ANY_EXHDR(bytes);
}

static void
set_output(struct tally_value *value, Datum datum)
{
	value->str = OutputFunctionCall(&value->output, datum);
	value->len = strlen(value->str);
}

bool
tally_value_set(struct tally_value *value, Datum datum)
{
	value->str = value->small;
	switch (value->way)
	{
		case TALLY_WAY_TEXT:
			set_text(value, datum);
			return false;
		case TALLY_WAY_OUTPUT:
			set_output(value, datum);
			return false;
		case TALLY_WAY_BOOL:
			value->small[0] = DatumGetBool(datum) ? 't' : 'f';
			value->len = 1;
			break;
		case TALLY_WAY_INT2:
			value->len = pg_itoa(DatumGetInt16(datum), value->small);
			break;
		case TALLY_WAY_INT4:
			value->len = pg_ltoa(DatumGetInt32(datum), value->small);
			break;
		case TALLY_WAY_INT8:
			value->len = pg_lltoa(DatumGetInt64(datum), value->small);
			break;
		case TALLY_WAY_UUID:
			set_uuid(value, datum);
			break;
		case TALLY_WAY_DATE:
			set_date(value, DatumGetDateADT(datum));
			break;
		case TALLY_WAY_TIMESTAMP:
			set_timestamp(value, DatumGetTimestamp(datum), false);
			break;
		case TALLY_WAY_TIMESTAMPTZ:
			set_timestamp(value, DatumGetTimestampTz(datum), true);
			break;
	}
	return true;
}
