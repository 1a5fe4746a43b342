/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that come as JSON, of no row: tally.append, tally.append_now, and
 * the log's own chain.
 */
#include "postgres.h"

#include "compat.h"
#include "capture.h"
#include "durable.h"
#include "hasher.h"
#include "pending.h"
#include "result.h"
#include "seal.h"
#include "store.h"
#include "xact.h"

#include "core/event.h"
#include "core/text.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* What is appended. */
struct event
{
	const char *chain;
	Size		chain_len;
	const char *text;			/* compact */
	Size		len;
	const char *id;				/* or NULL */
	Size		id_len;
	bool		only_first;		/* if it is the chain's first */
	bool		wants_receipt;
	struct tally_hash digest;
};

static int64
keep_and_remember(const struct event *event)
{
	struct tally_pending_request request = {0};

	tally_xact_begin(false);
	request.event_id = tally_store_event(event->text, event->len);
	request.chain = event->chain;
	request.chain_len = event->chain_len;
	request.digest = &event->digest;
	request.id = event->id;
	request.id_len = event->id_len;
	request.only_first = event->only_first;
	request.wants_receipt = event->wants_receipt;
	tally_pending_add(&request);
	return request.event_id;
}

static void
commit_to(struct event *event)
{
	event->digest = tally_hash_commitment(tally_hasher_get(), NULL,
										  event->text, event->len);
	tally_hasher_check();
}

static int64
add_log_event(const char *text, bool only_first)
{
	struct event event = {0};

	event.chain = TALLY_LOG_CHAIN;
	event.chain_len = strlen(TALLY_LOG_CHAIN);
	event.text = text;

	event.len = strlen(text);
	event.only_first = only_first;
	commit_to(&event);
	return keep_and_remember(&event);
}

/* The first record of the log's own chain (doc/format.md, section 8). */
static char *
created_event(void)
{
	uint8		random[16];
	char		id[2 * sizeof(random) + 1];

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not get random bytes for the log's id")));
	tally_hex_format(random, sizeof(random), id);
	id[2 * sizeof(random)] = '\0';
	return psprintf("{\"created\":{\"format\":%d,\"id\":\"%s\",\"origin\":\"localhost/%s\"}}",
					TALLY_FORMAT_VERSION, id, id);
}

int64
tally_capture_log_event(const char *text)
{
	/*
	 * Two transactions may both find that the log has no record yet; the one
	 * that seals second drops its "created" (seal.c).
	 */
	if (tally_store_find_chain(TALLY_LOG_CHAIN, strlen(TALLY_LOG_CHAIN),
							   SnapshotSelf) == 0)
		(void) add_log_event(created_event(), true);
	return add_log_event(text, false);
}

/* Makes the event compact, or refuses it (doc/format.md, section 1). */
static void
compact(const text *json, struct event *event)
{
	Size		len = VARSIZE_ANY_EXHDR(json);
	Size		limit = Min(Max(len, 1), TALLY_EVENT_MAX);
	struct tally_event_room room = {NULL, 64};
	struct tally_error error = {0};
	char	   *out = palloc(limit);
	size_t		out_len = 0;
	int			status;

	room.names = palloc_array(struct tally_event_name, room.capacity);
	for (;;)
	{
		status = tally_event_scan(VARDATA_ANY(json), len, limit, &room, out,
								  &out_len, &error);
		if (status != TALLY_PARTIAL)
			break;
		room.capacity *= 2;
		room.names = repalloc_huge(room.names,
								   room.capacity * sizeof(*room.names));
	}
	if (status != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("%s", error.message)));
	pfree(room.names);
	event->text = out;
	event->len = out_len;
}

/*
 * What was found in a table when it was adopted is told there, and believed.
 * Session A, which may append, writes what it likes into the chain of a table
 * of which it knows that session B will adopt it; B, which goes on where an
 * adoption was interrupted, would take that for its own, and tell nothing.
 */
static void
check_adopter(const struct event *event)
{
	Oid			admin = get_role_oid("tally_admin", true);

	if (admin == InvalidOid
		? !superuser()
		: !has_privs_of_role(GetUserId(), admin))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("chain \"%.*s\" tells what was adopted",
						(int) event->chain_len, event->chain),
				 errhint("Only members of tally_admin append to it.")));
}

