/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log/fail.h"
#include "log/sys.h"
#include "log/trust.h"

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
		if (tally_vkey_parse(hasher, trust->vkeys[i],
			strlen(trust->vkeys[i]), &out->keys[i]) != 0)
			return tally_fail(error, TALLY_E_USAGE,
			    "\"%s\" is no key", trust->vkeys[i]);
		out->keys_len++;
	}
	if (trust->policy == NULL)
		return TALLY_OK;
	out->policy = tally_sys_alloc(sizeof(*out->policy));
	if (out->policy == NULL)
		return tally_fail_memory(error);
	return tally_policy_parse(hasher, trust->policy, trust->policy_len,
		   out->policy, error) == 0
	    ? TALLY_OK
	    : TALLY_E_USAGE;
}

void
tally_trusted_wipe(struct tally_trusted *trusted)
{
	tally_sys_free(trusted->keys);
	tally_sys_free(trusted->policy);
	memset(trusted, 0, sizeof(*trusted));
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
		verdict = judge_keys(trusted, under);
		if (verdict != TALLY_PROOF_SIGNED)
			return verdict;
	}
	return trusted->policy == NULL ? verdict : judge_policy(trusted, under);
}
