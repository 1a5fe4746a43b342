/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture: the row trigger (P1).
 *
 * What becomes of a change, by the kind of attachment:
 *
 *                         append_only            append_only => false
 *     insert              sealed                 sealed
 *     update, same event  goes through           goes through
 *     update              refused                sealed; if it changes key or
 *                                                chain, as a deletion there
 *                                                and an update here
 *     delete              refused                sealed, event kept
 *     rows that only_when leaves out: as if they were not there
 *
 * A deletion's event is always kept: when the row is gone, nothing else can
 * show that the deletion was sealed.
 */
#include "postgres.h"

#include "attach.h"
#include "attachment.h"
#include "capture.h"
#include "condition.h"
#include "hasher.h"
#include "origin.h"
#include "pending.h"
#include "render.h"
#include "settings.h"
#include "store.h"
#include "xact.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* A version of a row, as the trigger is given it. */
struct version
{
	TupleTableSlot *slot;
	HeapTupleHeader header;
};

/* Texts of the row at hand and of the one before the update. */
static struct tally_rendered row_now;
static struct tally_rendered row_before;

static void
init_buffers(void)
{
	MemoryContext saved;

	if (row_now.event.data != NULL)
		return;
	saved = MemoryContextSwitchTo(TopMemoryContext);
	tally_rendered_init(&row_before);
	tally_rendered_init(&row_now);
	MemoryContextSwitchTo(saved);
}

/* One huge row must not cost this backend its size for ever. */
static void
trim_buffers(void)
{
	const int	limit = 256 * 1024;

	if (row_now.event.maxlen <= limit && row_before.event.maxlen <= limit)
		return;
	pfree(row_now.event.data);
	pfree(row_now.key.data);
	pfree(row_now.chain.data);
	pfree(row_before.event.data);
	pfree(row_before.key.data);
	pfree(row_before.chain.data);
	memset(&row_now, 0, sizeof(row_now));
	memset(&row_before, 0, sizeof(row_before));
}

void
tally_capture_row(const struct tally_epoch *epoch,
				  const struct tally_rendered *row, bool keep,
				  struct tally_pending_request *request)
{
	struct tally_hash digest;
	uint8		salt[TALLY_SALT_SIZE];

	if (epoch->salted)
	{
		if (!pg_strong_random(salt, sizeof(salt)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not get random bytes for a salt")));
		request->salt = salt;
	}
	digest = tally_hash_commitment(tally_hasher_get(), request->salt,
								   row->event.data, row->event.len);
	tally_hasher_check();
	if (keep || epoch->keep_event)
		request->event_id = tally_store_event(row->event.data,
											  row->event.len);
	request->digest = &digest;
	request->chain = row->chain.data;
	request->chain_len = row->chain.len;
	request->epoch = epoch->id;
	request->key = row->key.data;
	request->key_len = row->key.len;
	tally_pending_add(request);
}

/* Remembers a rendered row for the commit; when: pending_order.c. */
static void
remember(const struct tally_attachment *att, const struct tally_rendered *row,
		 bool keep, CommandId made_by, CommandId before)
{
	struct tally_pending_request request = {0};

	tally_xact_begin(true);
	request.made_by = made_by;
	request.before = before;
	tally_capture_row(att->epoch, row, keep, &request);
}

/* The command that wrote this version.  What COPY froze says no xmin. */
static CommandId
came_by(HeapTupleHeader header)
{
	if (HeapTupleHeaderXminFrozen(header))
		return FirstCommandId;
	return HeapTupleHeaderGetCmin(header);
}

/*
 * The command of this transaction that updated or deleted this version: a
 * user's trigger can be faster than ours.  InvalidCommandId: none did.
 */
static CommandId
went_by(HeapTupleHeader header)
{
	TransactionId xid;

	if ((header->t_infomask & HEAP_XMAX_INVALID) != 0 ||
		HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask))
		return InvalidCommandId;
	xid = HeapTupleHeaderGetUpdateXid(header);
	if (!TransactionIdIsCurrentTransactionId(xid))
		return InvalidCommandId;
	return HeapTupleHeaderGetCmax(header);
}

/* Remembers a version that came, as row_now has it. */
static void
remember_version(const struct tally_attachment *att,
				 const struct version *row)
{
	remember(att, &row_now, false, came_by(row->header),
			 went_by(row->header));
}

static bool
is_covered(const struct tally_attachment *att, const struct version *row)
{
	return att->condition == NULL ||
		tally_condition_holds(att->condition, row->slot);
}

static void
capture_insert(const struct tally_attachment *att, const struct version *row)
{
	if (!is_covered(att, row))
		return;
	tally_render_row(att->renderer, row->slot, TALLY_OP_INSERT, &row_now);
	remember_version(att, row);
}

static void
capture_deletion(const struct tally_attachment *att, const struct version *row)
{
	CommandId	command = HeapTupleHeaderGetCmax(row->header);

	tally_render_row(att->renderer, row->slot, TALLY_OP_DELETE, &row_before);
	remember(att, &row_before, true, command, command + 1);
}

static void
refuse(const struct tally_attachment *att, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot %s rows of \"%s\": it is attached to tally as append-only",
					what, get_rel_name(att->relation)),
			 errdetail("Its rows are sealed in a chain, and the change would be found as tampering."),
			 errhint("To have changes sealed as events of their own, detach the table and attach it with append_only => false.")));
}

