/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event "origin" of tally:log, written and read.  Of each there is one
 * spelling, with the members in the order that RFC 8785 asks for; so a reader
 * may be lax, and compares what encoding again gives.
 */
#include "postgres.h"

#include "attempt.h"
#include "compat.h"
#include "origin_event.h"
#include "renderer.h"

#include "core/text.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/* ---- writing ---------------------------------------------------------- */

static void
add_string(StringInfo out, const char *before, const char *value)
{
	appendStringInfoString(out, before);
	if (!tally_render_quoted(out, value, strlen(value)))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("a text that is to be sealed is not valid UTF-8")));
}

static void
add_place(StringInfo out, const char *before, const struct tally_origin *place)
{
	appendStringInfo(out, "%s{\"cluster\":\"" UINT64_FORMAT "\"", before,
					 place->cluster);
	add_string(out, ",\"database\":", place->name);
	appendStringInfo(out, ",\"oid\":%u,\"record\":%u,\"timeline\":%u}",
					 place->database, place->record, place->timeline);
}

static void
add_heads(StringInfo out, const struct tally_origin_event *event)
{
	char		hash[2 * TALLY_HASH_SIZE + 1];
	int64		i;

	appendStringInfoString(out, ",\"heads\":[");
	for (i = 0; i < event->nchains; i++)
	{
		const struct tally_origin_head *head = &event->heads[i];

		tally_hex_format(head->hash.b, TALLY_HASH_SIZE, hash);
		hash[2 * TALLY_HASH_SIZE] = '\0';
		add_string(out, i == 0 ? "{\"chain\":" : ",{\"chain\":", head->chain);
		appendStringInfo(out, ",\"hash\":\"%s\",\"seq\":" UINT64_FORMAT "}",
						 hash, head->seq);
	}
	appendStringInfoChar(out, ']');
}

char *
tally_origin_event_encode(const struct tally_origin_event *event)
{
	StringInfoData out;

	initStringInfo(&out);
	add_string(&out, "{\"origin\":{\"by\":", event->by);
	appendStringInfo(&out, ",\"chains\":%lld", (long long) event->nchains);
	add_place(&out, ",\"from\":", &event->from);
	if (event->heads != NULL)
		add_heads(&out, event);
	add_string(&out, ",\"note\":", event->note);
	add_place(&out, ",\"to\":", &event->to);
	appendStringInfoString(&out, "}}");
	return out.data;
}

/* ---- reading ---------------------------------------------------------- */

/* The member as text, numbers as they are written; NULL: it is neither. */
static char *
get_text(JsonbContainer *object, const char *name)
{
	JsonbValue	value;
	Datum		number;

	if (getKeyJsonValueFromContainer(object, name, (int) strlen(name),
									 &value) == NULL)
		return NULL;
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	if (value.type != jbvNumeric)
		return NULL;
	number = NumericGetDatum(value.val.numeric);
	return DatumGetCString(DirectFunctionCall1(numeric_out, number));
}

static bool
get_number(JsonbContainer *object, const char *name, uint64 max, uint64 *out)
{
	char	   *text = get_text(object, name);
	uint64_t	number;

	if (text == NULL ||
		tally_decimal_parse(text, strlen(text), max, &number) != 0)
		return false;
	*out = number;
	return true;
}

static JsonbContainer *
get_container(JsonbContainer *object, const char *name)
{
	JsonbValue	value;

	if (getKeyJsonValueFromContainer(object, name, (int) strlen(name),
									 &value) == NULL ||
		value.type != jbvBinary)
		return NULL;
	return value.val.binary.data;
}

static bool
get_place(JsonbContainer *object, const char *name, struct tally_origin *out)
{
	JsonbContainer *place = get_container(object, name);
	uint64		database,
				record,
				timeline;

	if (place == NULL || !JsonContainerIsObject(place) ||
		!get_number(place, "cluster", PG_UINT64_MAX, &out->cluster) ||
		!get_number(place, "oid", PG_UINT32_MAX, &database) ||
		!get_number(place, "record", PG_UINT32_MAX, &record) ||
		!get_number(place, "timeline", PG_UINT32_MAX, &timeline))
		return false;
	out->name = get_text(place, "database");
	out->database = database;
	out->record = record;
	out->timeline = timeline;
	return out->name != NULL;
}

static bool
get_head(JsonbContainer *heads, uint32 i, struct tally_origin_head *out)
{
	JsonbValue *value = getIthJsonbValueFromContainer(heads, i);
	JsonbContainer *object;
	char	   *hash;

	if (value == NULL || value->type != jbvBinary)
		return false;
	object = value->val.binary.data;
	if (!JsonContainerIsObject(object) ||
		!get_number(object, "seq", TALLY_SEQ_MAX, &out->seq))
		return false;
	out->chain = get_text(object, "chain");
	hash = get_text(object, "hash");
	return out->chain != NULL && hash != NULL &&
		tally_hash_parse(hash, strlen(hash), &out->hash) == 0;
}

static bool
get_heads(JsonbContainer *object, struct tally_origin_event *event)
{
	JsonbContainer *heads = get_container(object, "heads");
	uint32		i;

	if (heads == NULL)
		return true;
	if (!JsonContainerIsArray(heads) ||
		JsonContainerSize(heads) != event->nchains)
		return false;
	event->heads = palloc_array(struct tally_origin_head, event->nchains);
	for (i = 0; i < event->nchains; i++)
	{
		if (!get_head(heads, i, &event->heads[i]))
			return false;
	}
	return true;
}

/* How deep the brackets of any such event are; deeper, jsonb_in recurses. */
#define DEPTH_MAX 4

static bool
is_shallow(const char *text)
{
	bool		in_string = false;
	int			depth = 0;

	for (; *text !='\0'; text ++)
	{
		if (in_string && *text == '\\' && text[1] != '\0')
			text	  ++;

		else if (*text == '"')
			in_string = !in_string;
		else if (!in_string && strchr("{[", *text) != NULL)
			depth++;
		else if (!in_string && strchr("]}", *text) != NULL)
			depth--;
		if (depth > DEPTH_MAX)
			return false;
	}
	return true;
}

/* What each begins with. */
#define HEAD "{\"origin\":"

struct reading
{
	const char *text;
	struct tally_origin_event *event;	/* NULL: it is none */
};

static void
parse(void *arg)
{
	struct reading *reading = arg;
	struct tally_origin_event *event = palloc0(sizeof(*event));
	Datum		json = DirectFunctionCall1(jsonb_in,
										   CStringGetDatum(reading->text));
	JsonbContainer *object = &DatumGetJsonbP(json)->root;
	uint64		nchains;

	if (!JsonContainerIsObject(object))
		return;
	object = get_container(object, "origin");
	if (object == NULL || !JsonContainerIsObject(object) ||
		!get_number(object, "chains", PG_INT64_MAX, &nchains) ||
		!get_place(object, "from", &event->from) ||
		!get_place(object, "to", &event->to))
		return;
	event->nchains = nchains;
	event->by = get_text(object, "by");
	event->note = get_text(object, "note");
	if (event->by == NULL || event->note == NULL || !get_heads(object, event))
		return;
	if (strcmp(tally_origin_event_encode(event), reading->text) == 0)
		reading->event = event;
}

struct tally_origin_event *
tally_origin_event_parse(const char *text)
{
	struct reading reading;

	/* All others of tally:log, without the cost of reading them. */
	if (strncmp(text, HEAD, strlen(HEAD)) != 0 || !is_shallow(text))
		return NULL;
	reading.text = text;

	reading.event = NULL;
	return tally_attempt(parse, &reading) ? reading.event : NULL;
}
