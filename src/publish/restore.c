/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log that was cut or put back goes on under another name, in this order:
 *
 *   1  read the old log, and what went out; they must not be one history
 *   2  make the new log, empty: what cannot be made ends no origin
 *   3  the register ends the old origin
 *   4  the new log's first order says where it comes from
 *
 * Killed in between, the same call goes on: it takes the log that is empty but
 * for its first record, and finds the origin ended so.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <tally/proof.h>

#include "core/bundle.h"
#include "core/jcs.h"
#include "log/fail.h"
#include "log/sys.h"
#include "publish/keyorder.h"
#include "publish/register.h"
#include "publish/register_file.h"
#include "publish/signer.h"

#define REGISTER_NAME "/register"
#define REASON_MAX 2048
/* Of a note, so that the order stays one (TALLY_ORDER_EVENT_MAX). */
#define OUTSIDE_MAX 4096

struct restoring {
	const struct tally_restore_options *options;
	struct tally_restored *out;
	struct tally_error *error;
	struct tally_hasher hasher;
	struct tally_file_register file;
	struct tally_register *reg;
	char beside[4096]; /* a register in the log's directory */
	struct tally_identity old;
	struct tally_checkpoint last; /* outside */
	char outside[OUTSIDE_MAX];
	size_t outside_len;
	/* A byte becomes six at most when it is quoted. */
	char rest[6 * (OUTSIDE_MAX + REASON_MAX + TALLY_ORIGIN_MAX) + 512];
	size_t rest_len;
};

/* ---- 1: what there is ------------------------------------------------- */

static int
check_names(const struct restoring *r)
{
	const struct tally_restore_options *options = r->options;
	size_t reason_len = options->reason == NULL ? 0
						    : strlen(options->reason);

	if (strcmp(options->signer->vkey.name, options->origin) != 0)
		return tally_fail(r->error, TALLY_E_USAGE,
		    "the key's name is \"%s\", and the new origin \"%s\"; they"
		    " must be one",
		    options->signer->vkey.name, options->origin);
	/* The old origin would have ended for a log that cannot be signed. */
	if (options->signer->vkey.type != TALLY_VKEY_ED25519)
		return tally_fail(r->error, TALLY_E_USAGE,
		    "the key \"%s\" is a witness's, which signs no log",
		    options->signer->vkey.name);
	if (strncmp(options->origin, "localhost/", 10) == 0)
		return tally_fail(r->error, TALLY_E_USAGE,
		    "nothing is signed under the origin \"%s\"",
		    options->origin);
	if (reason_len == 0 || reason_len > REASON_MAX ||
	    !tally_is_utf8(options->reason, reason_len))
		return tally_fail(r->error, TALLY_E_USAGE,
		    "the reason is 1 to %d bytes of UTF-8", REASON_MAX);
	return TALLY_OK;
}

static int
read_old(struct restoring *r)
{
	const struct tally_open_options reading = { .read_only = true };
	struct tally_log *log;
	int result = tally_log_open(r->options->dir, &reading, &log, r->error);

	if (result != 0)
		return result;
	r->old = *tally_log_identity(log);
	result = tally_log_root(log, 0, &r->out->size, &r->out->root, r->error);
	(void)tally_log_close(log, NULL);
	if (result == 0 && strcmp(r->old.origin, r->options->origin) == 0)
		result = tally_fail(r->error, TALLY_E_USAGE,
		    "the new origin must be another than \"%s\"",
		    r->old.origin);
	return result;
}

static int
open_register(struct restoring *r)
{
	const char *path = r->options->register_dir;
	r->reg = r->options->reg;
	if (r->reg != NULL)
		return TALLY_OK;
	r->reg = &r->file.base;
	if (path == NULL) {
		(void)snprintf(r->beside, sizeof(r->beside), "%s" REGISTER_NAME,
		    r->options->dir);
		path = r->beside;
	}
	return tally_file_register_open(&r->file, TALLY_SYS_CWD, path,
	    &r->hasher, r->error);
}

