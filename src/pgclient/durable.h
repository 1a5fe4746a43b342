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

/*
 * How far WAL has to be flushed, where the server inserts next at the place
 * lsn: behind a page's header nothing may have been written, and then what
 * there is ends where the page begins.  block and segment: bytes of a page and
 * of a segment.
 */
uint64_t
tally_pg_durable_end(uint64_t lsn, uint64_t block, uint64_t segment);

/*
 * How many standbys have to confirm, by synchronous_standby_names, whose
 * grammar is the server's ("ANY 2 (a, b)", "FIRST 1 (a)", "2 (a, b)", "a, b");
 * which of them may, says pg_stat_replication.
 */
unsigned
tally_pg_durable_standbys(const char *names);

#endif
