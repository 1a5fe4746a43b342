/* SPDX-License-Identifier: Apache-2.0 */
/* The backend's one hasher. */
#include "postgres.h"

#include "hasher.h"

static struct tally_hasher hasher;
static bool is_open = false;

static void
report_failure(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("libcrypto failed to compute SHA-256"),
			 errdetail("Nothing was sealed.  Either memory is short, or a "
					   "policy of OpenSSL on this host forbids SHA-256.")));
}

struct tally_hasher *
tally_hasher_get(void)
{
	if (!is_open)
	{
		if (tally_hasher_open(&hasher) != 0)
		{
			tally_hasher_close(&hasher);
			report_failure();
		}
		is_open = true;
	}
	return &hasher;
}

void
tally_hasher_check(void)
{
	if (!is_open || !tally_hasher_failed(&hasher))
		return;
	tally_hasher_close(&hasher);
	is_open = false;
	report_failure();
}
