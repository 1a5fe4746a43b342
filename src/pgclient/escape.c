/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pgclient/escape.h"

static const struct tally_pg_column *
find_column(const struct tally_pg_epoch *epoch, int number)
{
	for (int i = 0; i < epoch->ncolumns; i++)
		if (epoch->columns[i].number == number)
			return &epoch->columns[i];
	return NULL;
}

/* Does the later epoch seal all columns of the earlier one? */
static bool
has_all_columns(const struct tally_pg_epoch *later,
    const struct tally_pg_epoch *earlier)
{
	for (int i = 0; i < earlier->ncolumns; i++)
		if (find_column(later, earlier->columns[i].number) == NULL)
			return false;
	return true;
}

/* The same text over the same columns: under the names that they had then. */
static bool
has_same_condition(const struct tally_pg_epoch *later,
    const struct tally_pg_epoch *earlier)
{
	if (earlier->only_when == NULL ||
	    strcmp(later->only_when, earlier->only_when) != 0)
		return false;
	for (int i = 0; i < earlier->ncolumns; i++) {
		const struct tally_pg_column *column = &earlier->columns[i];
		const struct tally_pg_column *now = find_column(later,
		    column->number);

		if (now != NULL && strcmp(now->name, column->name) != 0)
			return false;
	}
	return true;
}

/*
 * Could rows that were sealed in the earlier epoch be changed, or deleted, in
 * the later one without a record that tells so under their key of then?
 */
static bool
lets_escape(const struct tally_pg_use *later,
    const struct tally_pg_use *earlier)
{
	if (!has_all_columns(later->epoch, earlier->epoch))
		return true;
	if (later->epoch->only_when != NULL &&
	    !has_same_condition(later->epoch, earlier->epoch))
		return true;
	return !later->epoch->append_only &&
	    later->form->key_class != earlier->form->key_class;
}

const struct tally_pg_use *
tally_pg_escape_find(const struct tally_pg_use *use,
    const struct tally_pg_item *row)
{
	for (const struct tally_pg_use *later = use->source->uses;
	     later != NULL; later = later->next)
		if (later->attach_seq > use->attach_seq &&
		    (row == NULL || row->use == NULL ||
			row->use->attach_seq >= later->attach_seq) &&
		    lets_escape(later, use))
			return later;
	return NULL;
}

bool
tally_pg_escape_is_of_later(const struct tally_pg_item *row,
    const struct tally_pg_use *use)
{
	return row->use != NULL && row->use->attach_seq > use->attach_seq &&
	    (row->age == TALLY_PG_AGE_SEALED ||
		row->age == TALLY_PG_AGE_LEFT_OUT ||
		row->age == TALLY_PG_AGE_NARROWED);
}

bool
tally_pg_escape_has_key(const struct tally_pg_form *form)
{
	for (const struct tally_pg_form *other = form->source->forms;
	     other != NULL; other = other->next)
		if (other->is_rendered && other->key_class == form->key_class)
			return true;
	return false;
}
