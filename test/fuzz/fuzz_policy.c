/* SPDX-License-Identifier: Apache-2.0 */
/* Policies of any bytes: what is read keeps the rules of the format. */
#include <stdint.h>
#include <stdlib.h>

#include "core/policy.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tally_hasher hasher;
	static struct tally_policy policy;
	struct tally_error error;
	size_t i;

	if (hasher.ctx == NULL && tally_hasher_open(&hasher) != 0)
		abort();
	if (tally_policy_parse(&hasher, (const char *)data, size, &policy,
		&error) != 0)
		return 0;
	for (i = 0; i < policy.members_len; i++) {
		const struct tally_policy_member *member = &policy.members[i];

		/* Groups come after their members, so that one pass does. */
		if (member->group != TALLY_POLICY_NONE &&
		    (member->group <= (int)i ||
			!policy.members[member->group].is_group))
			abort();
		if (member->is_group && member->threshold == 0)
			abort();
		if (member->name.len == 0 ||
		    member->name.at + member->name.len > size)
			abort();
	}
	if (policy.quorum >= (int)policy.members_len)
		abort();
	return 0;
}
