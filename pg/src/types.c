/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which types can be rendered.
 *
 * An explicit list of built-in types, each decided after reading its output
 * function: what reads a catalog, or prints what another version of
 * PostgreSQL prints otherwise, is not on it.  A type that is on neither list
 * is refused; a newer PostgreSQL's are, until somebody has looked.
 *
 * No output function of an accepted type runs a user's code.  Pinning the
 * settings depends on that (pin.c).
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "types.h"

/* Composites in composites; a bound that nobody meets. */
#define DEPTH_MAX 64

static bool type_is_stable(Oid type, int depth, int *needs, char **out_why);

/* What a built-in base type needs, or -1 if it is not on the list. */
static int
base_needs(Oid type)
{
	switch (type)
	{
		case BOOLOID:
		case CHAROID:
		case NAMEOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case OIDOID:
		case XIDOID:
		case XID8OID:
		case CIDOID:
		case TIDOID:
		case INT2VECTOROID:
		case OIDVECTOROID:
		case BITOID:
		case VARBITOID:
		case UUIDOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
		case JSONOID:
		case JSONBOID:
		case JSONPATHOID:
		case XMLOID:
		case TSVECTOROID:
		case TSQUERYOID:
		case PG_LSNOID:
		case PG_SNAPSHOTOID:
		case TXID_SNAPSHOTOID:
		case REFCURSOROID:
			return TALLY_NEEDS_NOTHING;
		case FLOAT4OID:
		case FLOAT8OID:
		case BYTEAOID:
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
		case INTERVALOID:
		case POINTOID:
		case LSEGOID:
		case PATHOID:
		case BOXOID:
		case POLYGONOID:
		case LINEOID:
		case CIRCLEOID:
			return TALLY_NEEDS_SETTINGS;
		case MONEYOID:
			return TALLY_NEEDS_MONETARY;
		default:
			return -1;
	}
}

/* Why a type is refused. */
static char *
refusal(Oid type, char kind, int depth)
{
	char	   *name = format_type_be(type);
	Oid			extension;

	if (depth >= DEPTH_MAX)
		return psprintf("type \"%s\" is nested too deeply", name);
	if (kind == TYPTYPE_PSEUDO)
		return psprintf("type \"%s\" is a pseudo-type", name);

	switch (type)
	{
		case REGPROCOID:
		case REGPROCEDUREOID:
		case REGOPEROID:
		case REGOPERATOROID:
		case REGCLASSOID:
		case REGCOLLATIONOID:
		case REGTYPEOID:
		case REGROLEOID:
		case REGNAMESPACEOID:
		case REGCONFIGOID:
		case REGDICTIONARYOID:
			return psprintf("type \"%s\" prints the names of objects, which can change",
							name);
		case ACLITEMOID:
			return psprintf("type \"%s\" prints the names of roles, which can change",
							name);
		case PG_NODE_TREEOID:
		case PG_NDISTINCTOID:
		case PG_DEPENDENCIESOID:
		case PG_MCV_LISTOID:
		case PG_BRIN_BLOOM_SUMMARYOID:
		case PG_BRIN_MINMAX_MULTI_SUMMARYOID:
		case GTSVECTOROID:
			return psprintf("type \"%s\" is for PostgreSQL's own use, and its text differs between versions",
							name);
	}
	if (type < FirstNormalObjectId)
		return psprintf("type \"%s\" is not known to this version of tally",
						name);
	extension = getExtensionOfObject(TypeRelationId, type);
	if (OidIsValid(extension))
		return psprintf("type \"%s\" of extension \"%s\" has an output function that can change",
						name, get_extension_name(extension));
	return psprintf("type \"%s\" has an output function of its own, which can change",
					name);
}

static bool
composite_is_stable(Oid type, int depth, int *needs, char **out_why)
{
	TupleDesc	columns = lookup_rowtype_tupdesc(type, -1);
	bool		is_stable = true;
	int			i;

	for (i = 0; i < columns->natts && is_stable; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (!column->attisdropped)
			is_stable = type_is_stable(column->atttypid, depth + 1, needs,
									   out_why);
	}
	ReleaseTupleDesc(columns);
	return is_stable;
}

Oid
tally_type_contained(Oid type)
{
	switch (get_typtype(type))
	{
		case TYPTYPE_RANGE:
			return get_range_subtype(type);
		case TYPTYPE_MULTIRANGE:
			return get_multirange_range(type);
		default:
			return get_element_type(type);
	}
}

/* To bring itself into one form, of the many that mean the same. */
static bool
has_canonical_function(Oid range)
{
	TypeCacheEntry *entry = lookup_type_cache(range, TYPECACHE_RANGE_INFO);

	return entry->rng_canonical_finfo.fn_oid >= FirstNormalObjectId;
}

static bool
type_is_stable(Oid type, int depth, int *needs, char **out_why)
{
	int			base;
	char		kind;
	Oid			contained;

	check_stack_depth();
	/* Its constraints; of a domain by itself, a cast tells. */
	if (depth > 0 && get_typtype(type) == TYPTYPE_DOMAIN)
		*needs |= TALLY_MAY_CALL;
	type = getBaseType(type);
	base = base_needs(type);
	if (base >= 0)
	{
		*needs |= base;
		return true;
	}
	kind = get_typtype(type);
	if (kind == TYPTYPE_ENUM)
		return true;
	if (kind == TYPTYPE_RANGE && has_canonical_function(type))
		*needs |= TALLY_MAY_CALL;
	if (kind == TYPTYPE_COMPOSITE && depth < DEPTH_MAX)
		return composite_is_stable(type, depth, needs, out_why);
	contained = tally_type_contained(type);
	if (OidIsValid(contained) && depth < DEPTH_MAX)
		return type_is_stable(contained, depth + 1, needs, out_why);
	*out_why = refusal(type, kind, depth);
	return false;
}

bool
tally_type_is_stable(Oid type, int *out_needs, char **out_why)
{
	int			needs = TALLY_NEEDS_NOTHING;

	if (!type_is_stable(type, 0, &needs, out_why))
		return false;
	*out_needs = needs;
	return true;
}

/*
 * Types that newer versions name without their schema: json is a word of the
 * grammar since PostgreSQL 17.  Were an epoch sealed by the one name and held
 * against the other, no table with such a column would survive an upgrade.
 */
static const char *
name_of_before(Oid type)
{
	if (type == JSONOID)
		return "pg_catalog.json";
	return type == JSONARRAYOID ? "pg_catalog.json[]" : NULL;
}

static char *
qualified_name(Oid type, int32 typmod)
{
	if (name_of_before(type) != NULL)
		return pstrdup(name_of_before(type));
	if (typmod >= 0)
		return format_type_extended(type, typmod, FORMAT_TYPE_FORCE_QUALIFY |
									FORMAT_TYPE_TYPEMOD_GIVEN);
	return format_type_extended(type, typmod, FORMAT_TYPE_FORCE_QUALIFY);
}

char *
tally_type_name(Oid type, int32 typmod)
{
	bool		saved = quote_all_identifiers;
	char	   *name = NULL;

	/* What an event says of a type does not depend on the session (P2). */
	quote_all_identifiers = false;
	PG_TRY();
	{
		name = qualified_name(type, typmod);
	}
	PG_FINALLY();
	{
		quote_all_identifiers = saved;
	}
	PG_END_TRY();
	return name;
}
