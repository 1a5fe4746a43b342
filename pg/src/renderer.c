/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preparing to render rows: members in the order of RFC 8785 with their names
 * quoted, output functions looked up.
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/rel.h"

#include "columns.h"
#include "compat.h"
#include "renderer.h"
#include "types.h"

static int
compare_names(const void *a, const void *b)
{
	const char *x = ((const struct tally_member *) a)->column->name;
	const char *y = ((const struct tally_member *) b)->column->name;

	return tally_jcs_compare(x, strlen(x), y, strlen(y));
}

static void
prepare_member(struct tally_member *member)
{
	StringInfoData name;

	initStringInfo(&name);
	appendStringInfoChar(&name, ',');
	if (!tally_render_quoted(&name, member->column->name,
							 strlen(member->column->name)))
		elog(ERROR, "name of a column is not valid UTF-8");
	appendStringInfoChar(&name, ':');
	member->name = name.data;
	member->name_len = name.len;
}

/* Looks the type up; false with the reason if it is not rendered any more. */
static bool
prepare_type(struct tally_renderer *renderer, struct tally_member *member,
			 Oid type, char **out_why)
{
	int			needs;

	if (!tally_type_is_stable(type, &needs, out_why))
	{
		*out_why = psprintf("column \"%s\" of table \"%s\" cannot be rendered: %s",
							member->column->name, renderer->epoch->table,
							*out_why);
		return false;
	}
	tally_value_init(&member->value, type, &needs);
	renderer->needs |= needs;
	return true;
}

static bool
prepare_members(struct tally_renderer *renderer, Relation rel, char **out_why)
{
	const struct tally_epoch *epoch = renderer->epoch;
	AttrNumber *numbers = tally_columns_find(epoch, rel, out_why);
	struct tally_member *member;
	int			i;

	if (numbers == NULL)
		return false;
	*out_why = tally_columns_shape_fault(epoch, rel, numbers);
	if (*out_why != NULL)
		return false;
	renderer->nmembers = epoch->ncolumns;
	renderer->members = palloc0_array(struct tally_member, epoch->ncolumns);
	for (i = 0; i < epoch->ncolumns; i++)
	{
		member = &renderer->members[i];
		member->column = &epoch->columns[i];
		member->number = numbers[i];
		renderer->last = Max(renderer->last, numbers[i]);
		prepare_member(member);
		if (!prepare_type(renderer, member,
						  TupleDescAttr(RelationGetDescr(rel),
										numbers[i] - 1)->atttypid, out_why))
			return false;
	}
	qsort(renderer->members, renderer->nmembers, sizeof(struct tally_member),
		  compare_names);
	return true;
}

static struct tally_member *
member_of(struct tally_renderer *renderer, int position)
{
	const struct tally_column *column = &renderer->epoch->columns[position];
	int			i = 0;

	while (renderer->members[i].column != column)
		i++;
	return &renderer->members[i];
}

static bool
prepare(struct tally_renderer *renderer, Relation rel, char **out_why)
{
	const struct tally_epoch *epoch = renderer->epoch;
	int			i;

	if (!prepare_members(renderer, rel, out_why))
		return false;
	renderer->keys = palloc_array(struct tally_member *, epoch->nkeys);
	for (i = 0; i < epoch->nkeys; i++)
		renderer->keys[i] = member_of(renderer, epoch->keys[i]);
	if (epoch->chain_by >= 0)
		renderer->chain_by = member_of(renderer, epoch->chain_by);

	initStringInfo(&renderer->tail);
	appendStringInfoString(&renderer->tail, "},\"table\":");
	if (!tally_render_quoted(&renderer->tail, epoch->label,
							 strlen(epoch->label)))
		elog(ERROR, "label of a table is not valid UTF-8");
	appendStringInfoChar(&renderer->tail, '}');
	renderer->scratch = AllocSetContextCreate(CurrentMemoryContext,
											  "tally row",
											  ALLOCSET_DEFAULT_SIZES);
	return true;
}

struct tally_renderer *
tally_renderer_new(const struct tally_epoch *epoch, Relation rel,
				   bool missing_ok, char **out_why)
{
	struct tally_renderer *renderer = palloc0_object(struct tally_renderer);
	char	   *why;

	renderer->epoch = epoch;
	renderer->is_lenient = missing_ok;
	if (prepare(renderer, rel, &why))
		return renderer;
	if (!missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", why),
				 epoch->is_tracked ? errhint(TALLY_TRACK_HINT) :
				 errhint(TALLY_COLUMNS_HINT)));
	*out_why = why;
	return NULL;
}