static void
take_chain(const text *name, struct event *event)
{
	char		escaped[TALLY_CHAIN_TEXT_MAX];
	size_t		escaped_len;
	const char *what;

	event->chain = VARDATA_ANY(name);
	event->chain_len = VARSIZE_ANY_EXHDR(name);
	if (tally_name_escape(event->chain, event->chain_len, TALLY_CHAIN_MAX,
						  escaped, &escaped_len, &what) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("the chain's name %s", what)));
	if (event->chain_len >= 6 && memcmp(event->chain, "tally:", 6) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("chain \"%.*s\" is the log's own",
						(int) event->chain_len, event->chain),
				 errhint("Choose a name that does not begin with \"tally:\".")));
	if (event->chain_len >= 8 && memcmp(event->chain, "adopted/", 8) == 0)
		check_adopter(event);
}

static void
take_id(const text *id, struct event *event)
{
	char		escaped[TALLY_ID_TEXT_MAX];
	size_t		escaped_len;
	const char *what;

	event->id = VARDATA_ANY(id);
	event->id_len = VARSIZE_ANY_EXHDR(id);
	if (tally_name_escape(event->id, event->id_len, TALLY_ID_MAX, escaped,
						  &escaped_len, &what) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the id %s", what)));
}

/* Is the id there already?  With another event that is an error. */
static bool
find_sealed(const struct event *event, struct tally_stored_head *out)
{
	struct tally_hash digest;
	int64		chain;

	if (event->id == NULL)
		return false;
	chain = tally_store_find_chain(event->chain, event->chain_len,
								   SnapshotSelf);
	if (chain == 0 || !tally_store_find_id(chain, event->id, event->id_len,
										   SnapshotSelf, out, &digest))
		return false;
	if (!tally_hash_equal(&digest, &event->digest))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("id \"%.*s\" of chain \"%.*s\" has another event already",
						(int) event->id_len, event->id,
						(int) event->chain_len, event->chain)));
	return true;
}

static void
take_arguments(FunctionCallInfo fcinfo, struct event *event)
{
	memset(event, 0, sizeof(*event));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the chain and the event must not be null")));
	take_chain(PG_GETARG_TEXT_PP(0), event);
	if (!PG_ARGISNULL(2))
		take_id(PG_GETARG_TEXT_PP(2), event);
	compact(PG_GETARG_TEXT_PP(1), event);
	commit_to(event);
}

PG_FUNCTION_INFO_V1(tally_sql_append);

/* tally.append(chain, event, id): seq and hash exist only at the commit. */
Datum
tally_sql_append(PG_FUNCTION_ARGS)
{
	struct tally_stored_head found;
	struct event event;
	Datum		values[3];
	bool		nulls[3] = {false, false, PG_ARGISNULL(2)};

	take_arguments(fcinfo, &event);

	/*
	 * An id that is there already is captured all the same, and dropped by
	 * the seal.  Session A has committed it, visibly, and waits for its
	 * flush; if session B took it as done and wrote nothing, B would be
	 * answered at once, with what a crash may yet take back.
	 */
	(void) find_sealed(&event, &found);
	(void) keep_and_remember(&event);
	values[0] = PG_GETARG_DATUM(0);
	values[1] = tally_result_hash(&event.digest);
	values[2] = PG_GETARG_DATUM(2);
	return tally_result_row(fcinfo, values, nulls);
}

PG_FUNCTION_INFO_V1(tally_sql_append_now);

/* CALL tally.append_now(chain, event, id, …): commits, gives the receipt. */
Datum
tally_sql_append_now(PG_FUNCTION_ARGS)
{
	CallContext *call = (CallContext *) fcinfo->context;
	struct tally_stored_head receipt;
	struct event event;
	Datum		values[4];
	bool		nulls[4] = {PG_ARGISNULL(2), false, false, false};
	text	   *id = PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_P_COPY(2);

	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("tally.append_now commits, and cannot inside a transaction block"),
				 errhint("Use tally.append there; its record is sealed when the transaction commits.")));
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	take_arguments(fcinfo, &event);
	if (find_sealed(&event, &receipt))
		tally_durable_wait();
	else
	{
		event.wants_receipt = true;
		(void) keep_and_remember(&event);
		SPI_commit();
		/* A receipt is durable, however this session commits (P9). */
		tally_durable_wait_after_commit();
		receipt.seq = tally_seal_receipt()->seq;
		receipt.hash = tally_seal_receipt()->hash;
		receipt.time = tally_seal_receipt()->time;
	}
	SPI_finish();
	values[0] = id == NULL ? (Datum) 0 : PointerGetDatum(id);
	values[1] = Int64GetDatum((int64) receipt.seq);
	values[2] = tally_result_hash(&receipt.hash);
	values[3] = TimestampTzGetDatum(receipt.time);
	return tally_result_row(fcinfo, values, nulls);
}