/* What went out last: by the register, or what was found later. */
static int
read_outside(struct restoring *r)
{
	const struct tally_restore_options *options = r->options;
	const struct tally_reading reading = { .what = "checkpoint" };
	const struct tally_span text = { options->outside,
		options->outside_len };
	struct tally_signed_checkpoint found;
	int result = tally_register_find(r->reg, r->old.origin, &r->last,
	    options->origin, r->error);

	if (result == TALLY_END)
		return tally_fail(r->error, TALLY_E_USAGE,
		    "the register does not know \"%s\": nothing went out under"
		    " it, or with another register",
		    r->old.origin);
	if (result != 0)
		return result;
	if (options->outside == NULL) {
		r->outside_len = tally_checkpoint_format(&r->last, r->outside);
		return TALLY_OK;
	}
	if (options->outside_len > OUTSIDE_MAX ||
	    tally_reading_note(&reading, text, &found, NULL) != 0 ||
	    strcmp(found.checkpoint.origin, r->old.origin) != 0)
		return tally_fail(r->error, TALLY_E_FORMAT,
		    "what was given is no checkpoint of \"%s\", or longer than"
		    " %d bytes",
		    r->old.origin, OUTSIDE_MAX);
	if (found.checkpoint.size != r->last.size ||
	    !tally_hash_equal(&found.checkpoint.root, &r->last.root))
		return tally_fail(r->error, TALLY_E_USAGE,
		    "the register holds size %llu as the last, and the"
		    " checkpoint that was given is of size %llu, or has another"
		    " root",
		    (unsigned long long)r->last.size,
		    (unsigned long long)found.checkpoint.size);
	memcpy(r->outside, options->outside, options->outside_len);
	r->outside_len = options->outside_len;
	return TALLY_OK;
}

/* The successor must be new: under an origin that is in use, or that ended,
 * the new log could not be signed, and this one had ended for it. */
static int
check_successor(struct restoring *r)
{
	struct tally_checkpoint known;
	int result = tally_register_find(r->reg, r->options->origin, &known,
	    NULL, r->error);

	if (result == TALLY_END || (result == 0 && known.size == 0))
		return TALLY_OK;
	if (result != 0)
		return result;
	return tally_fail(r->error, TALLY_E_USAGE,
	    "the register knows \"%s\" already, size %llu: the new origin must"
	    " be one under which nothing went out",
	    r->options->origin, (unsigned long long)known.size);
}

/* A log that is what went out has nothing to be restored. */
static int
check_lost(struct restoring *r)
{
	const struct tally_open_options reading = { .read_only = true };
	struct tally_hash root;
	struct tally_log *log;
	uint64_t size;
	int result;

	if (r->out->size < r->last.size)
		return TALLY_OK;
	result = tally_log_open(r->options->dir, &reading, &log, r->error);
	if (result != 0)
		return result;
	if (r->last.size == 0)
		root = r->last.root;
	else
		result = tally_log_root(log, r->last.size, &size, &root,
		    r->error);
	(void)tally_log_close(log, NULL);
	if (result == 0 && tally_hash_equal(&root, &r->last.root))
		result = tally_fail(r->error, TALLY_E_USAGE,
		    "the log is what went out, size %llu: it goes on under its"
		    " own name",
		    (unsigned long long)r->last.size);
	return result;
}

/* ---- 2 to 4: the new log ---------------------------------------------- */

static int
put_text(struct restoring *r, const char *name, const char *text, size_t len)
{
	char *at = r->rest + r->rest_len;
	size_t n = (size_t)sprintf(at, "\"%s\":", name), quoted;

	quoted = tally_jcs_quote(text, len, at + n);
	if (quoted == 0)
		return tally_fail(r->error, TALLY_E_USAGE,
		    "the %s is not valid UTF-8", name);
	r->rest_len += n + quoted;
	return TALLY_OK;
}

/* ,"from":{...},"outside":"...","reason":"..." */
static int
make_rest(struct restoring *r)
{
	char hex[TALLY_HASH_TEXT_SIZE];
	int result;

	tally_hash_format(&r->out->root, hex);
	r->rest_len = (size_t)sprintf(r->rest, ",\"from\":{\"id\":\"%s\",",
	    r->old.id);
	result = put_text(r, "origin", r->old.origin, strlen(r->old.origin));
	r->rest_len += (size_t)sprintf(r->rest + r->rest_len,
	    ",\"root\":\"%s\",\"size\":%llu},", hex,
	    (unsigned long long)r->out->size);
	if (result == 0)
		result = put_text(r, "outside", r->outside, r->outside_len);
	r->rest[r->rest_len++] = ',';
	if (result == 0)
		result = put_text(r, "reason", r->options->reason,
		    strlen(r->options->reason));
	if (result == 0 && r->rest_len > TALLY_ORDER_EVENT_MAX - 512)
		result = tally_fail(r->error, TALLY_E_USAGE,
		    "the checkpoint and the reason are too long for an order");
	return result;
}

