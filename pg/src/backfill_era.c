/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backfilling: when the table was attached first, and the era.
 *
 * The first attach is what tally:log says, not what a table says that somebody
 * could have changed on the way; and the verifier, which asks the log itself,
 * believes no era that says otherwise.
 */
#include "postgres.h"

#include "attach.h"
#include "backfill.h"
#include "capture.h"
#include "compat.h"
#include "origin_event.h"
#include "store.h"

#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* ---- the first attach ------------------------------------------------- */

struct search
{
	const struct tally_epoch *epoch;	/* in force */
	struct tally_epoch *first;	/* of the same table, or NULL */
	bool		is_begun;		/* some epoch of its source was seen */
	bool		is_moved;		/* some of them began in another place */
};

/* Are both of what verifying takes for one source? */
static bool
is_same_source(const struct tally_epoch *a, const struct tally_epoch *b)
{
	return a->relation == b->relation || strcmp(a->label, b->label) == 0;
}

static bool
take_event(int64 seq, int64 event_id, void *arg)
{
	struct search *search = arg;
	char	   *event = tally_store_read_event(event_id, SnapshotSelf);
	struct tally_epoch *epoch;
	struct tally_origin_event *origin;

	if (event == NULL)
		return true;
	epoch = tally_epoch_parse(event_id, event);
	if (epoch != NULL && is_same_source(epoch, search->epoch))
	{
		search->is_begun = true;
		if (epoch->cluster != search->epoch->cluster)
			search->is_moved = true;
		if (search->first == NULL &&
			epoch->relation == search->epoch->relation)
			search->first = epoch;
	}
	origin = epoch != NULL ? NULL : tally_origin_event_parse(event);
	if (origin != NULL && search->is_begun &&
		!tally_origin_is_place(&origin->from, &origin->to))
		search->is_moved = true;
	return true;
}

void
tally_backfill_first(const struct tally_epoch *epoch, struct tally_moment *out)
{
	struct search search = {epoch};

	tally_store_walk_log(take_event, &search);
	if (search.is_moved)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("\"%s\" cannot be backfilled",
						tally_attach_name(epoch->relation)),
				 errdetail("The database was restored since the table was attached first, so it is not known which of its rows were there before."),
				 errhint("Rows without a record stay unverifiable.")));
	if (search.first == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("tally:log does not say when \"%s\" was attached",
						tally_attach_name(epoch->relation)),
				 errhint("tally.verify() says more.")));
	*out = search.first->moment;
}

/* ---- the era ---------------------------------------------------------- */

static struct tally_epoch *
read_era(int64 id)
{
	char	   *event = id == 0 ? NULL : tally_store_read_event(id,
																SnapshotSelf);

	return event == NULL ? NULL : tally_backfill_parse(id, event);
}

/* Do both pick the same rows? */
static bool
has_same_condition(const struct tally_epoch *a, const struct tally_epoch *b)
{
	if (a->only_when == NULL || b->only_when == NULL)
		return a->only_when == b->only_when;
	return strcmp(a->only_when, b->only_when) == 0;
}

static bool
has_same_names(List *a, List *b)
{
	ListCell   *x;
	ListCell   *y;

	if (list_length(a) != list_length(b))
		return false;
	forboth(x, a, y, b)
	{
		if (strcmp(lfirst(x), lfirst(y)) != 0)
			return false;
	}
	return true;
}

static List *
names_of_key(const struct tally_epoch *epoch, Relation rel)
{
	List	   *names = NIL;
	int			i;

	for (i = 0; i < epoch->nkeys; i++)
		names = lappend(names,
						get_attname(RelationGetRelid(rel),
									epoch->columns[epoch->keys[i]].number,
									false));
	return names;
}

static char *
join_names(List *names)
{
	StringInfoData joined;
	ListCell   *cell;

	initStringInfo(&joined);
	foreach(cell, names)
		appendStringInfo(&joined, "%s%s", joined.len > 0 ? ", " : "",
						 (char *) lfirst(cell));
	return joined.data;
}

/* In what order: as before, as was asked for, by the key. */
static List *
choose_names(const struct tally_backfill *job, const struct tally_epoch *epoch,
			 const struct tally_epoch *before, Relation rel)
{
	List	   *names;

	if (before == NULL)
		return job->order_by != NIL ? job->order_by :
			names_of_key(epoch, rel);
	names = tally_backfill_names(before, rel);
	if (job->order_by != NIL && !has_same_names(job->order_by, names))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the backfill of \"%s\" was begun in the order of (%s)",
						tally_attach_name(job->relation), join_names(names)),
				 errhint("Leave order_by out: it goes on where it stopped.")));
	return names;
}

static struct tally_epoch *
make_era(const struct tally_backfill *job, const struct tally_epoch *epoch,
		 List *names)
{
	struct tally_epoch *era = palloc_object(struct tally_epoch);
	ListCell   *cell;

	*era = *epoch;
	era->is_backfill = true;
	era->is_alteration = false;
	era->moment = job->first;
	era->norder = 0;
	era->order_by = palloc_array(char *, list_length(names));
	foreach(cell, names)
		era->order_by[era->norder++] = lfirst(cell);
	era->id = tally_capture_log_event(tally_epoch_encode(era));
	return era;
}

/*
 * An era goes on as long as the attachment is as it was.  Behind an alteration
 * the next era begins where that one stopped, for what is sealed is sealed;
 * unless another condition picks other rows.
 */
struct tally_epoch *
tally_backfill_era(const struct tally_backfill *job,
				   const struct tally_epoch *epoch, Relation rel,
				   struct tally_backfill_place *place)
{
	struct tally_epoch *before = read_era(place->era);
	struct tally_epoch *era;
	List	   *names;

	/* Of a table that had this oid once, or not what was sealed. */
	if (before != NULL && (before->relation != epoch->relation ||
						   !tally_moment_equal(&before->moment, &job->first)))
		before = NULL;
	names = choose_names(job, epoch, before, rel);
	if (before != NULL && tally_epoch_is_base(epoch, before))
		return before;
	era = make_era(job, epoch, names);
	if (before == NULL || !has_same_condition(before, epoch))
		memset(place, 0, sizeof(*place));
	place->era = era->id;
	place->is_finished = false;
	return era;
}
