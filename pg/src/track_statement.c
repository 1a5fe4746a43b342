/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of one statement: one for each chain that its rows belong to, and
 * several where one would be too long.
 *
 * Terms.  A group is what belongs to one chain.  A part is one event of a
 * group; as long as a group has one part, its rows are in its buffer.  Parts
 * that are full are put aside until it is known how many there are.
 *
 * Invariants.  A row is in one part.  Parts of a group are remembered one
 * after the other, in the order of the rows.  Buffers together hold at most
 * BUFFERED_MAX and a row.
 */
#include "postgres.h"

#include "hasher.h"
#include "pending.h"
#include "renderer.h"
#include "store.h"
#include "track.h"
#include "xact.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

/* With more in the buffers of all groups, all of them are put aside. */
#define BUFFERED_MAX (16 * 1024 * 1024)

/* What numbers of parts may need in an event. */
#define NUMBERS_MAX 64

struct group
{
	char		chain[TALLY_CHAIN_MAX + 1]; /* the key, padded with zeros */
	int			number;
	StringInfoData rows;		/* with commas between them */
	int64		aside;			/* parts that are not in the buffer */
	int64		remembered;		/* of these */
};

struct tally_statement
{
	const struct tally_attachment *att;
	MemoryContext context;
	StringInfoData head;		/* of an event, up to the number of its part */
	StringInfoData tail;		/* behind the rows */
	HTAB	   *index;			/* of struct entry */
	List	   *groups;			/* of struct group, as they came */
	struct group *last;
	Size		buffered;
	Tuplestorestate *aside;		/* (number of the group, rows) */
	TupleDesc	aside_desc;
	StringInfoData event;		/* the one at hand */
};

/* A chain's group. */
struct entry
{
	char		chain[TALLY_CHAIN_MAX + 1];
	struct group *group;
};

static void
begin_index(struct tally_statement *statement)
{
	HASHCTL		control = {0};

	control.keysize = TALLY_CHAIN_MAX + 1;
	control.entrysize = sizeof(struct entry);
	control.hcxt = statement->context;
	statement->index = hash_create("tally statement", 16, &control,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
tally_statement_begin(const struct tally_attachment *att, const char *op,
					  struct tally_statement **out_statement)
{
	struct tally_statement *statement = palloc0_object(struct tally_statement);

	statement->att = att;
	statement->context = CurrentMemoryContext;
	initStringInfo(&statement->head);
	initStringInfo(&statement->tail);
	initStringInfo(&statement->event);
	appendStringInfoChar(&statement->head, '{');
	if (att->epoch->actor)
	{
		appendStringInfoString(&statement->head, "\"actor\":");
		tally_track_append_actor(&statement->head);
		appendStringInfoChar(&statement->head, ',');
	}
	appendStringInfo(&statement->head, "\"op\":\"%s\"", op);
	appendStringInfoString(&statement->tail, ",\"table\":");
	(void) tally_render_quoted(&statement->tail, att->epoch->label,
							   strlen(att->epoch->label));
	appendStringInfoChar(&statement->tail, '}');
	begin_index(statement);
	*out_statement = statement;
}

static struct group *
find_group(struct tally_statement *statement, const char *chain, Size len)
{
	char		key[TALLY_CHAIN_MAX + 1] = {0};
	struct entry *entry;
	struct group *group = statement->last;
	bool		found;

	Assert(len <= TALLY_CHAIN_MAX);
	memcpy(key, chain, len);
	if (group != NULL && memcmp(group->chain, key, sizeof(key)) == 0)
		return group;
	entry = hash_search(statement->index, key, HASH_ENTER, &found);
	if (!found)
	{
		group = palloc0_object(struct group);
		memcpy(group->chain, key, sizeof(key));
		group->number = list_length(statement->groups);
		initStringInfo(&group->rows);
		statement->groups = lappend(statement->groups, group);
		entry->group = group;
	}
	statement->last = entry->group;
	return entry->group;
}

/* ---- putting aside ---------------------------------------------------- */

static void
begin_aside(struct tally_statement *statement)
{
	statement->aside_desc = CreateTemplateTupleDesc(2);
	TupleDescInitEntry(statement->aside_desc, 1, "group", INT4OID, -1, 0);
	TupleDescInitEntry(statement->aside_desc, 2, "rows", TEXTOID, -1, 0);
	statement->aside = tuplestore_begin_heap(false, false, work_mem);
}

static void
put_aside(struct tally_statement *statement, struct group *group)
{
	bool		nulls[2] = {false, false};
	Datum		values[2];

	if (group->rows.len == 0)
		return;
	if (statement->aside == NULL)
		begin_aside(statement);
	values[0] = Int32GetDatum(group->number);
	values[1] = PointerGetDatum(cstring_to_text_with_len(group->rows.data,
														 group->rows.len));
	tuplestore_putvalues(statement->aside, statement->aside_desc, values,
						 nulls);
	pfree(DatumGetPointer(values[1]));
	statement->buffered -= group->rows.len;
	/* What one long row took is given back. */
	pfree(group->rows.data);
	initStringInfo(&group->rows);
	group->aside++;
}

static void
put_all_aside(struct tally_statement *statement)
{
	ListCell   *cell;

	foreach(cell, statement->groups)
		put_aside(statement, lfirst(cell));
}

/* ---- adding ----------------------------------------------------------- */

void
tally_statement_add(struct tally_statement *statement,
					const StringInfoData *chain,
					const StringInfoData *before, const StringInfoData *after)
{
	static const char frame[] = ",{\"new\":,\"old\":}";
	struct group *group = find_group(statement, chain->data, chain->len);
	MemoryContext saved = MemoryContextSwitchTo(statement->context);
	Size		room = TALLY_TRACK_EVENT_MAX - NUMBERS_MAX -
	statement->head.len - statement->tail.len;
	Size		len = sizeof(frame) + (before != NULL ? before->len : 0) +
	(after != NULL ? after->len : 0);
	int			rows_len;

	if (group->rows.len > 0 && group->rows.len + len > room)
		put_aside(statement, group);
	rows_len = group->rows.len;
	appendStringInfoString(&group->rows, rows_len == 0 ? "{" : ",{");
	if (after != NULL)
	{
		appendStringInfoString(&group->rows, "\"new\":");
		appendBinaryStringInfo(&group->rows, after->data, after->len);
	}
	if (before != NULL)
	{
		appendStringInfoString(&group->rows,
							   after != NULL ? ",\"old\":" : "\"old\":");
		appendBinaryStringInfo(&group->rows, before->data, before->len);
	}
	appendStringInfoChar(&group->rows, '}');
	statement->buffered += group->rows.len - rows_len;
	if (statement->buffered > BUFFERED_MAX)
		put_all_aside(statement);
	MemoryContextSwitchTo(saved);
}

/* ---- remembering ------------------------------------------------------ */

static void
report_too_long(const struct tally_epoch *epoch)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("a changed row of table \"%s\" is longer than 16 MiB as an event",
					epoch->table),
			 errhint("Track the table without its large columns.")));
}

