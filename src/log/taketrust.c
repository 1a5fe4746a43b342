/* SPDX-License-Identifier: Apache-2.0 */
/* From what a caller says that he trusts to keys, a policy and a ring. */
#include <string.h>

#include "core/kinds.h"
#include "core/sign.h"
#include "log/bundlewalk.h"
#include "log/fail.h"
#include "log/sys.h"
#include "log/timestamp.h"
#include "log/trust.h"

/* ---- orders ----------------------------------------------------------- */

struct reading {
	const char *at;
	size_t left;
};

/* tally_read_fn over memory. */
static int
read_bytes(void *arg, void *bytes, size_t room, size_t *out_len)
{
	struct reading *reading = arg;

	*out_len = reading->left < room ? reading->left : room;
	memcpy(bytes, reading->at, *out_len);
	reading->at += *out_len;
	reading->left -= *out_len;
	return TALLY_OK;
}

struct hearing {
	struct tally_trusted *trusted;
	struct tally_hasher *hasher;
	const char *detail; /* of the first order that does not hold */
	uint64_t seq;
};

static void
hear(void *arg, const struct tally_line *line)
{
	struct hearing *hearing = arg;
	const struct tally_order_place place = { .seq = line->header.seq,
		.prev = line->header.prev,
		.time_us = line->header.time_us };
	const char *detail = NULL;
	struct tally_span kind;

	if (line->body != TALLY_BODY_EVENT || hearing->detail != NULL)
		return;
	if (!tally_log_kind_is_known(line->event, line->event_len, place.seq,
		&kind))
		detail = "its event is of a kind that is not known here";
	else if (tally_keyring_take(hearing->trusted->ring, hearing->hasher,
		     &place, line->event, line->event_len,
		     &detail) <= TALLY_ORDER_HOLDS)
		return;
	hearing->detail = detail;
	hearing->seq = line->header.seq;
}

/* The ring of the log that the keys are named after: the orders' own. */
static int
begin_ring(struct tally_trusted *trusted, struct tally_error *error)
{
	if (trusted->keys_len == 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "orders need the key that the log began with");
	trusted->ring = tally_sys_alloc(sizeof(*trusted->ring));
	if (trusted->ring == NULL)
		return tally_fail_memory(error);
	tally_keyring_init(trusted->ring, trusted->keys[0].name);
	for (size_t i = 0; i < trusted->keys_len; i++) {
		if (tally_keyring_give(trusted->ring, &trusted->keys[i]) != 0)
			return tally_fail(error, TALLY_E_USAGE,
			    "with orders, all keys are those of one log");
	}
	return TALLY_OK;
}

/* Is it all of tally:log, and is every order what it should be? */
static int
check_orders(const struct tally_trusted *trusted,
    const struct tally_bundle *bundle, const struct hearing *hearing,
    const struct tally_signed_checkpoint *under, struct tally_error *error)
{
	const struct tally_trust no_root = { .root = NULL };
	struct tally_trusted keys = { .trust = &no_root,
		.keys = trusted->keys,
		.keys_len = trusted->keys_len,
		.ring = trusted->ring };

	if (bundle->verdict == TALLY_PROOF_BROKEN)
		return tally_fail(error, TALLY_E_FORMAT,
		    "the orders do not hold: %s", bundle->detail);
	if (strcmp(bundle->chain, "tally:log") != 0 || bundle->from_seq != 1 ||
	    bundle->to_seq != bundle->head_seq || bundle->erased > 0 ||
	    bundle->elsewhere > 0)
		return tally_fail(error, TALLY_E_FORMAT,
		    "the orders are not the bundle of all of tally:log");
	if (hearing->detail != NULL)
		return tally_fail(error, TALLY_E_FORMAT,
		    "the orders do not hold: tally:log %llu, %s",
		    (unsigned long long)hearing->seq, hearing->detail);
	if (tally_trusted_judge(&keys, under) != TALLY_PROOF_SIGNED)
		return tally_fail(error, TALLY_E_FORMAT,
		    "nobody who is trusted signed the checkpoint of the"
		    " orders");
	return TALLY_OK;
}

static int
take_orders(struct tally_hasher *hasher, struct tally_trusted *trusted,
    struct tally_error *error)
{
	const struct tally_trust nothing = { .root = NULL };
	const struct tally_trusted nobody = { .trust = &nothing };
	struct reading reading = { trusted->trust->orders,
		trusted->trust->orders_len };
	struct hearing hearing = { .trusted = trusted, .hasher = hasher };
	struct tally_signed_checkpoint under;
	struct tally_bundle *bundle;
	char *text = NULL;
	int result = begin_ring(trusted, error);

	if (result != 0)
		return result;
	bundle = tally_sys_alloc(sizeof(*bundle));
	if (bundle == NULL)
		return tally_fail_memory(error);
	result = tally_bundle_walk(read_bytes, &reading, &nobody, hear,
	    &hearing, bundle, &under, &text, error);
	if (result == 0)
		result = check_orders(trusted, bundle, &hearing, &under, error);
	if (result != 0 && !tally_sign_works())
		result = tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	tally_sys_free(text);
	tally_sys_free(bundle);
	return result;
}

/* ---- taking ----------------------------------------------------------- */

static int
take_policy(struct tally_hasher *hasher, struct tally_trusted *out,
    struct tally_error *error)
{
	const struct tally_trust *trust = out->trust;

	out->policy = tally_sys_alloc(sizeof(*out->policy));
	if (out->policy == NULL)
		return tally_fail_memory(error);
	if (tally_policy_parse(hasher, trust->policy, trust->policy_len,
		out->policy, error) == 0)
		return TALLY_OK;
	return tally_hasher_failed(hasher)
	    ? tally_fail(error, TALLY_E_BUG, "libcrypto failed")
	    : TALLY_E_USAGE;
}

/* Are there certificates to judge timestamps by? */
static int
check_authority(const struct tally_trust *trust, struct tally_error *error)
{
	const char *detail;
	int64_t seconds;
	int result = tally_timestamp_check("", 0, "", 0, trust->tsa,
	    trust->tsa_len, &seconds, &detail);

	if (result == TALLY_E_MEMORY)
		return tally_fail_memory(error);
	return result == TALLY_E_USAGE
	    ? tally_fail(error, result,
		  "there are no certificates to judge a timestamp by")
	    : TALLY_OK;
}

int
tally_trusted_take(struct tally_hasher *hasher, const struct tally_trust *trust,
    struct tally_trusted *out, struct tally_error *error)
{
	memset(out, 0, sizeof(*out));
	out->trust = trust;
	if (trust->vkeys_len > 0) {
		out->keys = tally_sys_alloc(trust->vkeys_len *
		    sizeof(*out->keys));
		if (out->keys == NULL)
			return tally_fail_memory(error);
	}
	for (size_t i = 0; i < trust->vkeys_len; i++) {
		int result = tally_vkey_parse(hasher, trust->vkeys[i],
		    strlen(trust->vkeys[i]), &out->keys[i]);

		if (result == TALLY_E_BUG)
			return tally_fail(error, result, "libcrypto failed");
		if (result != 0)
			return tally_fail(error, TALLY_E_USAGE,
			    "\"%s\" is no key", trust->vkeys[i]);
		out->keys_len++;
	}
	if (trust->policy != NULL) {
		int result = take_policy(hasher, out, error);

		if (result != 0)
			return result;
	}
	if (trust->timestamps_len > 0) {
		int result = check_authority(trust, error);

		if (result != 0)
			return result;
	}
	return trust->orders == NULL ? TALLY_OK
				     : take_orders(hasher, out, error);
}
