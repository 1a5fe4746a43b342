/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event "retire", written and read.
 */
#include "postgres.h"

#include "event_text.h"
#include "retire_event.h"

#include "core/jcs.h"

#include <tally/record.h>

/* What each begins with. */
#define HEAD "{\"retire\":{\"chains\":["

static bool
is_same_chain(const struct tally_retirement *retirement, int i)
{
	return i > 0 && strcmp(retirement->ranges[i - 1].chain,
						   retirement->ranges[i].chain) == 0;
}

char *
tally_retirement_encode(const struct tally_retirement *retirement)
{
	StringInfoData out;
	int			i;

	initStringInfo(&out);
	appendStringInfoString(&out, HEAD);
	for (i = 0; i < retirement->nranges; i++)
	{
		const struct tally_retired_range *range = &retirement->ranges[i];

		if (is_same_chain(retirement, i))
			appendStringInfoChar(&out, ',');
		else
		{
			tally_text_add(&out, i == 0 ? "{\"chain\":" : "]},{\"chain\":",
						   range->chain);
			appendStringInfoString(&out, ",\"seqs\":[");
		}
		appendStringInfo(&out, "[%lld,%lld]", (long long) range->first,
						 (long long) range->last);
	}
	if (retirement->nranges > 0)
		appendStringInfoString(&out, "]}");
	tally_text_add(&out, "],\"label\":", retirement->label);
	tally_text_add(&out, ",\"partition\":", retirement->partition);
	appendStringInfo(&out, ",\"relation\":%u,\"rows\":%lld",
					 retirement->relation, (long long) retirement->rows);
	tally_text_add(&out, ",\"table\":", retirement->table);
	appendStringInfoString(&out, "}}");
	return out.data;
}

Size
tally_retirement_measure(const struct tally_retired_range *range,
						 bool same_chain)
{
	const Size	numbers = sizeof("[9007199254740991,9007199254740991],");

	if (same_chain)
		return numbers;
	return numbers + sizeof("]},{\"chain\":,\"seqs\":[") +
		tally_jcs_measure(range->chain, strlen(range->chain));
}

/* ---- reading ------------------------------------------------------- */

struct ranges
{
	int			count;
	int			capacity;
	struct tally_retired_range *ranges;
};

static bool
read_range(struct tally_text_reader *reader, char *chain,
		   struct ranges *ranges)
{
	struct tally_retired_range range = {chain};

	if (!tally_text_number(reader, "[", TALLY_SEQ_MAX, &range.first) ||
		!tally_text_number(reader, ",", TALLY_SEQ_MAX, &range.last) ||
		!tally_text_skip(reader, "]") ||
		range.first < 1 || range.last < range.first)
		return false;
	if (ranges->count == ranges->capacity)
	{
		ranges->capacity = Max(2 * ranges->capacity, 16);
		ranges->ranges = ranges->ranges == NULL ?
			palloc(ranges->capacity * sizeof(range)) :
			repalloc(ranges->ranges, ranges->capacity * sizeof(range));
	}
	ranges->ranges[ranges->count++] = range;
	return true;
}

static bool
read_chain(struct tally_text_reader *reader, struct ranges *ranges)
{
	char	   *chain;

	if (!tally_text_string(reader, "{\"chain\":", &chain) ||
		!tally_text_skip(reader, ",\"seqs\":["))
		return false;
	do
	{
		if (!read_range(reader, chain, ranges))
			return false;
	} while (tally_text_skip(reader, ","));
	return tally_text_skip(reader, "]}");
}

static bool
read_chains(struct tally_text_reader *reader, struct ranges *ranges)
{
	if (*reader->p == ']')
		return true;
	do
	{
		if (!read_chain(reader, ranges))
			return false;
	} while (tally_text_skip(reader, ","));
	return true;
}

struct tally_retirement *
tally_retirement_parse(const char *text)
{
	struct tally_retirement *retirement;
	struct tally_text_reader reader;
	struct ranges ranges = {0};
	char	   *again;
	bool		same;

	if (strncmp(text, HEAD, strlen(HEAD)) != 0 ||
		!tally_text_open(text, &reader))
		return NULL;
	retirement = palloc0(sizeof(*retirement));
	if (!tally_text_skip(&reader, HEAD) || !read_chains(&reader, &ranges) ||
		!tally_text_string(&reader, "],\"label\":", &retirement->label) ||
		!tally_text_string(&reader, ",\"partition\":",
						   &retirement->partition) ||
		!tally_text_relation(&reader, &retirement->relation) ||
		!tally_text_number(&reader, ",\"rows\":", PG_INT64_MAX,
						   &retirement->rows) ||
		!tally_text_string(&reader, ",\"table\":", &retirement->table) ||
		!tally_text_skip(&reader, "}}") || reader.p != reader.end)
		return NULL;
	retirement->nranges = ranges.count;
	retirement->ranges = ranges.ranges;
	again = tally_retirement_encode(retirement);
	same = strcmp(again, text) == 0;
	pfree(again);
	return same ? retirement : NULL;
}
