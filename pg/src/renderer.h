/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A renderer from within; everybody else uses render.h.
 */
#ifndef TALLY_PG_RENDERER_H
#define TALLY_PG_RENDERER_H

#include "render.h"

#include "core/jcs.h"
#include "value.h"

/* Up to here a buffer gets the room that quoting could ever need. */
#define TALLY_SHORT_TEXT (16 * 1024)

/* A member of "row". */
struct tally_member
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
	struct tally_member *members;	/* in the order of their names */
	struct tally_member **keys; /* epoch->nkeys of them, in the key's order */
	struct tally_member *chain_by;	/* or NULL */
	bool		is_lenient;		/* made with missing_ok */
	StringInfoData tail;		/* },"table":"<label>"} */
};

/* Quotes a string at the end of out; false if it is not valid UTF-8. */
static inline bool
tally_render_quoted(StringInfo out, const char *str, Size len)
{
	size_t		quoted;

	enlargeStringInfo(out, len <= TALLY_SHORT_TEXT ? TALLY_JCS_QUOTED_MAX(len) :
					  tally_jcs_measure(str, len));
	quoted = tally_jcs_quote(str, len, out->data + out->len);
	out->len += quoted;
	out->data[out->len] = '\0';
	return quoted > 0;
}

#endif
