/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying (tally/carry.h).  Where a carrier goes on is where the log ends: the
 * heads of its chains are the only state.
 */
#include <stdio.h>
#include <string.h>

#include "core/jcs.h"
#include "log/carry.h"
#include "log/fail.h"
#include "log/order.h"

#define OWN_CHAIN "tally:log"
#define OWN_LEN (sizeof(OWN_CHAIN) - 1)
#define CARRIED "{\"carried\":"

/* How often others may append to tally:log while a source is being named. */
#define TRIES 8

struct tally_carrier {
	struct tally_log *log;
	struct tally_cursor *cursor; /* for finding */
	struct tally_carried_names names;
	bool knows_own;             /* own_hash is that of the log's last */
	struct tally_hash own_hash; /* of the source's tally:log */
	struct tally_outside_head *heads; /* as last asked for */
	size_t heads_len, heads_capacity;
};

/* ---- the source ------------------------------------------------------- */

static int
set_source(struct tally_carrier *carrier, const char *source, size_t len,
    struct tally_error *error)
{
	struct tally_carried_names *names = &carrier->names;
	const char *what = "is too long";

	if (len >= sizeof(names->source) ||
	    tally_name_escape(source, len, TALLY_CHAIN_MAX, names->source_text,
		&names->source_text_len, &what) != 0)
		return tally_fail(error, TALLY_E_USAGE, "the source's name %s",
		    what);
	memcpy(names->source, source, len);
	names->source[len] = '\0';
	names->source_len = len;
	names->own_len = (size_t)snprintf(names->own, sizeof(names->own),
	    "tally:from/%s/log", names->source);
	return TALLY_OK;
}

/* What the event says that the log carries; false: it says no such thing. */
static bool
read_source(const struct tally_record *record, char out[TALLY_SOURCE_TEXT_SIZE],
    size_t *out_len)
{
	size_t head = sizeof(CARRIED) - 1;

	return record->body == TALLY_BODY_EVENT && record->event_len > head &&
	    memcmp(record->event, CARRIED, head) == 0 &&
	    tally_event_member(record->event + head,
		record->event_len - head - 1, "source", out,
		TALLY_SOURCE_TEXT_SIZE, out_len) == 0;
}

/* The source that tally:log names; TALLY_END: none.  *out_seq: its length. */
static int
find_source(struct tally_log *log, char out[TALLY_SOURCE_TEXT_SIZE],
    size_t *out_len, uint64_t *out_seq, struct tally_error *error)
{
	const struct tally_range range = { .chain = OWN_CHAIN,
		.chain_len = OWN_LEN };
	struct tally_cursor *cursor;
	struct tally_record record;
	bool found = false;
	int result = tally_cursor_open(log, &range, &cursor, error);

	*out_seq = 0;
	if (result != 0)
		return result;
	while ((result = tally_cursor_next(cursor, &record, error)) == 0) {
		*out_seq = record.seq;
		if (!found)
			found = read_source(&record, out, out_len);
	}
	tally_cursor_close(cursor);
	return result == TALLY_END && found ? TALLY_OK : result;
}

/* The event that names the source, as tally:log's record after last. */
static int
seal_source(struct tally_carrier *carrier,
    const struct tally_carried_source *source, uint64_t last,
    struct tally_error *error)
{
	struct tally_item item = { .chain = OWN_CHAIN,
		.chain_len = OWN_LEN,
		.carried_seq = last + 1 };
	struct tally_call call = { .items = &item,
		.count = 1,
		.chains = 1,
		.names = OWN_LEN,
		.carried = true };
	char event[4 * TALLY_SOURCE_TEXT_SIZE + 128];
	struct tally_workspace *space;
	char *p = event;
	int result;

	p += sprintf(p, CARRIED "{\"cluster\":\"%llu\",\"database\":",
	    (unsigned long long)source->cluster);
	p += tally_jcs_quote(source->database, strlen(source->database), p);
	p += sprintf(p, ",\"source\":");
	p += tally_jcs_quote(carrier->names.source, carrier->names.source_len,
	    p);
	p += sprintf(p, ",\"timeline\":%lu}}", (unsigned long)source->timeline);
	item.event = event;
	item.event_len = (size_t)(p - event);
	call.bytes = tally_item_bytes(&item);
	result = tally_workspace_take(carrier->log, &space, error);
	if (result != 0)
		return result;
	item.digest = tally_hash_commitment(&space->hasher, NULL, event,
	    item.event_len);
	if (tally_hasher_failed(&space->hasher))
		result = tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	tally_workspace_give(carrier->log, space);
	return result != 0 ? result
			   : tally_call_run(carrier->log, &call, error);
}

