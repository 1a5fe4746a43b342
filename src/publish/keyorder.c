/* SPDX-License-Identifier: Apache-2.0 */
/* Orders about the keys of a log; see tally/publish.h. */
#include <string.h>

#include "core/keyring.h"
#include "log/fail.h"
#include "log/sealorder.h"
#include "publish/keyorder.h"
#include "publish/signer.h"

/* ---- what the log says ------------------------------------------------ */

static void
name_key(struct tally_key_said *said, uint32_t id, bool retires)
{
	size_t i = 0;

	while (i < said->known_len && said->known[i] != id)
		i++;
	/* No verifier follows to more of them, either. */
	if (i == TALLY_KEYRING_MAX)
		return;
	if (i == said->known_len)
		said->known[said->known_len++] = id;
	said->is_retired[i] |= retires;
}

/* By the orders, may another key than this one sign? */
static bool
has_other(const struct tally_key_said *said, uint32_t id)
{
	for (size_t i = 0; i < said->known_len; i++) {
		if (said->known[i] != id && !said->is_retired[i])
			return true;
	}
	return false;
}

/*
 * Taken at its word, signature or not: it only makes us refuse to sign, and a
 * forged order is for a verifier to find.
 */
void
tally_key_hear(struct tally_key_said *said, struct tally_hasher *hasher,
    const struct tally_vkey *vkey, const struct tally_record *record)
{
	enum tally_key_order_change change;
	struct tally_order order;
	struct tally_vkey named;
	bool is_named;

	if (record->seq < said->next_seq || record->chain_len != 9 ||
	    memcmp(record->chain, "tally:log", 9) != 0)
		return;
	said->next_seq = record->seq + 1;
	if (record->body != TALLY_BODY_EVENT ||
	    tally_order_parse(record->event, record->event_len, &order) != 0 ||
	    tally_key_order_parse(hasher, &order, &change, &named) != 0)
		return;
	is_named = tally_vkey_equal(&named, vkey);
	said->orders++;
	name_key(said, order.by, change == TALLY_KEY_ORDER_ROTATE);
	name_key(said, named.id, change == TALLY_KEY_ORDER_RETIRE);
	if (is_named && change != TALLY_KEY_ORDER_RETIRE)
		said->added_seq = record->seq;
	if ((is_named && change == TALLY_KEY_ORDER_RETIRE) ||
	    (change == TALLY_KEY_ORDER_ROTATE && order.by == vkey->id))
		said->retired_seq = record->seq;
	said->has_ordered |= order.by == vkey->id;
}

int
tally_key_ask(struct tally_log *log, struct tally_hasher *hasher,
    const struct tally_vkey *vkey, struct tally_key_said *said,
    struct tally_error *error)
{
	const struct tally_range range = {
		.chain = "tally:log", .chain_len = 9, .from_seq = said->next_seq
	};
	struct tally_cursor *cursor;
	struct tally_record record;
	int result = tally_cursor_open(log, &range, &cursor, error);

	if (result != 0)
		return result;
	while ((result = tally_cursor_next(cursor, &record, error)) == 0)
		tally_key_hear(said, hasher, vkey, &record);
	tally_cursor_close(cursor);
	return result == TALLY_END ? tally_key_may_sign(said, vkey, error)
				   : result;
}

int
tally_key_may_sign(const struct tally_key_said *said,
    const struct tally_vkey *vkey, struct tally_error *error)
{
	if (said->retired_seq != 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "the key %08x was retired by tally:log %llu, and signs"
		    " nothing any more",
		    (unsigned)vkey->id, (unsigned long long)said->retired_seq);
	if (said->orders > 0 && said->added_seq == 0 && !said->has_ordered)
		return tally_fail(error, TALLY_E_USAGE,
		    "the log has orders about its keys, and none introduces"
		    " the key %08x; \"tally key add\" does, with a key that it"
		    " knows",
		    (unsigned)vkey->id);
	return TALLY_OK;
}

/* ---- orders ----------------------------------------------------------- */

struct ordering {
	const struct tally_log *log;
	const struct tally_signer *signer;
	struct tally_order order;
};

static int
make(void *arg, const struct tally_hash *prev, char *out, size_t *out_len,
    struct tally_error *error)
{
	struct ordering *ordering = arg;

	ordering->order.after = *prev;
	if (tally_order_format(&ordering->order, ordering->log->identity.origin,
		ordering->signer->seed, out, out_len) != 0)
		return tally_fail(error, TALLY_E_BUG, "libcrypto cannot sign");
	return TALLY_OK;
}

