/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of attach, alter and detach, read.
 *
 * Of each there is one spelling (RFC 8785), so the reader knows the one order
 * of members.  What it is lax about (the spelling of strings and numbers) it
 * would not be alone to accept: an event counts only if it hashes to what
 * tally:log seals.
 *
 * Each function below moves the reader behind what it read and returns true,
 * or returns false and leaves it anywhere.
 */
#include <string.h>

#include "core/json.h"
#include "core/text.h"
#include "pgclient/epoch.h"

struct reader {
	struct tally_pg_arena *arena;
	const char *p;
	const char *end;
};

static bool
skip(struct reader *reader, const char *literal)
{
	size_t len = strlen(literal);

	if ((size_t)(reader->end - reader->p) < len ||
	    memcmp(reader->p, literal, len) != 0)
		return false;
	reader->p += len;
	return true;
}

static bool
read_string(struct reader *reader, const char *before, const char **out)
{
	const uint8_t *p, *stop;
	char *to;

	if (!skip(reader, before) || !skip(reader, "\""))
		return false;
	p = (const uint8_t *)reader->p;
	for (stop = p; stop < (const uint8_t *)reader->end && *stop != '"';
	     stop++)
		if (*stop == '\\')
			stop++;
	if (stop >= (const uint8_t *)reader->end)
		return false;
	to = tally_pg_arena_get(reader->arena, (size_t)(stop - p) + 1);
	*out = to;
	if (to == NULL)
		return false;
	while (p < stop) {
		int32_t c;

		if (*p != '\\') {
			*to++ = (char)*p++;
			continue;
		}
		c = tally_json_escape(&p, stop);
		if (c <= 0)
			return false;
		to += tally_utf8_encode(c, (uint8_t *)to);
	}
	reader->p = (const char *)stop + 1;
	return true;
}

/* A string that may be left out, with what stands before it. */
static bool
read_optional(struct reader *reader, const char *before, const char **out)
{
	struct reader at = *reader;

	*out = NULL;
	return skip(&at, before) ? read_string(reader, before, out) : true;
}

static bool
read_bool(struct reader *reader, const char *before, bool *out)
{
	if (!skip(reader, before))
		return false;
	*out = skip(reader, "true");
	return *out || skip(reader, "false");
}

/* A number from -1 to max. */
static bool
read_number(struct reader *reader, const char *before, uint64_t max,
    int64_t *out)
{
	const char *p;
	uint64_t value;

	if (!skip(reader, before))
		return false;
	*out = -1;
	if (skip(reader, "-1"))
		return true;
	for (p = reader->p; p < reader->end && *p >= '0' && *p <= '9'; p++)
		;
	if (tally_decimal_parse(reader->p, (size_t)(p - reader->p), max,
		&value) != 0)
		return false;
	*out = (int64_t)value;
	reader->p = p;
	return true;
}

/* A number of 64 bits, which JSON has to write as a string. */
static bool
read_uint64(struct reader *reader, const char *before, uint64_t *out)
{
	const char *digits;

	return read_string(reader, before, &digits) &&
	    tally_decimal_parse(digits, strlen(digits), UINT64_MAX, out) == 0;
}

/* A list of strings that may be left out; what it says is passed over. */
static bool
pass_strings(struct reader *reader, const char *before)
{
	struct reader at = *reader;
	const char *text;

	if (!skip(&at, before))
		return true;
	if (!skip(reader, before))
		return false;
	do {
		if (!read_string(reader, "", &text))
			return false;
	} while (skip(reader, ","));
	return skip(reader, "]");
}

static bool
read_shape(struct reader *reader, const struct tally_pg_fact **out)
{
	static const char before[] = ",\"shape\":[";
	struct reader at = *reader;

	if (!skip(&at, before))
		return true;
	if (!skip(reader, before))
		return false;
	do {
		struct tally_pg_fact *fact = tally_pg_arena_get(reader->arena,
		    sizeof(*fact));

		if (fact == NULL || !read_string(reader, "", &fact->text))
			return false;
		*out = fact;
		out = &fact->next;
	} while (skip(reader, ","));
	return skip(reader, "]");
}

