/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of attach and detach, track and untrack, and of a backfill,
 * written.  Of each there is one spelling (RFC 8785), with the members in the
 * order that the standard asks for.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"

#include "epoch.h"
#include "event_text.h"

static void
add_bool(StringInfo out, const char *before, bool value)
{
	appendStringInfoString(out, before);
	appendStringInfoString(out, value ? "true" : "false");
}

/* Left out if there is none. */
static void
add_shapes(StringInfo out, const struct tally_column *column)
{
	int			i;

	if (column->nshapes == 0)
		return;
	for (i = 0; i < column->nshapes; i++)
		tally_text_add(out, i == 0 ? ",\"shape\":[" : ",", column->shapes[i]);
	appendStringInfoChar(out, ']');
}

/* Likewise. */
static void
add_running(StringInfo out, const struct tally_moment *moment)
{
	int			i;

	if (moment->nrunning == 0)
		return;
	for (i = 0; i < moment->nrunning; i++)
		appendStringInfo(out, "%s\"" UINT64_FORMAT "\"",
						 i == 0 ? ",\"running\":[" : ",",
						 moment->running[i]);
	appendStringInfoChar(out, ']');
}

/* The last members of both events. */
static void
add_xids(StringInfo out, const struct tally_moment *moment)
{
	if (moment->unclear != 0)
		appendStringInfo(out, ",\"unclear\":\"" UINT64_FORMAT "\"",
						 moment->unclear);
	appendStringInfo(out, ",\"xid\":\"" UINT64_FORMAT "\"}}",
					 U64FromFullTransactionId(moment->xid));
}

static void
add_columns(StringInfo out, const struct tally_epoch *epoch)
{
	const struct tally_column *column;
	int			i;

	for (i = 0; i < epoch->ncolumns; i++)
	{
		column = &epoch->columns[i];
		tally_text_add(out, i == 0 ? "{\"name\":" : ",{\"name\":", column->name);
		appendStringInfo(out, ",\"number\":%d", column->number);
		add_shapes(out, column);
		tally_text_add(out, ",\"type\":", column->type_name);
		appendStringInfo(out, ",\"typmod\":%d}", column->typmod);
	}
}

/* Left out if there is none. */
static void
add_order(StringInfo out, const struct tally_epoch *epoch)
{
	int			i;

	if (epoch->norder == 0)
		return;
	for (i = 0; i < epoch->norder; i++)
		tally_text_add(out, i == 0 ? ",\"order_by\":[" : ",",
					   epoch->order_by[i]);
	appendStringInfoChar(out, ']');
}

/* The kind, and the first member of each. */
static void
add_kind(StringInfo out, const struct tally_epoch *epoch)
{
	if (epoch->is_tracked)
		add_bool(out, "{\"track\":{\"actor\":", epoch->actor);
	else if (epoch->is_backfill)
		add_bool(out, "{\"backfill\":{\"append_only\":",
				 epoch->append_only);
	else
		add_bool(out, epoch->is_alteration ?
				 "{\"alter\":{\"append_only\":" :
				 "{\"attach\":{\"append_only\":", epoch->append_only);
}

static void
add_key(StringInfo out, const struct tally_epoch *epoch)
{
	int			i;

	for (i = 0; i < epoch->nkeys; i++)
		tally_text_add(out, i == 0 ? "" : ",",
					   epoch->columns[epoch->keys[i]].name);
}

bool
tally_epoch_is_here(const struct tally_epoch *epoch)
{
	return !epoch->is_elsewhere;
}

bool
tally_epoch_is_same_table(const struct tally_epoch *a,
						  const struct tally_epoch *b)
{
	return a->relation == b->relation && a->cluster == b->cluster &&
		strcmp(a->database, b->database) == 0;
}

char *
tally_epoch_encode(const struct tally_epoch *epoch)
{
	StringInfoData out;

	initStringInfo(&out);
	add_kind(&out, epoch);
	if (epoch->chain_by >= 0)
		tally_text_add(&out, ",\"chain_by\":",
					   epoch->columns[epoch->chain_by].name);
	appendStringInfo(&out, ",\"cluster\":\"" UINT64_FORMAT "\",\"columns\":[",
					 epoch->cluster);
	add_columns(&out, epoch);
	tally_text_add(&out, "],\"database\":", epoch->database);
	if (!epoch->is_tracked)
	{
		add_bool(&out, ",\"keep_event\":", epoch->keep_event);
		appendStringInfoString(&out, ",\"key\":[");
		add_key(&out, epoch);
		appendStringInfoChar(&out, ']');
	}
	tally_text_add(&out, ",\"label\":", epoch->label);
	if (epoch->only_when != NULL)
		tally_text_add(&out, ",\"only_when\":", epoch->only_when);
	add_order(&out, epoch);
	tally_text_add(&out, ",\"prefix\":", epoch->prefix);
	appendStringInfo(&out, ",\"relation\":%u", epoch->relation);
	add_running(&out, &epoch->moment);
	add_bool(&out, ",\"salted\":", epoch->salted);
	tally_text_add(&out, ",\"table\":", epoch->table);
	add_xids(&out, &epoch->moment);
	return out.data;
}

bool
tally_epoch_is_base(const struct tally_epoch *base,
					const struct tally_epoch *era)
{
	struct tally_epoch same = *era;
	char	   *a;
	char	   *b;
	bool		is_base;

	same.is_backfill = false;
	same.is_alteration = base->is_alteration;
	same.norder = 0;
	same.moment = base->moment;
	a = tally_epoch_encode(&same);
	b = tally_epoch_encode(base);
	is_base = strcmp(a, b) == 0;
	pfree(a);
	pfree(b);
	return is_base;
}

char *
tally_detach_encode(const struct tally_detach *detach)
{
	StringInfoData out;

	initStringInfo(&out);
	tally_text_add(&out, detach->is_tracked ? "{\"untrack\":{\"label\":" :
				   "{\"detach\":{\"label\":", detach->label);
	appendStringInfo(&out, ",\"relation\":%u", detach->relation);
	add_running(&out, &detach->moment);
	tally_text_add(&out, ",\"table\":", detach->table);
	add_xids(&out, &detach->moment);
	return out.data;
}
