/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration in force for a relation, ready for use.
 */
#ifndef TALLY_PG_ATTACHMENT_H
#define TALLY_PG_ATTACHMENT_H

#include "epoch.h"

#include "utils/relcache.h"

struct tally_renderer;
struct tally_condition;

struct tally_attachment
{
	Oid			relation;		/* the relation itself, perhaps a partition */
	struct tally_epoch *epoch;
	struct tally_renderer *renderer;
	struct tally_condition *condition;	/* NULL: every row */
};

/*
 * The attachment of rel, or of the partitioned table that it is a part of;
 * NULL if there is none.  Found by relation, never by a trigger's arguments.
 *
 * Cached in the backend until the relation, its types or tally.attachment
 * change; what is returned lives until then, at least to the end of the
 * trigger call that asked.  ERROR if the epoch can no longer be rendered (a
 * column was dropped or has another type): the message names it.
 */
extern const struct tally_attachment *tally_attachment_find(Relation rel);

/* Registers the invalidation callbacks; once, from _PG_init. */
extern void tally_attachment_init(void);

/* The name of the row trigger: sorts before any name a user would choose. */
#define TALLY_TRIGGER_ROW "!tally_capture"
#define TALLY_TRIGGER_TRUNCATE "!tally_truncate"

#endif