/* Named once, whoever else is about to: the place after what was read. */
static int
name_source(struct tally_carrier *carrier,
    const struct tally_carried_source *source, struct tally_error *error)
{
	char known[TALLY_SOURCE_TEXT_SIZE];
	char wanted[TALLY_SOURCE_TEXT_SIZE + 64];
	size_t known_len = 0;
	uint64_t last;
	int result = TALLY_E_CONFLICT;

	(void)snprintf(wanted, sizeof(wanted), "postgresql/%llu/%s",
	    (unsigned long long)source->cluster, source->database);
	if (set_source(carrier, wanted, strlen(wanted), error) != 0)
		return TALLY_E_USAGE;
	/* Before any mutex, which a thread of the parent may have held. */
	if (atomic_load(&carrier->log->forked))
		return tally_handle_refuse_forked(error);
	if (carrier->log->read_only)
		return tally_fail(error, TALLY_E_USAGE,
		    "the log was opened read-only");
	for (int i = 0; result == TALLY_E_CONFLICT && i < TRIES; i++) {
		/* What others appended is read when it is durable. */
		result = tally_log_sync(carrier->log, error);
		if (result == 0)
			result = find_source(carrier->log, known, &known_len,
			    &last, error);
		if (result == TALLY_END)
			result = seal_source(carrier, source, last, error);
		else if (result == 0 && strcmp(known, wanted) != 0)
			result = tally_fail(error, TALLY_E_USAGE,
			    "the log carries \"%s\", and \"%s\" is another"
			    " source; carry it into a log of its own",
			    known, wanted);
	}
	return result;
}

int
tally_carrier_open(struct tally_log *log,
    const struct tally_carried_source *source,
    struct tally_carrier **out_carrier, struct tally_error *error)
{
	struct tally_carrier *carrier = tally_sys_alloc(sizeof(*carrier));
	char known[TALLY_SOURCE_TEXT_SIZE];
	size_t len = 0;
	uint64_t last;
	int result;

	if (carrier == NULL)
		return tally_fail_memory(error);
	memset(carrier, 0, sizeof(*carrier));
	carrier->log = log;
	if (source != NULL) {
		result = name_source(carrier, source, error);
	} else {
		result = find_source(log, known, &len, &last, error);
		if (result == 0)
			result = set_source(carrier, known, len, error);
	}
	if (result == 0)
		result = tally_cursor_open(log, NULL, &carrier->cursor, error);
	if (result != 0) {
		tally_sys_free(carrier);
		return result;
	}
	*out_carrier = carrier;
	return TALLY_OK;
}

static void
drop_heads(struct tally_carrier *carrier)
{
	for (size_t i = 0; i < carrier->heads_len; i++)
		tally_sys_free((void *)(uintptr_t)carrier->heads[i].chain);
	tally_sys_free(carrier->heads);
	carrier->heads = NULL;
	carrier->heads_len = carrier->heads_capacity = 0;
}

void
tally_carrier_close(struct tally_carrier *carrier)
{
	if (carrier == NULL)
		return;
	tally_cursor_close(carrier->cursor);
	drop_heads(carrier);
	tally_sys_free(carrier);
}

const char *
tally_carrier_source(const struct tally_carrier *carrier)
{
	return carrier->names.source;
}

/* ---- what was carried ------------------------------------------------- */

int
tally_carrier_hash(struct tally_carrier *carrier, const char *chain,
    size_t chain_len, uint64_t seq, struct tally_hash *out_hash,
    struct tally_error *error)
{
	bool is_own = tally_carried_is_own(chain, chain_len);
	const struct tally_find find = {
		.by = TALLY_KEY_SEQ,
		.chain = is_own ? carrier->names.own : chain,
		.chain_len = is_own ? carrier->names.own_len : chain_len,
		.seq = seq,
	};
	char hex[TALLY_HASH_TEXT_SIZE];
	struct tally_record record;
	size_t len;
	int result = tally_cursor_find(carrier->cursor, &find, &record, error);

