/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of attach and detach, track and untrack, and of a backfill, read.
 *
 * They may be an adversary's, and the verifier has to go on whatever they
 * hold, so PostgreSQL's JSON functions, which raise errors, are out of the
 * question.  Nor are they needed: of each event there is one spelling.  The
 * reader knows the one order of members; what it is lax about (the spelling
 * of strings and numbers) shows when the event is encoded again and does not
 * come out the same.
 *
 * Each function below moves the reader behind what it read and returns true,
 * or returns false and leaves it anywhere.
 */
#include "postgres.h"

#include "access/htup_details.h"

#include "core/text.h"
#include "epoch.h"
#include "event_text.h"

/* A string that may be left out, with what stands before it. */
static bool
read_optional(struct tally_text_reader *reader, const char *before, char **out)
{
	*out = NULL;
	if (strncmp(reader->p, before, strlen(before)) != 0)
		return true;
	return tally_text_string(reader, before, out);
}

static bool
read_bool(struct tally_text_reader *reader, const char *before, bool *out)
{
	if (!tally_text_skip(reader, before))
		return false;
	*out = *reader->p == 't';
	return tally_text_skip(reader, *out ? "true" : "false");
}

/* The position of a column by name, or -1. */
static int
find_column(const struct tally_epoch *epoch, const char *name)
{
	int			i;

	for (i = 0; i < epoch->ncolumns; i++)
	{
		if (strcmp(epoch->columns[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* An array of strings that may be left out, with what stands before it. */
static bool
read_strings(struct tally_text_reader *reader, const char *before, char ***out,
			 int *out_count)
{
	int			capacity = 8;

	*out_count = 0;
	*out = NULL;
	if (!tally_text_skip(reader, before))
		return true;
	*out = palloc(capacity * sizeof(**out));
	do
	{
		if (*out_count == capacity)
		{
			capacity *= 2;
			*out = repalloc(*out, capacity * sizeof(**out));
		}
		if (!tally_text_string(reader, "", &(*out)[*out_count]))
			return false;
		++*out_count;
	} while (tally_text_skip(reader, ","));
	return tally_text_skip(reader, "]");
}

/* Xids, which ascend; as add_running() writes them. */
static bool
read_running(struct tally_text_reader *reader, struct tally_moment *moment)
{
	char	  **texts;
	int			count;
	int			i;
	uint64_t	xid;

	if (!read_strings(reader, ",\"running\":[", &texts, &count) ||
		count > TALLY_RUNNING_MAX)
		return false;
	moment->running = palloc((count + 1) * sizeof(*moment->running));
	for (i = 0; i < count; i++)
	{
		if (tally_decimal_parse(texts[i], strlen(texts[i]), PG_UINT64_MAX,
								&xid) != 0 ||
			(i > 0 && xid <= moment->running[i - 1]))
			return false;
		moment->running[i] = xid;
	}
	moment->nrunning = count;
	return true;
}

/* The last members of both events. */
static bool
read_xids(struct tally_text_reader *reader, struct tally_moment *moment)
{
	const char *before = ",\"unclear\":";
	uint64		xid;

	moment->unclear = 0;
	if (strncmp(reader->p, before, strlen(before)) == 0 &&
		!tally_text_uint64(reader, before, &moment->unclear))
		return false;
	if (!tally_text_uint64(reader, ",\"xid\":", &xid) || !tally_text_skip(reader, "}}"))
		return false;
	moment->xid = FullTransactionIdFromU64(xid);
	return reader->p == reader->end;
}

static bool
read_column(struct tally_text_reader *reader, struct tally_column *column)
{
	int64		number,
				typmod;

	if (!tally_text_string(reader, "{\"name\":", &column->name) ||
		!tally_text_number(reader, ",\"number\":", MaxHeapAttributeNumber,
						   &number) ||
		number < 1 ||
		!read_strings(reader, ",\"shape\":[", &column->shapes,
					  &column->nshapes) ||
		!tally_text_string(reader, ",\"type\":", &column->type_name) ||
		!tally_text_number(reader, ",\"typmod\":", PG_INT32_MAX, &typmod) ||
		!tally_text_skip(reader, "}"))
		return false;
	column->number = number;
	column->typmod = typmod;
	return true;
}

/* Columns have distinct names and ascending numbers. */
static bool
read_columns(struct tally_text_reader *reader, struct tally_epoch *epoch)
{
	int			capacity = 8;
	struct tally_column *column;

	if (!tally_text_skip(reader, ",\"columns\":["))
		return false;
	epoch->columns = palloc(capacity * sizeof(*epoch->columns));
	do
	{
		if (epoch->ncolumns == capacity)
		{
			capacity *= 2;
			epoch->columns = repalloc(epoch->columns,
									  capacity * sizeof(*epoch->columns));
		}
		column = &epoch->columns[epoch->ncolumns];
		if (!read_column(reader, column) ||
			find_column(epoch, column->name) >= 0 ||
			(epoch->ncolumns > 0 && column->number <= column[-1].number))
			return false;
		epoch->ncolumns++;
	} while (tally_text_skip(reader, ","));
	return tally_text_skip(reader, "]");
}

static bool
read_key(struct tally_text_reader *reader, struct tally_epoch *epoch)
{
	char	   *name;

	if (!tally_text_skip(reader, ",\"key\":["))
		return false;
	epoch->keys = palloc(INDEX_MAX_KEYS * sizeof(*epoch->keys));
	do
	{
		if (epoch->nkeys == INDEX_MAX_KEYS ||
			!tally_text_string(reader, "", &name))
			return false;
		epoch->keys[epoch->nkeys] = find_column(epoch, name);
		if (epoch->keys[epoch->nkeys] < 0)
			return false;
		epoch->nkeys++;
	} while (tally_text_skip(reader, ","));
	return tally_text_skip(reader, "]");
}

/* What only an attachment has. */
static bool
read_rows(struct tally_text_reader *reader, struct tally_epoch *epoch)
{
	return epoch->is_tracked ||
		(read_bool(reader, ",\"keep_event\":", &epoch->keep_event) &&
		 read_key(reader, epoch));
}

static bool
read_kind(struct tally_text_reader *reader, struct tally_epoch *epoch)
{
	if (epoch->is_tracked)
		return read_bool(reader, "{\"track\":{\"actor\":", &epoch->actor);
	if (epoch->is_backfill)
		return read_bool(reader, "{\"backfill\":{\"append_only\":",
						 &epoch->append_only);
	epoch->is_alteration = tally_text_skip(reader, "{\"alter\":{");
	return (epoch->is_alteration ||
			tally_text_skip(reader, "{\"attach\":{")) &&
		read_bool(reader, "\"append_only\":", &epoch->append_only);
}

/* What only a backfill has. */
static bool
read_order(struct tally_text_reader *reader, struct tally_epoch *epoch)
{
	return !epoch->is_backfill ||
		(read_strings(reader, ",\"order_by\":[", &epoch->order_by,
					  &epoch->norder) && epoch->norder > 0);
}

static bool
read_epoch(struct tally_text_reader *reader, struct tally_epoch *epoch)
{
	char	   *chain_by;

	if (!read_kind(reader, epoch) ||
		!read_optional(reader, ",\"chain_by\":", &chain_by) ||
		!tally_text_uint64(reader, ",\"cluster\":", &epoch->cluster) ||
		!read_columns(reader, epoch) ||
		!tally_text_string(reader, ",\"database\":", &epoch->database) ||
		!read_rows(reader, epoch) ||
		!tally_text_string(reader, ",\"label\":", &epoch->label) ||
		!read_optional(reader, ",\"only_when\":", &epoch->only_when) ||
		!read_order(reader, epoch) ||
		!tally_text_string(reader, ",\"prefix\":", &epoch->prefix) ||
		!tally_text_relation(reader, &epoch->relation) ||
		!read_running(reader, &epoch->moment) ||
		!read_bool(reader, ",\"salted\":", &epoch->salted) ||
		!tally_text_string(reader, ",\"table\":", &epoch->table) ||
		!read_xids(reader, &epoch->moment))
		return false;
	epoch->chain_by = chain_by == NULL ? -1 : find_column(epoch, chain_by);
	return chain_by == NULL || epoch->chain_by >= 0;
}

/* epoch: zero but for its kind. */
static struct tally_epoch *
parse_epoch(struct tally_epoch *epoch, int64 id, const char *event)
{
	struct tally_text_reader reader;
	char	   *again;
	bool		same;

	epoch->id = id;
	if (!tally_text_open(event, &reader) || !read_epoch(&reader, epoch))
		return NULL;
	again = tally_epoch_encode(epoch);
	same = strcmp(again, event) == 0;
	pfree(again);
	return same ? epoch : NULL;
}

struct tally_epoch *
tally_epoch_parse(int64 id, const char *event)
{
	return parse_epoch(palloc0(sizeof(struct tally_epoch)), id, event);
}

struct tally_epoch *
tally_track_parse(int64 id, const char *event)
{
	struct tally_epoch *epoch = palloc0(sizeof(*epoch));

	epoch->is_tracked = true;
	return parse_epoch(epoch, id, event);
}

struct tally_epoch *
tally_backfill_parse(int64 id, const char *event)
{
	struct tally_epoch *epoch = palloc0(sizeof(*epoch));

	epoch->is_backfill = true;
	return parse_epoch(epoch, id, event);
}

static struct tally_detach *
parse_detach(const char *event, bool is_tracked)
{
	struct tally_detach *detach = palloc0(sizeof(*detach));
	struct tally_text_reader reader;
	char	   *again;
	bool		same;

	if (!tally_text_open(event, &reader) ||
		!tally_text_string(&reader, is_tracked ? "{\"untrack\":{\"label\":" :
						   "{\"detach\":{\"label\":", &detach->label) ||
		!tally_text_relation(&reader, &detach->relation) ||
		!read_running(&reader, &detach->moment) ||
		!tally_text_string(&reader, ",\"table\":", &detach->table) ||
		!read_xids(&reader, &detach->moment))
		return NULL;
	detach->is_tracked = is_tracked;
	again = tally_detach_encode(detach);
	same = strcmp(again, event) == 0;
	pfree(again);
	return same ? detach : NULL;
}

struct tally_detach *
tally_detach_parse(const char *event)
{
	return parse_detach(event, false);
}

struct tally_detach *
tally_untrack_parse(const char *event)
{
	return parse_detach(event, true);
}
