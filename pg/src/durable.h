/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only what is durable leaves (P9).
 */
#ifndef TALLY_PG_DURABLE_H
#define TALLY_PG_DURABLE_H

#include "postgres.h"

/*
 * Waits until everything that any snapshot taken so far can show is on
 * stable storage here, and on the synchronous standby if there is one,
 * whatever this session's synchronous_commit.  Call it after the snapshot
 * was taken or the data was read, before it is shown.
 *
 * ERROR if the standby did not confirm (somebody cancelled the wait, or the
 * session is being ended).  In recovery there is nothing to wait for: what a
 * standby shows has been flushed by the primary before it was sent.
 */
extern void tally_durable_wait(void);

/*
 * The same for what this session has just committed.  Does not wait a second
 * time if the commit's own wait for the standby was ended.
 */
extern void tally_durable_wait_after_commit(void);

#endif
