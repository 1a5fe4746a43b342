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

#include "core/json.h"
#include "core/text.h"
#include "epoch.h"

struct reader
{
	const char *p;
	const char *end;			/* at a NUL */
};

static bool
skip(struct reader *reader, const char *literal)
{
	size_t		len = strlen(literal);

	if (strncmp(reader->p, literal, len) != 0)
		return false;
	reader->p += len;
	return true;
}

static bool
read_string(struct reader *reader, const char *before, char **out)
{
	const uint8_t *p;
	const char *stop;
	char	   *to;
	int32_t		c;

	if (!skip(reader, before) || !skip(reader, "\""))
		return false;
	for (stop = reader->p; stop < reader->end && *stop != '"'; stop++)
	{
		if (*stop == '\\')
			stop++;
	}
	if (stop >= reader->end)
		return false;
	to = *out = palloc(stop - reader->p + 1);
	p = (const uint8_t *) reader->p;
	while (p < (const uint8_t *) stop)
	{
		if (*p != '\\')
		{
			*to++ = *p++;
			continue;
		}
		c = tally_json_escape(&p, (const uint8_t *) stop);
		if (c < 0)
			return false;
		to += tally_utf8_encode(c, (uint8_t *) to);
	}
	*to = '\0';
	reader->p = stop + 1;
	return true;
}

/* A string that may be left out, with what stands before it. */
static bool
read_optional(struct reader *reader, const char *before, char **out)
{
	*out = NULL;
	if (strncmp(reader->p, before, strlen(before)) != 0)
		return true;
	return read_string(reader, before, out);
}

static bool
read_bool(struct reader *reader, const char *before, bool *out)
{
	if (!skip(reader, before))
		return false;
	*out = *reader->p == 't';
	return skip(reader, *out ? "true" : "false");
}

/* A number from -1 to max. */
static bool
read_number(struct reader *reader, const char *before, int64 max, int64 *out)
{
	size_t		digits;
	uint64_t	value;

	if (!skip(reader, before))
		return false;
	if (skip(reader, "-1"))
	{
		*out = -1;
		return true;
	}
	digits = strspn(reader->p, "0123456789");
	if (tally_decimal_parse(reader->p, digits, max, &value) != 0)
		return false;
	*out = value;
	reader->p += digits;
	return true;
}

/* A number of 64 bits, which JSON has to write as a string. */
static bool
read_uint64(struct reader *reader, const char *before, uint64 *out)
{
	char	   *digits;
	uint64_t	value;

	if (!read_string(reader, before, &digits) ||
		tally_decimal_parse(digits, strlen(digits), PG_UINT64_MAX, &value) != 0)
		return false;
	*out = value;
	return true;
}

static bool
read_relation(struct reader *reader, Oid *out)
{
	int64		number;

	if (!read_number(reader, ",\"relation\":", PG_UINT32_MAX, &number) ||
		number <= 0)
		return false;
	*out = number;
	return true;
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
read_strings(struct reader *reader, const char *before, char ***out,
			 int *out_count)
{
	int			capacity = 8;

	*out_count = 0;
	*out = NULL;
	if (!skip(reader, before))
		return true;
	*out = palloc(capacity * sizeof(**out));
	do
	{
		if (*out_count == capacity)
		{
			capacity *= 2;
			*out = repalloc(*out, capacity * sizeof(**out));
		}
		if (!read_string(reader, "", &(*out)[*out_count]))
			return false;
		++*out_count;
	} while (skip(reader, ","));
	return skip(reader, "]");
}

/* Xids, which ascend; as add_running() writes them. */
static bool
read_running(struct reader *reader, struct tally_moment *moment)
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
read_xids(struct reader *reader, struct tally_moment *moment)
{
	const char *before = ",\"unclear\":";
	uint64		xid;

	moment->unclear = 0;
	if (strncmp(reader->p, before, strlen(before)) == 0 &&
		!read_uint64(reader, before, &moment->unclear))
		return false;
	if (!read_uint64(reader, ",\"xid\":", &xid) || !skip(reader, "}}"))
		return false;
	moment->xid = FullTransactionIdFromU64(xid);
	return reader->p == reader->end;
}

static bool
read_column(struct reader *reader, struct tally_column *column)
{
	int64		number,
				typmod;

	if (!read_string(reader, "{\"name\":", &column->name) ||
		!read_number(reader, ",\"number\":", MaxHeapAttributeNumber,
					 &number) ||
		number < 1 ||
		!read_strings(reader, ",\"shape\":[", &column->shapes,
					  &column->nshapes) ||
		!read_string(reader, ",\"type\":", &column->type_name) ||
		!read_number(reader, ",\"typmod\":", PG_INT32_MAX, &typmod) ||
		!skip(reader, "}"))
		return false;
	column->number = number;
	column->typmod = typmod;
	return true;
}

/* Columns have distinct names and ascending numbers. */
static bool
read_columns(struct reader *reader, struct tally_epoch *epoch)
{
	int			capacity = 8;
	struct tally_column *column;

	if (!skip(reader, ",\"columns\":["))
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
	} while (skip(reader, ","));
	return skip(reader, "]");
}

