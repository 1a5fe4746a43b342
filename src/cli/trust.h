/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the caller trusts: keys, and a policy.
 *
 * A key is given as a vkey, or as a file whose first lines are vkeys: what
 * "tally key" printed, one or several of them, or a key file.
 */
#ifndef TALLY_CLI_TRUST_H
#define TALLY_CLI_TRUST_H

#include "output.h"

#define TRUST_KEYS_MAX 32

struct trust {
	char *key_text; /* of a file */
	const char *vkey[TRUST_KEYS_MAX];
	size_t vkeys;
	char *policy;
	size_t policy_len;
};

/* key and policy may be NULL.  Complains.  Free it in any case. */
enum status
trust_read(const char *key, const char *policy, struct trust *out);

void
trust_free(struct trust *trust);

#endif
