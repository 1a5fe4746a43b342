/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a judge trusts (struct tally_trust), taken apart; and what that says of
 * a checkpoint. */
#ifndef TALLY_LOG_TRUST_H
#define TALLY_LOG_TRUST_H

#include <tally/proof.h>

#include "core/keyring.h"
#include "core/policy.h"
#include "core/reading.h"

struct tally_trusted {
	const struct tally_trust *trust; /* the caller's */
	struct tally_vkey *keys;
	size_t keys_len;
	struct tally_policy *policy;
	struct tally_keyring
	    *ring; /* of trust->orders; NULL: none were given */
};

/*
 * Returns 0; TALLY_E_USAGE if a key or the policy is none; TALLY_E_FORMAT if
 * the orders do not hold; TALLY_E_MEMORY.  Wipe it in any case.
 */
TALLY_MUST_CHECK int
tally_trusted_take(struct tally_hasher *hasher, const struct tally_trust *trust,
    struct tally_trusted *out, struct tally_error *error);

/* Could what was found be judged?  Else nothing is: returns TALLY_E_BUG. */
TALLY_MUST_CHECK int
tally_trusted_could(const struct tally_hasher *hasher,
    enum tally_proof_verdict found, struct tally_error *error);

void
tally_trusted_wipe(struct tally_trusted *trusted);

/*
 * TALLY_PROOF_ROOT, _SIGNED, _UNSIGNED, _OTHER_ROOT, _OTHER_KEY, _FORGED or
 * _RETIRED.
 * Everything that is trusted must agree; the first that does not is told.
 */
enum tally_proof_verdict
tally_trusted_judge(const struct tally_trusted *trusted,
    const struct tally_signed_checkpoint *under);

#endif
