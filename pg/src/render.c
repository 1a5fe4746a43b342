/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row's canonical event, key and chain.
 *
 * This is in the path of every row, so all that can be is prepared: the
 * members stand in the order of RFC 8785 with their names quoted, and output
 * functions are looked up once.  The commonest types are not given to their
 * output function but formatted here, as it would; text is quoted from where
 * it lies in the row.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include <tally/record.h>

#include "chain.h"
#include "columns.h"
#include "compat.h"
#include "core/jcs.h"
#include "core/text.h"
#include "hasher.h"
#include "pin.h"
#include "render.h"
#include "types.h"

/* Up to here a buffer gets the room that quoting could ever need. */
#define SHORT_TEXT (16 * 1024)

/* How a value becomes text. */
enum way
{
	WAY_OUTPUT,					/* by its type's output function */
	WAY_TEXT,					/* its bytes are its text */
	WAY_BOOL,
	WAY_INT2,
	WAY_INT4,
	WAY_INT8,
	WAY_UUID,
};

/* A member of "row". */
struct member
{
	const struct tally_column *column;
	AttrNumber	number;			/* in the relation that is rendered */
	enum way	way;
	FmgrInfo	output;
	const char *name;			/* quoted, with a comma and a colon */
	int			name_len;
	/* The row at hand: */
	const char *text;			/* NULL: null */
	Size		len;
	char		digits[2 * UUID_LEN + 4];
};

struct tally_renderer
{
	const struct tally_epoch *epoch;
	MemoryContext scratch;		/* of one row */
	int			needs;			/* bits of types.h */
	AttrNumber	last;			/* no column behind it is looked at */
	int			nmembers;
	struct member *members;		/* in the order of their names */
	struct member **keys;		/* epoch->nkeys of them, in the key's order */
	struct member *chain_by;	/* or NULL */
	StringInfoData tail;		/* },"table":"<label>"} */
};

/* Quotes text at the end of out; false if it is not valid UTF-8. */
static inline bool
append_quoted(StringInfo out, const char *text, Size len)
{
	size_t		quoted;

	enlargeStringInfo(out, len <= SHORT_TEXT ? TALLY_JCS_QUOTED_MAX(len) :
					  tally_jcs_measure(text, len));
	quoted = tally_jcs_quote(text, len, out->data + out->len);
	out->len += quoted;
	out->data[out->len] = '\0';
	return quoted > 0;
}

/* ---- a renderer ------------------------------------------------------- */

static enum way
way_of(Oid type)
{
	switch (getBaseType(type))
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case JSONOID:
			return WAY_TEXT;
		case BOOLOID:
			return WAY_BOOL;
		case INT2OID:
			return WAY_INT2;
		case INT4OID:
			return WAY_INT4;
		case INT8OID:
			return WAY_INT8;
		case UUIDOID:
			return WAY_UUID;
		default:
			return WAY_OUTPUT;
	}
}

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
	Oid			output;
	bool		is_varlena;
	int			needs;

	if (!tally_type_is_stable(type, &needs, out_why))
	{
		*out_why = psprintf("column \"%s\" of table \"%s\" cannot be rendered: %s",
							member->column->name, renderer->epoch->table,
							*out_why);
		return false;
	}
	renderer->needs |= needs;
	member->way = way_of(type);
	getTypeOutputInfo(type, &output, &is_varlena);
	fmgr_info_cxt(output, &member->output, CurrentMemoryContext);
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

static struct member *
member_of(struct tally_renderer *renderer, int position)
{
	const struct tally_column *column = &renderer->epoch->columns[position];
	int			i = 0;

	while (renderer->members[i].column != column)
		i++;
	return &renderer->members[i];
}