/* The event at hand. */
static void
remember(struct tally_statement *statement, const char *chain)
{
	const struct tally_epoch *epoch = statement->att->epoch;
	const StringInfoData *event = &statement->event;
	struct tally_pending_request request = {0};
	struct tally_hash digest;
	uint8		salt[TALLY_SALT_SIZE];

	if (event->len > TALLY_EVENT_MAX)
		report_too_long(epoch);
	if (epoch->salted)
	{
		if (!pg_strong_random(salt, sizeof(salt)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not get random bytes for a salt")));
		request.salt = salt;
	}
	digest = tally_hash_commitment(tally_hasher_get(), request.salt,
								   event->data, event->len);
	tally_hasher_check();
	request.event_id = tally_store_event(event->data, event->len);
	request.digest = &digest;
	request.chain = chain;
	request.chain_len = strlen(chain);
	request.epoch = epoch->id;
	tally_pending_add(&request);
}

/* rows: NULL for none. */
static void
make_event(struct tally_statement *statement, int64 part, int64 parts,
		   const char *rows, Size rows_len)
{
	StringInfo	event = &statement->event;

	resetStringInfo(event);
	appendBinaryStringInfo(event, statement->head.data, statement->head.len);
	if (parts > 1)
		appendStringInfo(event, ",\"part\":%lld,\"parts\":%lld",
						 (long long) part, (long long) parts);
	if (rows != NULL)
	{
		appendStringInfoString(event, ",\"rows\":[");
		appendBinaryStringInfo(event, rows, (int) rows_len);
		appendStringInfoChar(event, ']');
	}
	appendBinaryStringInfo(event, statement->tail.data, statement->tail.len);
}

static void
remember_aside(struct tally_statement *statement)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(statement->aside_desc,
													&TTSOpsMinimalTuple);
	struct group *group;
	text	   *rows;
	bool		isnull;

	while (tuplestore_gettupleslot(statement->aside, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		group = list_nth(statement->groups,
						 DatumGetInt32(slot_getattr(slot, 1, &isnull)));
		rows = DatumGetTextPP(slot_getattr(slot, 2, &isnull));
		make_event(statement, ++group->remembered, group->aside,
				   VARDATA_ANY(rows), VARSIZE_ANY_EXHDR(rows));
		remember(statement, group->chain);
	}
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_end(statement->aside);
}

void
tally_statement_add_bare(struct tally_statement *statement, const char *chain)
{
	tally_xact_begin(true);
	make_event(statement, 1, 1, NULL, 0);
	remember(statement, chain);
}

void
tally_statement_end(struct tally_statement *statement)
{
	ListCell   *cell;

	if (statement->groups == NIL)
		return;
	tally_xact_begin(true);
	foreach(cell, statement->groups)
	{
		struct group *group = lfirst(cell);

		CHECK_FOR_INTERRUPTS();
		if (group->aside > 0)
		{
			put_aside(statement, group);
			continue;
		}
		make_event(statement, 1, 1, group->rows.data, group->rows.len);
		remember(statement, group->chain);
	}
	if (statement->aside != NULL)
		remember_aside(statement);
}