/* Is it the order that an earlier call sealed, for the same old log? */
static bool
is_ours(const struct restoring *r, const struct tally_record *record)
{
	static const char from[] = ",\"from\":{\"id\":\"";
	size_t len = sizeof(from) - 1 + strlen(r->old.id);
	struct tally_order order;

	return record->seq == 2 && record->body == TALLY_BODY_EVENT &&
	    tally_order_parse(record->event, record->event_len, &order) == 0 &&
	    order.kind == TALLY_ORDER_RESTORED && order.rest.len > len &&
	    memcmp(order.rest.at, r->rest, len) == 0;
}

/* The log that an earlier call began: empty, but for its order. */
static int
check_begun(struct restoring *r, struct tally_log *log, bool *out_done)
{
	const struct tally_range range = {
		.chain = "tally:log", .chain_len = 9, .from_seq = 2
	};
	struct tally_cursor *cursor;
	struct tally_record record;
	struct tally_stat stat;
	int result = tally_log_stat(log, &stat, r->error);

	*out_done = false;
	if (result == 0 && stat.size < 2 &&
	    strcmp(tally_log_identity(log)->origin, r->options->origin) == 0)
		return TALLY_OK;
	if (result == 0)
		result = tally_cursor_open(log, &range, &cursor, r->error);
	if (result != 0)
		return result;
	result = tally_cursor_next(cursor, &record, r->error);
	if (result == 0 && stat.size == 2 && is_ours(r, &record) &&
	    strcmp(tally_log_identity(log)->origin, r->options->origin) == 0) {
		r->out->receipt.index = record.index;
		r->out->receipt.seq = record.seq;
		r->out->receipt.hash = record.hash;
		r->out->receipt.time_us = record.time_us;
		r->out->receipt.repeated = true;
		*out_done = true;
	} else if (result == 0 || result == TALLY_END) {
		result = tally_fail(r->error, TALLY_E_EXISTS,
		    "\"%s\" is a log already, with records of its own",
		    r->options->into);
	}
	tally_cursor_close(cursor);
	return result;
}

/* The new log, empty, or as an earlier call left it: *out_done, with its order.
 * Whatever is wrong with the place is found here. */
static int
begin_log(struct restoring *r, struct tally_log **out, bool *out_done)
{
	const struct tally_restore_options *options = r->options;
	const struct tally_init_options how = { .origin = options->origin,
		.segment_bytes = r->old.segment_bytes,
		.event_bytes = r->old.event_bytes };
	int result = tally_log_init(options->into, &how, r->error);

	if (result != 0 && result != TALLY_E_EXISTS)
		return result;
	result = tally_log_open(options->into, NULL, out, r->error);
	if (result != 0) {
		*out = NULL;
		return result;
	}
	return check_begun(r, *out, out_done);
}

static int
end_origin(struct restoring *r)
{
	int result = tally_register_end(r->reg, &r->last, r->options->origin,
	    r->error);

	if (result == TALLY_END)
		result = tally_fail(r->error, TALLY_E_BUSY,
		    "somebody registered another checkpoint meanwhile; try"
		    " again");
	return result;
}

static int
go_on(struct restoring *r)
{
	struct tally_log *log = NULL;
	bool done = false;
	int result = begin_log(r, &log, &done);

	if (result == 0)
		result = end_origin(r);
	if (result == 0 && !done)
		result = tally_key_order_seal(log, r->options->signer,
		    TALLY_ORDER_RESTORED, r->rest, r->rest_len,
		    &r->out->receipt, r->error);
	if (result == 0)
		return tally_log_close(log, r->error);
	if (log != NULL)
		(void)tally_log_close(log, NULL);
	return result;
}

static int
restore(struct restoring *r)
{
	int result = check_names(r);

	if (result == 0 && tally_hasher_open(&r->hasher) != 0)
		result = tally_fail_memory(r->error);
	if (result == 0)
		result = read_old(r);
	if (result == 0)
		result = open_register(r);
	if (result == 0)
		result = read_outside(r);
	if (result == 0)
		result = check_successor(r);
	if (result == 0)
		result = check_lost(r);
	if (result == 0)
		result = make_rest(r);
	if (result != 0)
		return result;
	r->out->outside_size = r->last.size;
	r->out->outside_root = r->last.root;
	return go_on(r);
}

int
tally_restore(const struct tally_restore_options *options,
    struct tally_restored *out, struct tally_error *error)
{
	struct restoring *r = tally_sys_alloc(sizeof(*r));
	int result;

	memset(out, 0, sizeof(*out));
	if (r == NULL)
		return tally_fail_memory(error);
	r->options = options;
	r->out = out;
	r->error = error;
	r->file.dir = -1;
	result = restore(r);
	tally_file_register_close(&r->file);
	tally_hasher_close(&r->hasher);
	tally_sys_free(r);
	return result;
}
