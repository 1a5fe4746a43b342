/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row's canonical event, key and chain.
 *
 * This is in the path of every row, so all that can be is prepared: the
 * members stand in the order of RFC 8785 with their names quoted, and output
 * functions are looked up once.  Text is quoted from where it lies in the row.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/rel.h"

#include <tally/record.h>

#include "chain.h"
#include "columns.h"
#include "compat.h"
#include "core/jcs.h"
#include "hasher.h"
#include "pin.h"
#include "render.h"
#include "types.h"
#include "value.h"

/* Up to here a buffer gets the room that quoting could ever need. */
#define SHORT_TEXT (16 * 1024)

/* A member of "row". */
struct member
{
	const struct tally_column *column;
	AttrNumber	number;			/* in the relation that is rendered */
	const char *name;			/* quoted, with a comma and a colon */
	int			name_len;
	struct tally_value value;	/* in the row at hand */
};

struct tally_renderer
{
	const struct tally_epoch *epoch;
	MemoryContext scratch;		/* of one row */
	int			needs;			/* bits of types.h */
	AttrNumber	last;			/* no column behind it is looked at */
	int			nmembers;
	struct member *members;		/* in the order of their names */
	struct tally_value **keys;	/* epoch->nkeys of them, in the key's order */
	struct tally_value *chain_by;	/* or NULL */
	StringInfoData tail;		/* },"table":"<label>"} */
};

/* Quotes a string at the end of out; false if it is not valid UTF-8. */
static inline bool
append_quoted(StringInfo out, const char *str, Size len)
{
	size_t		quoted;

	enlargeStringInfo(out, len <= SHORT_TEXT ? TALLY_JCS_QUOTED_MAX(len) :
					  tally_jcs_measure(str, len));
	quoted = tally_jcs_quote(str, len, out->data + out->len);
	out->len += quoted;
	out->data[out->len] = '\0';
	return quoted > 0;
}

/* ---- a renderer ------------------------------------------------------- */

static int
compare_names(const void *a, const void *b)
{
	const char *x = ((const struct member *) a)->column->name;
	const char *y = ((const struct member *) b)->column->name;

	return tally_jcs_compare(x, strlen(x), y, strlen(y));
}

static void
prepare_member(struct member *member)
{
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfoChar(&name, ',');
	if (!append_quoted(&name, member->column->name,
					   strlen(member->column->name)))
		elog(ERROR, "name of a column is not valid UTF-8");
	appendStringInfoChar(&name, ':');
	member->name = name.data;
	member->name_len = name.len;
}

/* Looks the type up; false with the reason if it is not rendered any more. */
static bool
prepare_type(struct tally_renderer *renderer, struct member *member, Oid type,
			 char **out_why)
{
	int			needs;

	if (!tally_type_is_stable(type, &needs, out_why))
	{
		*out_why = psprintf("column \"%s\" of table \"%s\" cannot be rendered: %s",
							member->column->name, renderer->epoch->table,
							*out_why);
		return false;
	}
	tally_value_init(&member->value, type, &needs);
	renderer->needs |= needs;
	return true;
}

static bool
prepare_members(struct tally_renderer *renderer, Relation rel, char **out_why)
{
	const struct tally_epoch *epoch = renderer->epoch;
	AttrNumber *numbers = tally_columns_find(epoch, rel, out_why);
	struct member *member;
	int			i;

	if (numbers == NULL)
		return false;
	renderer->nmembers = epoch->ncolumns;
	renderer->members = palloc0_array(struct member, epoch->ncolumns);
	for (i = 0; i < epoch->ncolumns; i++)
	{
		member = &renderer->members[i];
		member->column = &epoch->columns[i];
		member->number = numbers[i];
		renderer->last = Max(renderer->last, numbers[i]);
		prepare_member(member);
		if (!prepare_type(renderer, member,
						  TupleDescAttr(RelationGetDescr(rel),
										numbers[i] - 1)->atttypid, out_why))
			return false;
	}
	qsort(renderer->members, renderer->nmembers, sizeof(struct member),
		  compare_names);
	return true;
}

static struct tally_value *
value_of(struct tally_renderer *renderer, int position)
{
	const struct tally_column *column = &renderer->epoch->columns[position];
	int			i = 0;

	while (renderer->members[i].column != column)
		i++;
	return &renderer->members[i].value;
}

static bool
prepare(struct tally_renderer *renderer, Relation rel, char **out_why)
{
	const struct tally_epoch *epoch = renderer->epoch;
	int			i;

	if (!prepare_members(renderer, rel, out_why))
		return false;
	renderer->keys = palloc_array(struct tally_value *, epoch->nkeys);
	for (i = 0; i < epoch->nkeys; i++)
		renderer->keys[i] = value_of(renderer, epoch->keys[i]);
	if (epoch->chain_by >= 0)
		renderer->chain_by = value_of(renderer, epoch->chain_by);

	initStringInfo(&renderer->tail);
	appendStringInfoString(&renderer->tail, "},\"table\":");
	if (!append_quoted(&renderer->tail, epoch->label, strlen(epoch->label)))
		elog(ERROR, "label of a table is not valid UTF-8");
	appendStringInfoChar(&renderer->tail, '}');
	renderer->scratch = AllocSetContextCreate(CurrentMemoryContext,
											  "tally row",
											  ALLOCSET_DEFAULT_SIZES);
	return true;
}

struct tally_renderer *
tally_renderer_new(const struct tally_epoch *epoch, Relation rel,
				   bool missing_ok, char **out_why)
{
	struct tally_renderer *renderer = palloc0_object(struct tally_renderer);
	char	   *why;

	renderer->epoch = epoch;
	if (prepare(renderer, rel, &why))
		return renderer;
	if (!missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", why),
				 errhint(TALLY_COLUMNS_HINT)));
	*out_why = why;
	return NULL;
}