/* Xids that were running, the lowest first; *out_since becomes that one. */
static bool
read_running(struct reader *reader, uint64_t *out_since)
{
	static const char before[] = ",\"running\":[";
	struct reader at = *reader;

	*out_since = UINT64_MAX;
	return !skip(&at, before) ||
	    (read_uint64(&at, "", out_since) && pass_strings(reader, before));
}

/* The moment's xid, and from which on a transaction may have been running. */
static bool
read_xids(struct reader *reader, uint64_t *out_xid, uint64_t *since)
{
	static const char before[] = ",\"unclear\":";
	struct reader at = *reader;
	uint64_t unclear;

	if (skip(&at, before)) {
		if (!read_uint64(reader, before, &unclear))
			return false;
		if (unclear < *since)
			*since = unclear;
	}
	if (!read_uint64(reader, ",\"xid\":", out_xid))
		return false;
	if (*out_xid < *since)
		*since = *out_xid;
	return true;
}

static bool
read_relation(struct reader *reader, uint32_t *out)
{
	int64_t number;

	if (!read_number(reader, ",\"relation\":", UINT32_MAX, &number) ||
	    number <= 0)
		return false;
	*out = (uint32_t)number;
	return true;
}

/* The position of a column by name, or -1. */
static int
find_column(const struct tally_pg_epoch *epoch, const char *name)
{
	for (int i = 0; i < epoch->ncolumns; i++)
		if (strcmp(epoch->columns[i].name, name) == 0)
			return i;
	return -1;
}

/* Columns have distinct names and ascending numbers. */
static bool
read_columns(struct reader *reader, struct tally_pg_epoch *epoch)
{
	int64_t number;
	int64_t before = 0;

	if (!skip(reader, ",\"columns\":["))
		return false;
	epoch->columns = tally_pg_arena_get(reader->arena,
	    TALLY_PG_COLUMNS_MAX * sizeof(*epoch->columns));
	if (epoch->columns == NULL)
		return false;
	do {
		struct tally_pg_column
		    *column = &epoch->columns[epoch->ncolumns];

		if (epoch->ncolumns == TALLY_PG_COLUMNS_MAX ||
		    !read_string(reader, "{\"name\":", &column->name) ||
		    !read_number(reader, ",\"number\":", TALLY_PG_COLUMNS_MAX,
			&number) ||
		    !read_shape(reader, &column->shape) ||
		    !read_string(reader, ",\"type\":", &column->type) ||
		    !read_number(reader, ",\"typmod\":", INT32_MAX,
			&column->typmod) ||
		    !skip(reader, "}") || number <= before ||
		    find_column(epoch, column->name) >= 0)
			return false;
		column->number = (int)number;
		before = number;
		epoch->ncolumns++;
	} while (skip(reader, ","));
	return skip(reader, "]");
}

static bool
read_key(struct reader *reader, struct tally_pg_epoch *epoch)
{
	const char *name;
	int position;

	if (!skip(reader, ",\"key\":["))
		return false;
	do {
		if (epoch->nkeys == TALLY_PG_KEYS_MAX ||
		    !read_string(reader, "", &name))
			return false;
		position = find_column(epoch, name);
		if (position < 0)
			return false;
		epoch->keys[epoch->nkeys++] = position;
	} while (skip(reader, ","));
	return skip(reader, "]");
}

/* What only an attachment has. */
static bool
read_rows(struct reader *reader, struct tally_pg_epoch *epoch)
{
	return epoch->is_tracked ||
	    (read_bool(reader, ",\"keep_event\":", &epoch->keep_event) &&
		read_key(reader, epoch));
}

static bool
read_kind(struct reader *reader, struct tally_pg_epoch *epoch)
{
	bool actor;

	if (epoch->is_tracked)
		return read_bool(reader, "{\"track\":{\"actor\":", &actor);
	if (epoch->is_era)
		return read_bool(reader,
		    "{\"backfill\":{\"append_only\":", &epoch->append_only);
	return (skip(reader, "{\"alter\":{") ||
		   skip(reader, "{\"attach\":{")) &&
	    read_bool(reader, "\"append_only\":", &epoch->append_only);
}

