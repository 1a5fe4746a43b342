/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row's canonical event, key and chain.
 *
 * This is in the path of every row, so all that can be is prepared
 * (renderer.c), and text is quoted from where it lies in the row.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include <tally/record.h>

#include "attempt.h"
#include "chain.h"
#include "compat.h"
#include "hasher.h"
#include "pin.h"
#include "renderer.h"

pg_noreturn static void report_not_utf8(const struct tally_renderer *renderer,
										const struct tally_member *member);
pg_noreturn static void report_too_long(const struct tally_renderer *renderer);

static void
report_not_utf8(const struct tally_renderer *renderer,
				const struct tally_member *member)
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

struct job
{
	struct tally_renderer *renderer;
	TupleTableSlot *slot;
	enum tally_op op;
	StringInfo	event;
};

/* True if the text holds nothing that JSON escapes; str is NULL for a null. */
static inline bool
take_value(struct tally_member *member, TupleTableSlot *slot)
{
	member->value.str = NULL;
	if (slot->tts_isnull[member->number - 1])
		return true;
	return tally_value_set(&member->value,
						   slot->tts_values[member->number - 1]);
}

static void
append_members(void *arg)
{
	const struct job *job = arg;
	struct tally_renderer *renderer = job->renderer;
	StringInfo	event = job->event;
	struct tally_member *member;
	struct tally_value *value;
	bool		is_first = true;
	bool		is_plain;
	int			i;

	for (i = 0; i < renderer->nmembers; i++)
	{
		member = &renderer->members[i];
		value = &member->value;
		is_plain = take_value(member, job->slot);
		if (value->str == NULL)
			continue;
		if (value->len > TALLY_EVENT_MAX)
			report_too_long(renderer);
		/* The first goes without its comma. */
		appendBinaryStringInfo(event, member->name + is_first,
							   member->name_len - is_first);
		is_first = false;
		if (is_plain)
			append_plain(event, value->str, value->len);
		else if (!tally_render_quoted(event, value->str, value->len))
			report_not_utf8(renderer, member);
		if (event->len > TALLY_EVENT_MAX)
			report_too_long(renderer);
	}
}

static void
write_event(void *arg)
{
	static const char *const heads[] = {
		[TALLY_OP_INSERT] = "{\"row\":{",
		[TALLY_OP_UPDATE] = "{\"op\":\"update\",\"row\":{",
		[TALLY_OP_DELETE] = "{\"op\":\"delete\",\"row\":{",
		[TALLY_OP_BACKFILL] = "{\"op\":\"backfill\",\"row\":{",
		[TALLY_OP_NONE] = "{",
	};
	struct job *job = arg;
	struct tally_renderer *renderer = job->renderer;

	resetStringInfo(job->event);
	appendStringInfoString(job->event, heads[job->op]);
	tally_pin_call(renderer->needs, append_members, job);
	if (job->op == TALLY_OP_NONE)
		appendStringInfoChar(job->event, '}');
	else
		appendBinaryStringInfo(job->event, renderer->tail.data,
							   renderer->tail.len);
	if (job->event->len > TALLY_EVENT_MAX)
		report_too_long(renderer);
}

static void
take_names(void *arg)
{
	struct job *job = arg;
	int			i;

	for (i = 0; i < job->renderer->epoch->nkeys; i++)
		(void) take_value(job->renderer->keys[i], job->slot);
	if (job->renderer->chain_by != NULL)
		(void) take_value(job->renderer->chain_by, job->slot);
}

static void
take_names_pinned(void *arg)
{
	struct job *job = arg;

	tally_pin_call(job->renderer->needs, take_names, job);
}

/*
 * A row that cannot be sealed was never sealed like that.  What would find
 * its record is kept, as far as it can be printed.
 */
static void
write_event_of_none(struct job *job)
{
	int			i;

	resetStringInfo(job->event);
	appendStringInfoString(job->event, TALLY_EVENT_OF_NONE);
	for (i = 0; i < job->renderer->nmembers; i++)
		job->renderer->members[i].value.str = NULL;
	(void) tally_attempt(take_names_pinned, job);
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
		value = &renderer->keys[i]->value;
		if (i > 0)
			appendStringInfoChar(key, ',');
		if (value->str == NULL)
			appendStringInfoString(key, "null");
		else
			(void) tally_render_quoted(key, value->str, value->len);
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
	const struct tally_value *value = NULL;

	if (renderer->epoch->nkeys == 1)
		value = &renderer->keys[0]->value;
	resetStringInfo(key);
	if (value != NULL && value->str != NULL)
		appendBinaryStringInfo(key, value->str, value->len);
	else
		append_key_array(renderer, key);
	if (key->len > TALLY_KEY_MAX)
		shorten_key(key);
}

static void
write_chain(struct tally_renderer *renderer, StringInfo chain)
{
	const char *prefix = renderer->epoch->prefix;
	const struct tally_value *value = NULL;

	if (renderer->chain_by != NULL)
		value = &renderer->chain_by->value;
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
	struct job	job = {
		.renderer = renderer,
		.slot = slot,
		.op = op,
		.event = &out->event,
	};
	MemoryContext outside = MemoryContextSwitchTo(renderer->scratch);

	/* What an error left there goes first. */
	MemoryContextReset(renderer->scratch);
	slot_getsomeattrs(slot, renderer->last);
	if (!renderer->is_lenient)
		write_event(&job);
	else if (!tally_attempt(write_event, &job))
		write_event_of_none(&job);
	write_key(renderer, &out->key);
	write_chain(renderer, &out->chain);
	MemoryContextReset(renderer->scratch);
	MemoryContextSwitchTo(outside);
}
