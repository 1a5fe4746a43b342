/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which database is this, and may it go on with these chains?
 *
 * The story of two databases.  A is dumped at night.  In the morning somebody
 * restores the dump as B, to look something up, and an application writes to
 * it.  Both A and B go on from the same heads: a fork, which no lock prevents
 * and which neither can see.  So B does not seal until somebody has said what
 * it is, and then the log itself tells.
 */
#include "postgres.h"

#include "compat.h"
#include "origin.h"
#include "settings.h"
#include "store.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogrecovery.h"
#include "commands/dbcommands.h"
#include "core/text.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "storage/fd.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* What PostgreSQL writes into the history of a timeline that was not cut. */
#define NOT_CUT "no recovery target specified"

#define COPY_HINT \
	"If it is to go on with this log: SELECT tally.restored('what happened').  If it is to be another log, use DROP EXTENSION tally CASCADE and begin anew."

/* This backend has found that the committed origin is here. */
static bool is_known;

/* The transaction that captures has found none. */
static bool is_missing;

/* Which table that was, should it change. */
static Oid	origin_table;

static void
on_relcache(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == origin_table)
		is_known = false;
}

void
tally_origin_init(void)
{
	CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
}

/* ---- places ----------------------------------------------------------- */

static TimeLineID
current_timeline(void)
{
	TimeLineID	timeline;

	if (!RecoveryInProgress())
		return GetWALInsertionTimeLine();
	(void) GetXLogReplayRecPtr(&timeline);
	return timeline;
}

void
tally_origin_here(Oid record, struct tally_origin *out)
{
	const char *name = get_database_name(MyDatabaseId);

	out->number = 0;
	out->cluster = GetSystemIdentifier();
	out->database = MyDatabaseId;
	out->name = pstrdup(name != NULL ? name : "");
	out->record = record;
	out->timeline = current_timeline();
}

bool
tally_origin_is_place(const struct tally_origin *a,
					  const struct tally_origin *b)
{
	return a->cluster == b->cluster && a->database == b->database &&
		a->record == b->record;
}

/* ---- the table -------------------------------------------------------- */

bool
tally_origin_read(HeapTuple tuple, TupleDesc desc, struct tally_origin *out)
{
	Datum		values[TALLY_ORIGIN_COLUMNS + TALLY_SPARE_COLUMNS];
	bool		nulls[TALLY_ORIGIN_COLUMNS + TALLY_SPARE_COLUMNS];
	char	   *cluster;
	uint64_t	number;
	int			i;

	heap_deform_tuple(tuple, desc, values, nulls);
	for (i = 0; i < TALLY_ORIGIN_COLUMNS; i++)
	{
		if (nulls[i])
			return false;
	}
	cluster = TextDatumGetCString(values[TALLY_ORIGIN_CLUSTER - 1]);
	if (tally_decimal_parse(cluster, strlen(cluster), PG_UINT64_MAX,
							&number) != 0)
		return false;
	out->number = DatumGetInt64(values[TALLY_ORIGIN_NUMBER - 1]);
	out->cluster = number;
	out->database = DatumGetObjectId(values[TALLY_ORIGIN_DATABASE - 1]);
	out->name = TextDatumGetCString(values[TALLY_ORIGIN_NAME - 1]);
	out->record = DatumGetObjectId(values[TALLY_ORIGIN_RECORD - 1]);
	out->timeline = DatumGetInt64(values[TALLY_ORIGIN_TIMELINE - 1]);
	return true;
}

bool
tally_origin_last(Snapshot snapshot, struct tally_origin *out)
{
	Relation	rel = table_open(tally_store_tables()->origin,
								 AccessShareLock);
	SysScanDesc scan;
	struct tally_origin row;
	HeapTuple	tuple;
	bool		found = false;

	tally_store_judge(rel);
	/* A handful of rows: no index has to be trusted. */
	scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (!tally_origin_read(tuple, RelationGetDescr(rel), &row))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("a row of table \"tally.origin\" is malformed"),
					 errhint("Somebody has changed the table; tally.verify() says more.")));
		if (!found || row.number > out->number)
			*out = row;
		found = true;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

void
tally_origin_add(const struct tally_origin *origin)
{
	Datum		values[TALLY_ORIGIN_COLUMNS];
	char		cluster[32];

	snprintf(cluster, sizeof(cluster), UINT64_FORMAT, origin->cluster);
	values[TALLY_ORIGIN_NUMBER - 1] = Int64GetDatum(origin->number);
	values[TALLY_ORIGIN_CLUSTER - 1] = CStringGetTextDatum(cluster);
	values[TALLY_ORIGIN_DATABASE - 1] = ObjectIdGetDatum(origin->database);
	values[TALLY_ORIGIN_NAME - 1] = CStringGetTextDatum(origin->name);
	values[TALLY_ORIGIN_RECORD - 1] = ObjectIdGetDatum(origin->record);
	values[TALLY_ORIGIN_TIMELINE - 1] = Int64GetDatum(origin->timeline);
	tally_store_insert(tally_store_tables()->origin, values,
					   TALLY_ORIGIN_COLUMNS);
	CacheInvalidateRelcacheByRelid(tally_store_tables()->origin);
	CommandCounterIncrement();
}

