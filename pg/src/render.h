/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row's canonical event, key and chain (doc/format.md, section 6).
 *
 * Each column is given to its type's output function once, under settings
 * that no session chooses; the three texts are made of what came out.
 */
#ifndef TALLY_PG_RENDER_H
#define TALLY_PG_RENDER_H

#include "epoch.h"

#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "utils/relcache.h"

/* What a row that cannot be sealed is rendered to; no row's event. */
#define TALLY_EVENT_OF_NONE "{}"

/* A key's text that is longer becomes "#" and its SHA-256. */
#define TALLY_KEY_MAX 512

enum tally_op
{
	TALLY_OP_INSERT = 0,		/* {"row":…,"table":…} */
	TALLY_OP_UPDATE,			/* {"op":"update","row":…,"table":…} */
	TALLY_OP_DELETE,
	TALLY_OP_BACKFILL,
	TALLY_OP_NONE,				/* {…}: the columns alone, which is no event */
};

struct tally_renderer;

/* Texts of one row, in buffers that are reused from row to row. */
struct tally_rendered
{
	StringInfoData event;
	StringInfoData key;
	StringInfoData chain;		/* plain name, legal as it is */
};

/*
 * Prepares to render rows of rel (the epoch's relation or a partition of it)
 * as the epoch says.  Lives in the current memory context.
 *
 * ERROR if a column of the epoch is gone or has another type or modifier:
 *   column "at" of table "public.audit_logs" is "text" now, was "timestamp …"
 * with a hint to detach and attach again.  A renamed column is rendered under
 * its name of the epoch.  With missing_ok, NULL instead of an error, and the
 * reason in *out_why (palloc'd).
 */
extern struct tally_renderer *tally_renderer_new(const struct tally_epoch *,
												 Relation rel, bool missing_ok,
												 char **out_why);

/* Empty buffers in the current memory context. */
extern void tally_rendered_init(struct tally_rendered *rendered);

/*
 * Renders the row in slot; what out held before is overwritten.  Temporary
 * memory is the renderer's own and is reset with each call.  ERROR if the
 * event is longer than TALLY_EVENT_MAX, or not UTF-8, or an output function
 * fails; if the renderer was made with missing_ok, TALLY_EVENT_OF_NONE instead.
 */
extern void tally_render_row(struct tally_renderer *renderer,
							 TupleTableSlot *slot, enum tally_op op,
							 struct tally_rendered *out);

#endif
