/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of tally:log's events, piece by piece.
 *
 * Of each event there is one spelling (RFC 8785).  So a reader goes straight
 * through the text, and may be lax: it compares what encoding again gives.
 * Each function of reading moves the reader behind what it read and returns
 * true, or returns false and leaves it anywhere.  before: what stands in front
 * of the value, such as ",\"label\":".
 */
#ifndef TALLY_PG_EVENT_TEXT_H
#define TALLY_PG_EVENT_TEXT_H

#include "postgres.h"

#include "lib/stringinfo.h"

/* ERROR if the value is not UTF-8. */
extern void tally_text_add(StringInfo out, const char *before,
						   const char *value);

struct tally_text_reader
{
	const char *p;
	const char *end;			/* at a NUL */
};

/* Is the text of a length and an encoding that an event can have? */
extern bool tally_text_open(const char *event,
							struct tally_text_reader *out_reader);

extern bool tally_text_skip(struct tally_text_reader *reader,
							const char *literal);
extern bool tally_text_string(struct tally_text_reader *reader,
							  const char *before, char **out);

/* From -1 to max. */
extern bool tally_text_number(struct tally_text_reader *reader,
							  const char *before, int64 max, int64 *out);

/* Of 64 bits, which JSON has to write as a string. */
extern bool tally_text_uint64(struct tally_text_reader *reader,
							  const char *before, uint64 *out);

/* The member ,"relation": */
extern bool tally_text_relation(struct tally_text_reader *reader, Oid *out);

#endif