/* ---- timelines (R4) --------------------------------------------------- */

/*
 * The next change of timeline in the file: the one that ended, where, and why.
 * The reason may itself end with a newline, and lines may be empty.
 */
static bool
next_change(FILE *file, TimeLineID *out_ended, char *out_where,
			char *out_why, Size size)
{
	char		line[MAXPGPATH];
	unsigned int timeline;
	char	   *where;
	char	   *why;

	while (fgets(line, sizeof(line), file) != NULL)
	{
		if (sscanf(line, "%u", &timeline) != 1)
			continue;
		where = strchr(line, '\t');
		why = where == NULL ? NULL : strchr(where + 1, '\t');
		if (why == NULL)
			continue;
		*why++ = '\0';
		why[strcspn(why, "\r\n")] = '\0';
		*out_ended = timeline;
		strlcpy(out_where, where + 1, size);
		strlcpy(out_why, why, size);
		return true;
	}
	return false;
}

/* Why the way from one timeline to the other is no promotion, or NULL. */
static char *
judge_history(FILE *file, TimeLineID since, TimeLineID now)
{
	char		where[128];
	char		why[128];
	TimeLineID	ended;
	bool		found = false;

	while (next_change(file, &ended, where, why, sizeof(why)))
	{
		found = found || ended == since;
		if (found && strcmp(why, NOT_CUT) != 0)
			return psprintf("timeline %u was recovered up to %s and ended there: %s",
							ended, where, why);
	}
	if (!found)
		return psprintf("timeline %u does not come from timeline %u", now,
						since);
	return NULL;
}

static char *
history_fault(TimeLineID since, TimeLineID now)
{
	char		path[MAXPGPATH];
	FILE	   *file;
	char	   *fault;

	if (since == now)
		return NULL;
	TLHistoryFilePath(path, now);
	file = AllocateFile(path, "r");
	if (file == NULL)
		return psprintf("timeline %u is another than %u, and why cannot be read in \"%s\": %m",
						now, since, path);
	fault = judge_history(file, since, now);
	FreeFile(file);
	return fault;
}

char *
tally_origin_fault(const struct tally_origin *last,
				   const struct tally_origin *here)
{
	if (last->cluster != here->cluster)
		return psprintf("it was sealed last in database \"%s\" (oid %u) of cluster " UINT64_FORMAT ", and this is cluster " UINT64_FORMAT,
						last->name, last->database, last->cluster,
						here->cluster);
	if (last->database != here->database)
		return psprintf("it was sealed last in database \"%s\" (oid %u) of this cluster, and this is the one with oid %u",
						last->name, last->database, here->database);
	if (last->record != here->record)
		return psprintf("its records were restored: \"tally.record\" has oid %u, and had %u when it was sealed last",
						here->record, last->record);
	return history_fault(last->timeline, here->timeline);
}

/* ---- the question (R1, R3) -------------------------------------------- */

static void
refuse_copy(const struct tally_origin *here, const char *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("nothing is sealed in database \"%s\": it is a copy, or was restored",
					here->name),
			 errdetail("Since %s.", fault),
			 errhint(COPY_HINT)));
}

void
tally_origin_require(void)
{
	struct tally_origin last;
	struct tally_origin here;
	char	   *fault;

	if (tally_mode == TALLY_MODE_REPLICA)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing is sealed in database \"%s\": tally.mode is \"replica\"",
						get_database_name(MyDatabaseId)),
				 errhint("Its records arrive by logical replication.  If it is to seal by itself, end the subscription and set tally.mode to \"primary\".")));
	if (is_known)
		return;
	is_missing = !tally_origin_last(SnapshotSelf, &last);
	if (is_missing)
		return;
	tally_origin_here(tally_store_tables()->record, &here);
	fault = tally_origin_fault(&last, &here);
	if (fault != NULL)
		refuse_copy(&here, fault);
	/* Should this transaction have written it and abort, on_relcache hears. */
	origin_table = tally_store_tables()->origin;
	is_known = true;
}

void
tally_origin_settle(void)
{
	struct tally_origin origin;

	if (!is_missing)
		return;
	is_missing = false;
	/* Who waits here holds no chain yet: see seal.c for what comes after. */
	LockRelationOid(tally_store_tables()->origin, ShareRowExclusiveLock);
	if (tally_origin_last(SnapshotSelf, &origin))
		return;
	tally_origin_here(tally_store_tables()->record, &origin);
	origin.number = 1;
	tally_origin_add(&origin);
}

/* ---- for the guards (R8) ---------------------------------------------- */

bool
tally_origin_is_foreign(void)
{
	struct tally_origin last;
	struct tally_origin here;

	if (!tally_origin_last(SnapshotSelf, &last))
		return true;
	tally_origin_here(tally_store_tables()->record, &here);
	return !tally_origin_is_place(&last, &here);
}

bool
tally_origin_is_arrival(void)
{
	return IsLogicalWorker();
}