	if (result != 0)
		return result;
	*out_hash = record.hash;
	if (!is_own)
		return TALLY_OK;
	if (record.body != TALLY_BODY_EVENT ||
	    tally_event_member(record.event, record.event_len, "hash", hex,
		sizeof(hex), &len) != 0 ||
	    tally_hash_parse(hex, len, out_hash) != 0)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "record %llu of chain \"%s\" holds no record of the source",
		    (unsigned long long)seq, carrier->names.own);
	return TALLY_OK;
}

/* ---- heads ------------------------------------------------------------ */

static int
add_head(struct tally_carrier *carrier, const char *chain, size_t len,
    uint64_t seq, const struct tally_hash *hash)
{
	size_t capacity = 2 * carrier->heads_capacity + 16;
	struct tally_outside_head *head;
	void *grown;
	char *name;

	if (carrier->heads_len == carrier->heads_capacity) {
		grown = tally_sys_realloc(carrier->heads,
		    capacity * sizeof(*carrier->heads));
		if (grown == NULL)
			return TALLY_E_MEMORY;
		carrier->heads = grown;
		carrier->heads_capacity = capacity;
	}
	name = tally_sys_alloc(len + 1);
	if (name == NULL)
		return TALLY_E_MEMORY;
	memcpy(name, chain, len);
	name[len] = '\0';
	head = &carrier->heads[carrier->heads_len++];
	head->chain = name;
	head->chain_len = len;
	head->seq = seq;
	head->hash = *hash;
	return TALLY_OK;
}

static int
walk_head(void *arg, const struct tally_head *head)
{
	/* The log's own, and what the source's own became. */
	if (head->chain_len >= 6 && memcmp(head->chain, "tally:", 6) == 0)
		return 0;
	return add_head(arg, head->chain, head->chain_len, head->seq,
	    &head->hash);
}

/* Returns TALLY_END if nothing of the source's tally:log was carried. */
static int
own_head(struct tally_carrier *carrier, struct tally_outside_head *out,
    struct tally_error *error)
{
	struct tally_head head;
	int result = tally_log_head(carrier->log, carrier->names.own,
	    carrier->names.own_len, &head, error);

	if (result != 0)
		return result;
	out->chain = OWN_CHAIN;
	out->chain_len = OWN_LEN;
	out->seq = head.seq;
	return tally_carrier_hash(carrier, OWN_CHAIN, OWN_LEN, head.seq,
	    &out->hash, error);
}

int
tally_carrier_heads(struct tally_carrier *carrier,
    const struct tally_outside_head **out_heads, size_t *out_len,
    struct tally_error *error)
{
	struct tally_outside_head own;
	int result;

	drop_heads(carrier);
	result = own_head(carrier, &own, error);
	if (result == 0)
		result = add_head(carrier, own.chain, own.chain_len, own.seq,
		    &own.hash);
	else if (result == TALLY_END)
		result = TALLY_OK;
	if (result == 0)
		result = tally_log_heads(carrier->log, walk_head, carrier,
		    error);
	if (result == TALLY_E_MEMORY)
		return tally_fail_memory(error);
	*out_heads = carrier->heads;
	*out_len = carrier->heads_len;
	return result;
}

/* ---- taking ----------------------------------------------------------- */

int
tally_carrier_take(struct tally_carrier *carrier,
    const struct tally_record *records, size_t count, struct tally_error *error)
{
	struct tally_outside_head head;
	struct tally_hash own_hash;
	struct tally_call call;
	int result = TALLY_OK;

	if (atomic_load(&carrier->log->forked))
		return tally_handle_refuse_forked(error);
	if (carrier->log->read_only)
		return tally_fail(error, TALLY_E_USAGE,
		    "the log was opened read-only");
	if (!carrier->knows_own) {
		memset(&head, 0, sizeof(head));
		result = own_head(carrier, &head, error);
		if (result != 0 && result != TALLY_END)
			return result;
		carrier->own_hash = head.hash;
		carrier->knows_own = true;
	}
	own_hash = carrier->own_hash;
	result = tally_carried_prepare(carrier->log, &carrier->names, records,
	    count, &own_hash, &call, error);
	if (result == 0 && count > 0)
		result = tally_call_run(carrier->log, &call, error);
	/* Whatever went wrong, the log says where it ends. */
	carrier->knows_own = result == 0;
	carrier->own_hash = own_hash;
	tally_call_wipe(&call);
	return result;
}
