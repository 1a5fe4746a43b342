/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting until what the snapshot shows is durable: flushed, and with a
 * synchronous standby, there as well.  With early release or asynchronous
 * commits a record is seen before that, and may be gone after a crash.
 */
#ifndef TALLY_PGCLIENT_DURABLE_H
#define TALLY_PGCLIENT_DURABLE_H

#include "pgclient/verifier.h"

/*
 * Waits for a minute at most, then TALLY_E_BUSY.  On a standby there is
 * nothing to wait for: what it shows it got when it was flushed elsewhere.
 */
TALLY_MUST_CHECK int
tally_pg_durable_wait(struct tally_pg_verifier *v, struct tally_error *error);

#endif