/* By which the rows were taken: only an era has it. */
static bool
read_order(struct reader *reader, const struct tally_pg_epoch *epoch)
{
	static const char before[] = ",\"order_by\":[";
	struct reader at = *reader;

	return !epoch->is_era ||
	    (skip(&at, before) && pass_strings(reader, before));
}

/* What was read since p, kept. */
static bool
keep_moment(struct reader *reader, const char *running, size_t running_len,
    const char *xids, const char **out)
{
	size_t len = (size_t)(reader->p - xids);
	char *text = tally_pg_arena_get(reader->arena, running_len + len + 1);

	if (text == NULL)
		return false;
	memcpy(text, running, running_len);
	memcpy(text + running_len, xids, len);
	text[running_len + len] = '\0';
	*out = text;
	return true;
}

static bool
read_epoch(struct reader *reader, struct tally_pg_epoch *epoch)
{
	const char *chain_by, *running, *xids;
	size_t running_len;

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
	    !read_relation(reader, &epoch->relation))
		return false;
	running = reader->p;
	if (!read_running(reader, &epoch->since))
		return false;
	running_len = (size_t)(reader->p - running);
	if (!read_bool(reader, ",\"salted\":", &epoch->salted) ||
	    !read_string(reader, ",\"table\":", &epoch->table))
		return false;
	xids = reader->p;
	if (!read_xids(reader, &epoch->xid, &epoch->since) ||
	    !keep_moment(reader, running, running_len, xids, &epoch->moment) ||
	    !skip(reader, "}}"))
		return false;
	epoch->chain_by = chain_by == NULL ? -1 : find_column(epoch, chain_by);
	return reader->p == reader->end &&
	    (chain_by == NULL || epoch->chain_by >= 0);
}

/* Does the event begin like this, and is it text? */
static bool
begins(const char *event, size_t len, const char *literal)
{
	struct reader look = { NULL, event, event + len };

	return skip(&look, literal) && tally_is_utf8(event, len);
}

static struct tally_pg_epoch *
parse_epoch(struct tally_pg_arena *arena, const char *event, size_t len,
    bool is_tracked, bool is_era)
{
	struct reader reader = { arena, event, event + len };
	struct tally_pg_epoch *epoch = tally_pg_arena_get(arena,
	    sizeof(*epoch));

	if (epoch == NULL)
		return NULL;
	epoch->is_tracked = is_tracked;
	epoch->is_era = is_era;
	return read_epoch(&reader, epoch) ? epoch : NULL;
}

struct tally_pg_epoch *
tally_pg_epoch_parse(struct tally_pg_arena *arena, const char *event,
    size_t len)
{
	if (!begins(event, len, "{\"attach\":") &&
	    !begins(event, len, "{\"alter\":"))
		return NULL;
	return parse_epoch(arena, event, len, false, false);
}

struct tally_pg_epoch *
tally_pg_track_parse(struct tally_pg_arena *arena, const char *event,
    size_t len)
{
	return begins(event, len, "{\"track\":")
	    ? parse_epoch(arena, event, len, true, false)
	    : NULL;
}

struct tally_pg_epoch *
tally_pg_era_parse(struct tally_pg_arena *arena, const char *event, size_t len)
{
	return begins(event, len, "{\"backfill\":")
	    ? parse_epoch(arena, event, len, false, true)
	    : NULL;
}

