/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/kinds.h"
#include "core/sign.h"
#include "log/bundlewalk.h"
#include "log/fail.h"
#include "log/sys.h"
#include "log/timestamp.h"
#include "log/trust.h"

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
		whole.len, trust->tsa, trust->tsa_len, &seconds,
		&detail) == 0 &&
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