static bool
read_key(struct reader *reader, struct tally_epoch *epoch)
{
	char	   *name;

	if (!skip(reader, ",\"key\":["))
		return false;
	epoch->keys = palloc(INDEX_MAX_KEYS * sizeof(*epoch->keys));
	do
	{
		if (epoch->nkeys == INDEX_MAX_KEYS ||
			!read_string(reader, "", &name))
			return false;
		epoch->keys[epoch->nkeys] = find_column(epoch, name);
		if (epoch->keys[epoch->nkeys] < 0)
			return false;
		epoch->nkeys++;
	} while (skip(reader, ","));
	return skip(reader, "]");
}

/* What only an attachment has. */
static bool
read_rows(struct reader *reader, struct tally_epoch *epoch)
{
	return epoch->is_tracked ||
		(read_bool(reader, ",\"keep_event\":", &epoch->keep_event) &&
		 read_key(reader, epoch));
}

static bool
read_kind(struct reader *reader, struct tally_epoch *epoch)
{
	if (epoch->is_tracked)
		return read_bool(reader, "{\"track\":{\"actor\":", &epoch->actor);
	if (epoch->is_backfill)
		return read_bool(reader, "{\"backfill\":{\"append_only\":",
						 &epoch->append_only);
	epoch->is_alteration = skip(reader, "{\"alter\":{");
	return (epoch->is_alteration || skip(reader, "{\"attach\":{")) &&
		read_bool(reader, "\"append_only\":", &epoch->append_only);
}

/* What only a backfill has. */
static bool
read_order(struct reader *reader, struct tally_epoch *epoch)
{
	return !epoch->is_backfill ||
		(read_strings(reader, ",\"order_by\":[", &epoch->order_by,
					  &epoch->norder) && epoch->norder > 0);
}

static bool
read_epoch(struct reader *reader, struct tally_epoch *epoch)
{
	char	   *chain_by;

	if (!read_kind(reader, epoch) ||
		!read_optional(reader, ",\"chain_by\":", &chain_by) ||
		!read_uint64(reader, ",\"cluster\":", &epoch->cluster) ||
		!read_columns(reader, epoch) ||
		!read_string(reader, ",\"database\":", &epoch->database) ||
		!read_rows(reader, epoch) ||
		!read_string(reader, ",\"label\":", &epoch->label) ||
		!read_optional(reader, ",\"only_when\":", &epoch->only_when) ||
		!read_order(reader, epoch) ||
		!read_string(reader, ",\"prefix\":", &epoch->prefix) ||
		!read_relation(reader, &epoch->relation) ||
		!read_running(reader, &epoch->moment) ||
		!read_bool(reader, ",\"salted\":", &epoch->salted) ||
		!read_string(reader, ",\"table\":", &epoch->table) ||
		!read_xids(reader, &epoch->moment))
		return false;
	epoch->chain_by = chain_by == NULL ? -1 : find_column(epoch, chain_by);
	return chain_by == NULL || epoch->chain_by >= 0;
}

/* Is the text of a length and an encoding that an event can have? */
static bool
is_plausible(const char *event, struct reader *out_reader)
{
	size_t		len = strnlen(event, TALLY_EVENT_MAX + 1);

	out_reader->p = event;
	out_reader->end = event + len;
	return len <= TALLY_EVENT_MAX && tally_is_utf8(event, len);
}

/* epoch: zero but for its kind. */
static struct tally_epoch *
parse_epoch(struct tally_epoch *epoch, int64 id, const char *event)
{
	struct reader reader;
	char	   *again;
	bool		same;

	epoch->id = id;
	if (!is_plausible(event, &reader) || !read_epoch(&reader, epoch))
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
	struct reader reader;
	char	   *again;
	bool		same;

	if (!is_plausible(event, &reader) ||
		!read_string(&reader, is_tracked ? "{\"untrack\":{\"label\":" :
					 "{\"detach\":{\"label\":", &detach->label) ||
		!read_relation(&reader, &detach->relation) ||
		!read_running(&reader, &detach->moment) ||
		!read_string(&reader, ",\"table\":", &detach->table) ||
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