int
tally_key_order_seal(struct tally_log *log, const struct tally_signer *signer,
    enum tally_order_kind kind, const char *rest, size_t rest_len,
    struct tally_receipt *out, struct tally_error *error)
{
	struct ordering ordering = { .log = log,
		.signer = signer,
		.order = { .kind = kind,
		    .by = signer->vkey.id,
		    .rest = { rest, rest_len } } };

	return tally_seal_order(log, make, &ordering, out, error);
}

static int
check_keys(struct tally_log *log, const struct tally_signer *signer,
    struct tally_hasher *hasher, const char *text, struct tally_vkey *out,
    struct tally_error *error)
{
	const char *origin = log->identity.origin;
	struct tally_key_said said = { 0 };

	if (tally_vkey_parse(hasher, text, strlen(text), out) != 0 ||
	    out->type != TALLY_VKEY_ED25519)
		return tally_fail(error, TALLY_E_USAGE,
		    "\"%s\" is no key that signs a log", text);
	/* An order of its would count for nobody, and stay. */
	if (signer->vkey.type != TALLY_VKEY_ED25519)
		return tally_fail(error, TALLY_E_USAGE,
		    "the key \"%s\" is a witness's, which signs no log",
		    signer->vkey.name);
	if (strcmp(out->name, origin) != 0 ||
	    strcmp(signer->vkey.name, origin) != 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "the key's name is \"%s\", and the log's origin \"%s\";"
		    " they must be one",
		    strcmp(out->name, origin) != 0 ? out->name
						   : signer->vkey.name,
		    origin);
	return tally_key_ask(log, hasher, &signer->vkey, &said, error);
}

static const enum tally_key_order_change changes[] = {
	[TALLY_KEY_ADD] = TALLY_KEY_ORDER_ADD,
	[TALLY_KEY_ROTATE] = TALLY_KEY_ORDER_ROTATE,
	[TALLY_KEY_RETIRE] = TALLY_KEY_ORDER_RETIRE,
	[TALLY_KEY_RETIRE_LAST] = TALLY_KEY_ORDER_RETIRE,
};

/* What the order does must be new; and if a key signs for the log, one stays,
 * unless the caller wants none. */
static int
check_change(struct tally_log *log, struct tally_hasher *hasher,
    const struct tally_signer *signer, enum tally_key_change how,
    const struct tally_vkey *vkey, struct tally_error *error)
{
	struct tally_key_said said = { 0 };
	bool is_own = tally_vkey_equal(vkey, &signer->vkey);
	int result = tally_key_ask(log, hasher, vkey, &said, NULL);

	if (result != 0 && result != TALLY_E_USAGE)
		return tally_fail(error, result, "cannot read tally:log");
	if (said.retired_seq != 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "the key %08x was retired by tally:log %llu already",
		    (unsigned)vkey->id, (unsigned long long)said.retired_seq);
	/* Whoever retires another key signs himself. */
	if (how == TALLY_KEY_RETIRE && is_own && !has_other(&said, vkey->id))
		return tally_fail(error, TALLY_E_USAGE,
		    "the key %08x is the last one: without it nothing is signed"
		    " under \"%s\" any more; \"tally key rotate\" lets another"
		    " take over, \"tally key retire --last\" ends the origin",
		    (unsigned)vkey->id, log->identity.origin);
	if (changes[how] != TALLY_KEY_ORDER_RETIRE &&
	    (said.added_seq != 0 || said.has_ordered || is_own))
		return tally_fail(error, TALLY_E_USAGE,
		    "the log knows the key %08x already", (unsigned)vkey->id);
	return TALLY_OK;
}

int
tally_key_order(struct tally_log *log, const struct tally_signer *signer,
    enum tally_key_change how, const char *text, struct tally_receipt *out,
    struct tally_error *error)
{
	char rest[TALLY_KEY_ORDER_MAX];
	struct tally_hasher hasher;
	struct tally_vkey vkey;
	int result = tally_hasher_open(&hasher);

	if (result != 0)
		return tally_fail_memory(error);
	result = check_keys(log, signer, &hasher, text, &vkey, error);
	if (result == 0)
		result = check_change(log, &hasher, signer, how, &vkey, error);
	tally_hasher_close(&hasher);
	if (result != 0)
		return result;
	return tally_key_order_seal(log, signer, TALLY_ORDER_KEY, rest,
	    tally_key_order_format(changes[how], &vkey, rest), out, error);
}
