/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching: the epoch, from what the caller of tally.attach, track or alter
 * asked for to the event that says it.
 */
#include "postgres.h"

#include "attach.h"
#include "capture.h"
#include "chain.h"
#include "condition.h"
#include "store.h"

#include "core/text.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* So that with '/' and a hash of a value a chain's name is not too long. */
#define LABEL_MAX 190

/* Arguments of tally.attach, in their order in SQL; those of tally.track. */
enum
{
	ARG_TBL,
	ARG_CHAIN_BY,
	ARG_PREFIX,
	ARG_LABEL,
	ARG_COLUMNS,
	ARG_EXCLUDE,
	ARG_ONLY_WHEN,
	ARG_SALTED,
	ARG_KEEP_EVENT,
	ARG_APPEND_ONLY,
	ARG_ACTOR = ARG_KEEP_EVENT,
};

static void
refuse_null(const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("argument \"%s\" must not be null", argument)));
}

Oid
tally_attach_get_table(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(ARG_TBL))
		refuse_null("tbl");
	return PG_GETARG_OID(ARG_TBL);
}

static char *
get_text(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return NULL;
	return text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

static bool
get_bool(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		refuse_null(name);
	return PG_GETARG_BOOL(argument);
}

/* The elements of a name[], as strings. */
List *
tally_attach_get_names(FunctionCallInfo fcinfo, int argument, const char *name)
{
	List	   *names = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			i;

	if (PG_ARGISNULL(argument))
		return NIL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(argument), NAMEOID, NAMEDATALEN,
					  false, TYPALIGN_CHAR, &values, &nulls, &count);
	for (i = 0; i < count; i++)
	{
		if (nulls[i])
			refuse_null(name);
		names = lappend(names, NameStr(*DatumGetName(values[i])));
	}
	return names;
}

/* What attach and track have in common. */
static void
get_request(FunctionCallInfo fcinfo, struct tally_attach_request *request)
{
	memset(request, 0, sizeof(*request));
	request->relation = tally_attach_get_table(fcinfo);
	if (!PG_ARGISNULL(ARG_CHAIN_BY))
		request->chain_by = NameStr(*PG_GETARG_NAME(ARG_CHAIN_BY));
	request->prefix = get_text(fcinfo, ARG_PREFIX);
	request->label = get_text(fcinfo, ARG_LABEL);
	request->some_columns = !PG_ARGISNULL(ARG_COLUMNS);
	request->columns = tally_attach_get_names(fcinfo, ARG_COLUMNS,
											  "columns");
	request->exclude = tally_attach_get_names(fcinfo, ARG_EXCLUDE,
											  "exclude");
	request->only_when = get_text(fcinfo, ARG_ONLY_WHEN);
	request->salted = get_bool(fcinfo, ARG_SALTED, "salted");
	if (request->some_columns && !PG_ARGISNULL(ARG_EXCLUDE))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns and exclude cannot be used together"),
				 errhint("Name either the columns that are sealed, or those that are not.")));
}

void
tally_attach_get_request(FunctionCallInfo fcinfo,
						 struct tally_attach_request *out)
{
	get_request(fcinfo, out);
	out->keep_event = get_bool(fcinfo, ARG_KEEP_EVENT, "keep_event");
	out->append_only = get_bool(fcinfo, ARG_APPEND_ONLY, "append_only");
}

void
tally_attach_get_tracked(FunctionCallInfo fcinfo,
						 struct tally_attach_request *out)
{
	get_request(fcinfo, out);
	out->actor = get_bool(fcinfo, ARG_ACTOR, "actor");
}

void
tally_attach_check_database(const char *command)
{
	PreventCommandIfReadOnly(command);
	PreventCommandDuringRecovery(command);
	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the encoding of database \"%s\" is %s, not UTF8",
						get_database_name(MyDatabaseId),
						GetDatabaseEncodingName()),
				 errhint("Sealed events are UTF-8.  Move the data to a database that was created with ENCODING 'UTF8'.")));
}

static void
check_label_free(const char *label, Oid relation)
{
	Oid			other = tally_store_find_label(label, SnapshotSelf);

	if (!OidIsValid(other) || other == relation)
		return;
	if (get_rel_name(other) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("label \"%s\" belongs to a table that was dropped while it was attached",
						label),
				 errhint("Detach that one first: SELECT tally.detach(%u::regclass)",
						 other)));
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("label \"%s\" belongs to \"%s\"", label,
					tally_attach_name(other)),
			 errhint("Choose another: label => '...'")));
}

static char *
choose_label(const struct tally_attach_request *request)
{
	char	   *label = request->label;
	char		escaped[2 * LABEL_MAX];
	size_t		escaped_len;
	const char *what;

	if (label == NULL)
		label = get_rel_name(request->relation);
	if (strlen(label) > LABEL_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the label is longer than %d bytes", LABEL_MAX)));
	if (tally_name_escape(label, strlen(label), LABEL_MAX, escaped,
						  &escaped_len, &what) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the label %s", what),
				 request->label == NULL ?
				 errhint("Choose another than the table's name: label => '...'") :
				 0));
	check_label_free(label, request->relation);
	return label;
}

void
tally_attach_make_epoch(struct tally_epoch *epoch, Relation rel,
						const struct tally_attach_request *request)
{
	epoch->relation = request->relation;
	epoch->table = tally_attach_name(request->relation);
	epoch->cluster = GetSystemIdentifier();
	epoch->database = get_database_name(MyDatabaseId);
	epoch->label = choose_label(request);
	epoch->prefix = request->prefix != NULL ? request->prefix : epoch->label;
	tally_chain_check_prefix(epoch->prefix);
	epoch->salted = request->salted;
	epoch->keep_event = request->keep_event;
	epoch->append_only = request->append_only;
	epoch->actor = request->actor;
	tally_attach_choose(request, rel, epoch);
	if (request->only_when != NULL)
		epoch->only_when = tally_condition_check(request->only_when, rel,
												 epoch);
	if (epoch->is_tracked)
		tally_moment_take_bare(&epoch->moment);
	else
		tally_moment_take(&epoch->moment, false);
}

void
tally_attach_end(const struct tally_epoch *epoch)
{
	struct tally_detach end = {epoch->is_tracked};

	end.relation = epoch->relation;
	end.label = epoch->label;
	end.table = epoch->table;
	/* Of what is tracked nobody asks how old it is. */
	if (epoch->is_tracked)
		tally_moment_take_bare(&end.moment);
	else
		tally_moment_take(&end.moment, true);
	(void) tally_capture_log_event(tally_detach_encode(&end));
}