/* ---- a row ------------------------------------------------------------ */

static void report_not_utf8(const struct tally_renderer *renderer,
							const struct member *member)
			pg_attribute_noreturn();
static void report_too_long(const struct tally_renderer *renderer)
			pg_attribute_noreturn();

static void
report_not_utf8(const struct tally_renderer *renderer,
				const struct member *member)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
			 errmsg("column \"%s\" of table \"%s\" holds bytes that are not valid UTF-8",
					member->column->name, renderer->epoch->table)));
}

static void
report_too_long(const struct tally_renderer *renderer)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("row of table \"%s\" is longer than 16 MiB as an event",
					renderer->epoch->table),
			 errhint("Attach the table again without its large columns.")));
}

static inline void
append_plain(StringInfo out, const char *str, Size len)
{
	enlargeStringInfo(out, len + 2);
	out->data[out->len] = '"';
	memcpy(out->data + out->len + 1, str, len);
	out->data[out->len + 1 + len] = '"';
	out->len += len + 2;
}

/* What append_members is called with. */
struct job
{
	struct tally_renderer *renderer;
	TupleTableSlot *slot;
	StringInfo	event;
};

static void
append_members(void *arg)
{
	const struct job *job = arg;
	struct tally_renderer *renderer = job->renderer;
	StringInfo	event = job->event;
	struct member *member;
	struct tally_value *value;
	bool		is_first = true;
	bool		is_plain;
	int			i;

	for (i = 0; i < renderer->nmembers; i++)
	{
		member = &renderer->members[i];
		value = &member->value;
		value->str = NULL;
		if (job->slot->tts_isnull[member->number - 1])
			continue;
		is_plain = tally_value_set(value,
								   job->slot->tts_values[member->number - 1]);
		if (value->len > TALLY_EVENT_MAX)
			report_too_long(renderer);
		/* The first goes without its comma. */
		appendBinaryStringInfo(event, member->name + is_first,
							   member->name_len - is_first);
		is_first = false;
		if (is_plain)
			append_plain(event, value->str, value->len);
		else if (!append_quoted(event, value->str, value->len))
			report_not_utf8(renderer, member);
		if (event->len > TALLY_EVENT_MAX)
			report_too_long(renderer);
	}
}

static void
write_event(struct tally_renderer *renderer, TupleTableSlot *slot,
			enum tally_op op, StringInfo event)
{
	static const char *const heads[] = {
		[TALLY_OP_INSERT] = "{\"row\":{",
		[TALLY_OP_UPDATE] = "{\"op\":\"update\",\"row\":{",
		[TALLY_OP_DELETE] = "{\"op\":\"delete\",\"row\":{",
	};
	struct job	job = {.renderer = renderer,.slot = slot,.event = event};

	resetStringInfo(event);
	appendStringInfoString(event, heads[op]);
	tally_pin_call(renderer->needs, append_members, &job);
	appendBinaryStringInfo(event, renderer->tail.data, renderer->tail.len);
	if (event->len > TALLY_EVENT_MAX)
		report_too_long(renderer);
}

/* The key as an array of strings; a null, which no primary key has, as null. */
static void
append_key_array(struct tally_renderer *renderer, StringInfo key)
{
	const struct tally_value *value;
	int			i;

	appendStringInfoChar(key, '[');
	for (i = 0; i < renderer->epoch->nkeys; i++)
	{
		value = renderer->keys[i];
		if (i > 0)
			appendStringInfoChar(key, ',');
		if (value->str == NULL)
			appendStringInfoString(key, "null");
		else
			(void) append_quoted(key, value->str, value->len);
	}
	appendStringInfoChar(key, ']');
}

static void
shorten_key(StringInfo key)
{
	struct tally_hash hash;
	char		hex[TALLY_HASH_TEXT_SIZE];

	hash = tally_hash_bytes(tally_hasher_get(), key->data, key->len);
	tally_hasher_check();
	tally_hash_format(&hash, hex);
	resetStringInfo(key);
	appendStringInfoChar(key, '#');
	appendStringInfoString(key, hex);
}

static void
write_key(struct tally_renderer *renderer, StringInfo key)
{
	resetStringInfo(key);
	if (renderer->epoch->nkeys == 1 && renderer->keys[0]->str != NULL)
		appendBinaryStringInfo(key, renderer->keys[0]->str,
							   renderer->keys[0]->len);
	else
		append_key_array(renderer, key);
	if (key->len > TALLY_KEY_MAX)
		shorten_key(key);
}

static void
write_chain(struct tally_renderer *renderer, StringInfo chain)
{
	const char *prefix = renderer->epoch->prefix;
	const struct tally_value *value = renderer->chain_by;

	if (value == NULL || value->str == NULL)
		tally_chain_name(prefix, NULL, 0, chain);
	else
		tally_chain_name(prefix, value->str, value->len, chain);
}

void
tally_rendered_init(struct tally_rendered *rendered)
{
	initStringInfo(&rendered->event);
	initStringInfo(&rendered->key);
	initStringInfo(&rendered->chain);
}

void
tally_render_row(struct tally_renderer *renderer, TupleTableSlot *slot,
				 enum tally_op op, struct tally_rendered *out)
{
	MemoryContext outside = MemoryContextSwitchTo(renderer->scratch);

	/* What an error left there goes first. */
	MemoryContextReset(renderer->scratch);
	slot_getsomeattrs(slot, renderer->last);
	write_event(renderer, slot, op, &out->event);
	write_key(renderer, &out->key);
	write_chain(renderer, &out->chain);
	MemoryContextReset(renderer->scratch);
	MemoryContextSwitchTo(outside);
}