static bool
prepare(struct tally_renderer *renderer, Relation rel, char **out_why)
{
	const struct tally_epoch *epoch = renderer->epoch;
	int			i;

	if (!prepare_members(renderer, rel, out_why))
		return false;
	renderer->keys = palloc_array(struct member *, epoch->nkeys);
	for (i = 0; i < epoch->nkeys; i++)
		renderer->keys[i] = member_of(renderer, epoch->keys[i]);
	if (epoch->chain_by >= 0)
		renderer->chain_by = member_of(renderer, epoch->chain_by);

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

static void
uuid_text(Datum value, char *out)
{
	const unsigned char *bytes = DatumGetUUIDP(value)->data;
	static const struct
	{
		int			begin;
		int			len;
	}			groups[] = {{0, 4}, {4, 2}, {6, 2}, {8, 2}, {10, 6}};
	int			i;

	for (i = 0; i < lengthof(groups); i++)
	{
		if (i > 0)
			*out++ = '-';
		tally_hex_format(bytes + groups[i].begin, groups[i].len, out);
		out += 2 * groups[i].len;
	}
}

/*
 * Gives the member its text; true if that holds nothing that JSON escapes.
 */
static inline bool
take_value(struct member *member, Datum value)
{
	struct varlena *bytes;

	member->text = member->digits;
	switch (member->way)
	{
		case WAY_TEXT:
			bytes = PG_DETOAST_DATUM_PACKED(value);
			member->text = VARDATA_ANY(bytes);
			member->len = VARSIZE_ANY_EXHDR(bytes);
			return false;
		case WAY_BOOL:
			member->digits[0] = DatumGetBool(value) ? 't' : 'f';
			member->len = 1;
			return true;
		case WAY_INT2:
			member->len = pg_itoa(DatumGetInt16(value), member->digits);
			return true;
		case WAY_INT4:
			member->len = pg_ltoa(DatumGetInt32(value), member->digits);
			return true;
		case WAY_INT8:
			member->len = pg_lltoa(DatumGetInt64(value), member->digits);
			return true;
		case WAY_UUID:
			uuid_text(value, member->digits);
			member->len = 2 * UUID_LEN + 4;
			return true;
		case WAY_OUTPUT:
			member->text = OutputFunctionCall(&member->output, value);
			member->len = strlen(member->text);
			return false;
	}
	pg_unreachable();
}

static inline void
append_plain(StringInfo out, const char *text, Size len)
{
	enlargeStringInfo(out, len + 2);
	out->data[out->len] = '"';
	memcpy(out->data + out->len + 1, text, len);
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
	bool		is_first = true;
	bool		is_plain;
	int			i;

	for (i = 0; i < renderer->nmembers; i++)
	{
		member = &renderer->members[i];
		member->text = NULL;
		if (job->slot->tts_isnull[member->number - 1])
			continue;
		is_plain = take_value(member,
							  job->slot->tts_values[member->number - 1]);
		if (member->len > TALLY_EVENT_MAX)
			report_too_long(renderer);
		/* The first goes without its comma. */
		appendBinaryStringInfo(event, member->name + is_first,
							   member->name_len - is_first);
		is_first = false;
		if (is_plain)
			append_plain(event, member->text, member->len);
		else if (!append_quoted(event, member->text, member->len))
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
	const struct member *member;
	int			i;

	for (i = 0; i < renderer->epoch->nkeys; i++)
	{
		member = renderer->keys[i];
		appendStringInfoChar(key, i == 0 ? '[' : ',');
		if (member->text == NULL)
			appendStringInfoString(key, "null");
		else
			(void) append_quoted(key, member->text, member->len);
	}
	appendStringInfoChar(key, ']');
}

static void
write_key(struct tally_renderer *renderer, StringInfo key)
{
	const struct member *first = renderer->keys[0];
	struct tally_hash hash;
	char text[	TALLY_HASH_TEXT_SIZE];

	resetStringInfo(key);
	if (renderer->epoch->nkeys == 1 && first->text !=NULL)
		appendBinaryStringInfo(key, first->text, first->len);
	else
		append_key_array(renderer, key);
	if (key->len <= TALLY_KEY_MAX)
		return;
	hash = tally_hash_bytes(tally_hasher_get(), key->data, key->len);
	tally_hasher_check();
	tally_hash_format(&hash, text);
	resetStringInfo(key);
	appendStringInfoChar(key, '#');
	appendStringInfoString(key, text);
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
	const struct member *chain_by = renderer->chain_by;
	MemoryContext outside = MemoryContextSwitchTo(renderer->scratch);

	/* What an error left there goes first. */
	MemoryContextReset(renderer->scratch);
	slot_getsomeattrs(slot, renderer->last);
	write_event(renderer, slot, op, &out->event);
	write_key(renderer, &out->key);
	if (chain_by != NULL && chain_by->text !=NULL)
		tally_chain_name(renderer->epoch->prefix, chain_by->text,
						 chain_by->len, &out->chain);
	else
		tally_chain_name(renderer->epoch->prefix, NULL, 0, &out->chain);
	MemoryContextReset(renderer->scratch);
	MemoryContextSwitchTo(outside);
}
