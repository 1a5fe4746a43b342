/* SPDX-License-Identifier: Apache-2.0 */
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
	const struct tally_trust nobody = { .root = NULL };
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

int
tally_trusted_could(const struct tally_hasher *hasher,
    enum tally_proof_verdict found, struct tally_error *error)
{
	bool is_accused = found == TALLY_PROOF_FORGED ||
	    found == TALLY_PROOF_OTHER_KEY || found == TALLY_PROOF_RETIRED;

	if (tally_hasher_failed(hasher) || (is_accused && !tally_sign_works()))
		return tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	return TALLY_OK;
}

void
tally_trusted_wipe(struct tally_trusted *trusted)
{
	tally_sys_free(trusted->keys);
	tally_sys_free(trusted->policy);
	tally_sys_free(trusted->ring);
	memset(trusted, 0, sizeof(*trusted));
}

/* Has a witness of the policy cosigned before that time? */
static bool
is_older(const struct tally_trusted *trusted,
    const struct tally_signed_checkpoint *under, int64_t time_us)
{
	const struct tally_policy *policy = trusted->policy;
	uint64_t seconds;

	for (size_t i = 0; policy != NULL && i < policy->members_len; i++) {
		const struct tally_policy_member *member = &policy->members[i];

		if (!member->is_group &&
		    tally_note_check(&under->note, &member->vkey, &seconds) ==
			TALLY_SIGNED &&
		    time_us > 0 && seconds < (uint64_t)time_us / 1000000)
			return true;
	}
	return false;
}

/*
 * Is the timestamp older, and over this checkpoint with the key's signature?
 * It counts that the key had signed by then, whatever else stood in the note.
 */
static bool
is_stamped(const struct tally_trusted *trusted,
    const struct tally_timestamp *stamp,
    const struct tally_signed_checkpoint *under, const struct tally_vkey *key,
    int64_t time_us)
{
	const struct tally_trust *trust = trusted->trust;
	struct tally_span whole = under->text;
	struct tally_note note = under->note;
	const char *detail;
	int64_t seconds;

	if (stamp->note != NULL) {
		whole.at = stamp->note;
		whole.len = stamp->note_len;
		if (tally_note_parse(whole.at, whole.len, &note) != 0 ||
		    note.text.len != under->note.text.len ||
		    memcmp(note.text.at, under->note.text.at, note.text.len) !=
			0)
			return false;
	}
	return tally_note_check(&note, key, NULL) == TALLY_SIGNED &&
	    tally_timestamp_check(stamp->token, stamp->token_len, whole.at,
		whole.len, trust->tsa, trust->tsa_len, &seconds, &detail) ==
		0 &&
	    time_us > 0 && seconds < time_us / 1000000;
}

static bool
has_older_stamp(const struct tally_trusted *trusted,
    const struct tally_signed_checkpoint *under,
    const struct tally_ring_key *key)
{
	const struct tally_trust *trust = trusted->trust;

	for (size_t i = 0; i < trust->timestamps_len; i++) {
		if (is_stamped(trusted, &trust->timestamps[i], under,
			&key->vkey, key->retired_us))
			return true;
	}
	return false;
}

/* By the keys that were given and what the orders made of them. */
static enum tally_proof_verdict
judge_ring(const struct tally_trusted *trusted,
    const struct tally_signed_checkpoint *under)
{
	enum tally_proof_verdict verdict = TALLY_PROOF_OTHER_KEY;
	const struct tally_keyring *ring = trusted->ring;

	for (size_t i = 0; i < ring->len; i++) {
		const struct tally_ring_key *key = &ring->key[i];
		enum tally_signed found = tally_note_check(&under->note,
		    &key->vkey, NULL);

		if (found == TALLY_SIGNED_WRONGLY)
			return TALLY_PROOF_FORGED;
		if (found != TALLY_SIGNED ||
		    strcmp(key->vkey.name, under->checkpoint.origin) != 0)
			continue;
		if (!key->is_retired ||
		    is_older(trusted, under, key->retired_us) ||
		    has_older_stamp(trusted, under, key))
			verdict = TALLY_PROOF_SIGNED;
		else if (verdict != TALLY_PROOF_SIGNED)
			verdict = TALLY_PROOF_RETIRED;
	}
	return verdict;
}

/* Among several findings about one note the worst one counts. */
static enum tally_proof_verdict
judge_keys(const struct tally_trusted *trusted,
    const struct tally_signed_checkpoint *under)
{
	enum tally_proof_verdict verdict = TALLY_PROOF_OTHER_KEY;

	for (size_t i = 0; i < trusted->keys_len; i++) {
		const struct tally_vkey *key = &trusted->keys[i];
		enum tally_signed found = tally_note_check(&under->note, key,
		    NULL);

		if (found == TALLY_SIGNED_WRONGLY)
			return TALLY_PROOF_FORGED;
		if (found == TALLY_SIGNED &&
		    strcmp(key->name, under->checkpoint.origin) == 0)
			verdict = TALLY_PROOF_SIGNED;
	}
	return verdict;
}

static enum tally_proof_verdict
judge_policy(const struct tally_trusted *trusted,
    const struct tally_signed_checkpoint *under)
{
	switch (tally_policy_check(trusted->policy, &under->note,
	    &under->checkpoint)) {
	case TALLY_POLICY_HOLDS:
		return TALLY_PROOF_SIGNED;
	case TALLY_POLICY_SPOILED:
		return TALLY_PROOF_FORGED;
	default:
		return TALLY_PROOF_OTHER_KEY;
	}
}

enum tally_proof_verdict
tally_trusted_judge(const struct tally_trusted *trusted,
    const struct tally_signed_checkpoint *under)
{
	const struct tally_hash *root = trusted->trust->root;
	enum tally_proof_verdict verdict = TALLY_PROOF_UNSIGNED;

	if (root != NULL) {
		if (!tally_hash_equal(root, &under->checkpoint.root))
			return TALLY_PROOF_OTHER_ROOT;
		verdict = TALLY_PROOF_ROOT;
	}
	if (trusted->keys_len == 0 && trusted->policy == NULL)
		return verdict;
	if (!under->is_signed)
		return TALLY_PROOF_OTHER_KEY;
	if (trusted->keys_len > 0) {
		verdict = trusted->ring != NULL ? judge_ring(trusted, under)
						: judge_keys(trusted, under);
		if (verdict != TALLY_PROOF_SIGNED)
			return verdict;
	}
	return trusted->policy == NULL ? verdict : judge_policy(trusted, under);
}
