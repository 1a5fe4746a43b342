/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms of which only some columns can be rendered any more.
 *
 * Where a column's type was changed, what was sealed before cannot be rendered
 * as it was.  If the events were kept they say it, and the columns that did not
 * change are compared: the row is rendered with these alone, and of a record's
 * event, which holds, the others are left out.  What that gives is a digest
 * like any other.
 */
#ifndef TALLY_PG_VERIFY_PARTS_H
#define TALLY_PG_VERIFY_PARTS_H

#include "verify_match.h"

/* Looks at the source's forms whose events are kept: form->part. */
extern void tally_parts_find(struct tally_verifier *v,
							 struct tally_source *source);

/* The event, which holds, is that of a row of such a form: is_part. */
extern void tally_parts_take(struct tally_match_record *record,
							 const char *event);

#endif
