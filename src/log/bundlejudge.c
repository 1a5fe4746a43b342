/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <tally/bundle.h>

#include "log/bundlewalk.h"
#include "log/fail.h"

int
tally_bundle_judge(tally_read_fn *read, void *arg,
    const struct tally_trust *trust, struct tally_bundle *out_bundle,
    struct tally_error *error)
{
	struct tally_trusted trusted = { 0 };
	struct tally_hasher hasher;
	int result;

	memset(out_bundle, 0, sizeof(*out_bundle));
	if (tally_hasher_open(&hasher) != 0)
		return tally_fail_memory(error);
	result = tally_trusted_take(&hasher, trust, &trusted, error);
	if (result == 0)
		result = tally_bundle_walk(read, arg, &trusted, NULL, NULL,
		    out_bundle, NULL, NULL, error);
	tally_trusted_wipe(&trusted);
	tally_hasher_close(&hasher);
	return result;
}
