/* SPDX-License-Identifier: Apache-2.0 */
/* Heads that were kept elsewhere. */
#include "postgres.h"

#include "compat.h"
#include "verify_outside.h"

#include "core/text.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

struct tally_watch
{
	const char *name;
	struct tally_chain *chain;	/* NULL: there is no such chain */
	int64		seq;
	struct tally_hash hash;
	bool		is_seen;
	bool		is_equal;
	struct tally_watch *next;	/* of the same chain */
};

struct tally_outside
{
	int			count;
	struct tally_watch *watches;
};

/* ---- reading ---------------------------------------------------------- */

pg_noreturn static void refuse(int element, const char *what);

static void
refuse(int element, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("element %d of the heads %s", element + 1, what),
			 errhint("Heads are what SELECT json_agg(h) FROM tally.heads h gives.")));
}

/* A member as text, palloc'd; numbers as they are written. */
static char *
get_member(JsonbContainer *object, const char *name, int element)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(object, name, (int) strlen(name),
									 &value) == NULL)
		refuse(element, psprintf("has no \"%s\"", name));
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	if (value.type == jbvNumeric)
	{
		Datum		number = NumericGetDatum(value.val.numeric);

		return DatumGetCString(DirectFunctionCall1(numeric_out, number));
	}
	refuse(element, psprintf("has a \"%s\" that is neither text nor number",
							 name));
}

static void
read_head(struct tally_verifier *v, JsonbContainer *object, int element,
		  struct tally_watch *watch)
{
	char	   *seq = get_member(object, "seq", element);
	char	   *hash = get_member(object, "hash", element);
	uint64_t	number;

	watch->name = get_member(object, "chain", element);
	if (tally_decimal_parse(seq, strlen(seq), TALLY_SEQ_MAX, &number) != 0 ||
		number == 0)
		refuse(element, "has a \"seq\" that is none");
	watch->seq = (int64) number;
	if (strncmp(hash, "\\x", 2) == 0)
		hash += 2;
	if (tally_hash_parse(hash, strlen(hash), &watch->hash) != 0)
		refuse(element, "has a \"hash\" that is not 64 hexadecimal digits");
	watch->chain = tally_chains_find(v, watch->name);
	if (watch->chain == NULL)
		return;
	watch->next = watch->chain->watch;
	watch->chain->watch = watch;
}

void
tally_outside_load(struct tally_verifier *v, const char *heads)
{
	Datum		parsed = DirectFunctionCall1(jsonb_in, CStringGetDatum(heads));
	Jsonb	   *json = DatumGetJsonbP(parsed);
	JsonbValue *value;
	int			count;
	int			i;

	if (!JB_ROOT_IS_ARRAY(json) || JB_ROOT_IS_SCALAR(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the heads are no array"),
				 errhint("Heads are what SELECT json_agg(h) FROM tally.heads h gives.")));
	count = JB_ROOT_COUNT(json);
	v->outside = palloc(sizeof(*v->outside));
	v->outside->count = count;
	v->outside->watches = palloc0_array(struct tally_watch, count + 1);
	for (i = 0; i < count; i++)
	{
		value = getIthJsonbValueFromContainer(&json->root, i);
		if (value->type != jbvBinary ||
			!JsonContainerIsObject(value->val.binary.data))
			refuse(i, "is no object");
		read_head(v, value->val.binary.data, i, &v->outside->watches[i]);
	}
}

/* ---- judging ---------------------------------------------------------- */

void
tally_outside_pass(struct tally_chain *chain, int64 seq,
				   const struct tally_step *step)
{
	struct tally_watch *watch;

	for (watch = chain->watch; watch != NULL; watch = watch->next)
	{
		if (watch->seq != seq)
			continue;
		watch->is_seen = true;
		if ((step->has_hash && tally_hash_equal(&step->hash, &watch->hash)) ||
			(step->has_computed &&
			 tally_hash_equal(&step->computed, &watch->hash)))
			watch->is_equal = true;
	}
}

static void
judge(struct tally_verifier *v, const struct tally_watch *watch)
{
	struct tally_subject subject = {watch->name, watch->seq};
	struct tally_chain *only = tally_chains_only(v);

	if (only != NULL && watch->chain != only)
		return;
	if (watch->chain == NULL)
		tally_report_tell(v, TALLY_MISSING, &subject,
						  "the chain is not there, and a head of its record %lld was given",
						  (long long) watch->seq);
	else if (watch->is_seen && !watch->is_equal)
		tally_report_tell(v, TALLY_ROLLED_BACK, &subject,
						  "the head that was given for this record has another hash");
	else if (!watch->is_seen && watch->chain->seen.last_seq > 0 &&
			 watch->seq > watch->chain->seen.last_seq &&
			 v->scope.to == PG_INT64_MAX)
	{
		subject.seq = watch->chain->seen.last_seq + 1;
		tally_report_tell(v, TALLY_TRUNCATED, &subject,
						  "the chain ends before this record, and a head of its record %lld was given",
						  (long long) watch->seq);
	}
}

void
tally_outside_judge(struct tally_verifier *v)
{
	int			i;

	for (i = 0; v->outside != NULL && i < v->outside->count; i++)
		judge(v, &v->outside->watches[i]);
}

int
tally_outside_count(struct tally_verifier *v)
{
	return v->outside == NULL ? 0 : v->outside->count;
}

int64
tally_outside_unwatched(struct tally_verifier *v)
{
	struct tally_chain *only = tally_chains_only(v);
	struct tally_chain *chain;
	int64		count = 0;
	int			position = 0;

	while ((chain = tally_chains_next(v, &position)) != NULL)
		count += chain->seen.records > 0 && chain->watch == NULL &&
			(only == NULL || chain == only);
	return count;
}