bool
tally_pg_epoch_is_same_table(const struct tally_pg_epoch *a,
    const struct tally_pg_epoch *b)
{
	return a->relation == b->relation && a->cluster == b->cluster &&
	    strcmp(a->database, b->database) == 0;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
has_same_columns(const struct tally_pg_epoch *a, const struct tally_pg_epoch *b)
{
	if (a->ncolumns != b->ncolumns || a->nkeys != b->nkeys ||
	    memcmp(a->keys, b->keys, (size_t)a->nkeys * sizeof(a->keys[0])) !=
		0)
		return false;
	for (int i = 0; i < a->ncolumns; i++)
		if (!tally_pg_column_is_same(&a->columns[i], &b->columns[i]))
			return false;
	return true;
}

bool
tally_pg_era_is_of(const struct tally_pg_epoch *era,
    const struct tally_pg_epoch *base)
{
	return era->append_only == base->append_only &&
	    era->chain_by == base->chain_by && era->cluster == base->cluster &&
	    has_same_columns(era, base) &&
	    strcmp(era->database, base->database) == 0 &&
	    era->keep_event == base->keep_event &&
	    strcmp(era->label, base->label) == 0 &&
	    is_same_text(era->only_when, base->only_when) &&
	    strcmp(era->prefix, base->prefix) == 0 &&
	    era->relation == base->relation && era->salted == base->salted &&
	    strcmp(era->table, base->table) == 0;
}

/* kind: the event up to its label. */
static struct tally_pg_detach *
parse_detach(struct tally_pg_arena *arena, const char *event, size_t len,
    const char *kind)
{
	struct reader reader = { arena, event, event + len };
	struct tally_pg_detach *detach;

	if (!begins(event, len, kind))
		return NULL;
	detach = tally_pg_arena_get(arena, sizeof(*detach));
	if (detach == NULL || !read_string(&reader, kind, &detach->label) ||
	    !read_relation(&reader, &detach->relation) ||
	    !read_running(&reader, &detach->since) ||
	    !read_string(&reader, ",\"table\":", &detach->table) ||
	    !read_xids(&reader, &detach->xid, &detach->since) ||
	    !skip(&reader, "}}") || reader.p != reader.end)
		return NULL;
	return detach;
}

struct tally_pg_detach *
tally_pg_detach_parse(struct tally_pg_arena *arena, const char *event,
    size_t len)
{
	return parse_detach(arena, event, len, "{\"detach\":{\"label\":");
}

struct tally_pg_detach *
tally_pg_untrack_parse(struct tally_pg_arena *arena, const char *event,
    size_t len)
{
	return parse_detach(arena, event, len, "{\"untrack\":{\"label\":");
}

/* ---- retire and rewrite ------------------------------------------------- */

bool
tally_pg_rewrite_parse(struct tally_pg_arena *arena, const char *event,
    size_t len, struct tally_pg_rewrite *out)
{
	struct reader reader = { arena, event, event + len };

	return begins(event, len, "{\"rewrite\":") &&
	    read_string(&reader, "{\"rewrite\":{\"label\":", &out->label) &&
	    read_relation(&reader, &out->relation) &&
	    read_number(&reader, ",\"rows\":", INT64_MAX, &out->rows) &&
	    read_string(&reader, ",\"table\":", &out->table) &&
	    read_uint64(&reader, ",\"xid\":", &out->xid) &&
	    skip(&reader, "}}") && reader.p == reader.end;
}

struct taking {
	int (*take)(void *arg, const char *chain, int64_t first, int64_t last);
	void *arg;
};

/* TALLY_END: malformed. */
static int
read_ranges(struct reader *reader, const struct taking *taking)
{
	const char *chain;
	int64_t first, last;
	int result;

	if (!read_string(reader, "{\"chain\":", &chain) ||
	    !skip(reader, ",\"seqs\":["))
		return TALLY_END;
	do {
		if (!read_number(reader, "[", INT64_MAX, &first) ||
		    !read_number(reader, ",", INT64_MAX, &last) ||
		    !skip(reader, "]"))
			return TALLY_END;
		result = taking->take(taking->arg, chain, first, last);
		if (result != 0)
			return result;
	} while (skip(reader, ","));
	return skip(reader, "]}") ? 0 : TALLY_END;
}

int
tally_pg_retire_parse(struct tally_pg_arena *arena, const char *event,
    size_t len,
    int (*take)(void *arg, const char *chain, int64_t first, int64_t last),
    void *arg)
{
	struct reader reader = { arena, event, event + len };
	const struct taking taking = { take, arg };
	int result;

	if (!begins(event, len, "{\"retire\":") ||
	    !skip(&reader, "{\"retire\":{\"chains\":["))
		return TALLY_END;
	if (skip(&reader, "],"))
		return 0;
	do {
		result = read_ranges(&reader, &taking);
		if (result != 0)
			return result;
	} while (skip(&reader, ","));
	return skip(&reader, "],") ? 0 : TALLY_END;
}