static bool
is_same(const StringInfoData *a, const StringInfoData *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* Was this version of a row written before the table was attached? */
static bool
is_older(const struct tally_attachment *att, HeapTuple tuple)
{
	return !tally_moment_is_behind(&att->epoch->moment,
								   HeapTupleHeaderGetRawXmin(tuple->t_data));
}

/*
 * An update of a row that both times belongs to the chain.  older: nothing
 * was sealed of it in this epoch, and nobody could tell by the xmin of its
 * new version, so it is sealed now.
 */
static void
capture_change(const struct tally_attachment *att,
			   const struct version *old_row,
			   const struct version *new_row, bool older)
{
	tally_render_row(att->renderer, old_row->slot, TALLY_OP_INSERT,
					 &row_before);
	tally_render_row(att->renderer, new_row->slot, TALLY_OP_INSERT, &row_now);
	if (is_same(&row_before.event, &row_now.event) &&
		is_same(&row_before.chain, &row_now.chain))
	{
		if (older)
			remember_version(att, new_row);
		return;
	}
	if (att->epoch->append_only)
		refuse(att, "change");

	/*
	 * Also of an older version: a transaction that began before the attach
	 * may have sealed it, and a deletion too many says nothing false.
	 */
	if (!is_same(&row_before.key, &row_now.key) ||
		!is_same(&row_before.chain, &row_now.chain))
		capture_deletion(att, old_row);
	if (!older)
		tally_render_row(att->renderer, new_row->slot, TALLY_OP_UPDATE,
						 &row_now);
	remember_version(att, new_row);
}

static void
capture_update(const struct tally_attachment *att,
			   const struct version *old_row,
			   const struct version *new_row, bool older)
{
	bool		was = is_covered(att, old_row);
	bool		is = is_covered(att, new_row);

	if (was && is)
		capture_change(att, old_row, new_row, older);
	else if (is)
		capture_insert(att, new_row);
	else if (was && att->epoch->append_only)
		refuse(att, "change");
	else if (was)
		capture_deletion(att, old_row);
}

static void
capture_delete(const struct tally_attachment *att, const struct version *row)
{
	if (!is_covered(att, row))
		return;
	if (att->epoch->append_only)
		refuse(att, "delete");
	capture_deletion(att, row);
}

static const struct tally_attachment *
require_attachment(Relation rel)
{
	const struct tally_attachment *att = tally_attachment_find(rel);
	const char *schema;
	const char *name = RelationGetRelationName(rel);

	if (att != NULL && !att->epoch->is_tracked)
		return att;
	schema = get_namespace_name(RelationGetNamespace(rel));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" has tally's trigger, but is not attached",
					name),
			 errhint("Use SELECT tally.attach('%s'), or drop the trigger.",
					 quote_qualified_identifier(schema, name))));
	return NULL;				/* not reached */
}

PG_FUNCTION_INFO_V1(tally_sql_capture);

/* The row trigger: AFTER INSERT OR UPDATE OR DELETE, for each row. */
Datum
tally_sql_capture(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	const struct tally_attachment *att;
	struct version row;
	struct version new_row;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("tally.capture() is a trigger of tally.attach, and of nobody else")));
	/* Its record arrives too. */
	if (tally_mode == TALLY_MODE_REPLICA && tally_origin_is_arrival())
		return PointerGetDatum(NULL);
	att = require_attachment(data->tg_relation);
	init_buffers();
	row.slot = data->tg_trigslot;
	row.header = data->tg_trigtuple->t_data;
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		capture_insert(att, &row);
	else if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
	{
		new_row.slot = data->tg_newslot;
		new_row.header = data->tg_newtuple->t_data;
		capture_update(att, &row, &new_row,
					   is_older(att, data->tg_trigtuple));
	}
	else
		capture_delete(att, &row);
	trim_buffers();
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(tally_sql_refuse_truncate);

/* TRUNCATE leaves no rows behind of which events could be made. */
Datum
tally_sql_refuse_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Oid			relation;
	Oid			root;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("tally.refuse_truncate() is a trigger of tally.attach, and of nobody else")));
	relation = RelationGetRelid(data->tg_relation);
	root = tally_attach_find(relation);
	if (OidIsValid(root) && root != relation)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot truncate \"%s\": it is a partition of \"%s\", which is attached to tally",
						tally_attach_name(relation), tally_attach_name(root)),
				 errdetail("Its rows are sealed in a chain, and would be found missing."),
				 errhint("To be rid of them all, seal that they go, and detach or drop the partition: SELECT tally.retire(%s)",
						 quote_literal_cstr(tally_attach_name(relation)))));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot truncate \"%s\": it is attached to tally",
					RelationGetRelationName(data->tg_relation)),
			 errdetail("Its rows are sealed in a chain, and would be found missing."),
			 errhint("If it was attached with append_only => false its rows can be deleted, each sealed as an event.")));
}
