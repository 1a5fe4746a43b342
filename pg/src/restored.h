/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going on in another place (R6).
 */
#ifndef TALLY_PG_RESTORED_H
#define TALLY_PG_RESTORED_H

/*
 * Ends each epoch that is in force, which another place began, and begins it
 * anew with the oids, numbers and transaction ids of here.  WARNING about a
 * table with which this cannot be done; it stays as it is, and writing to it
 * fails.  tally.attachment is locked.
 */
extern void tally_restored_attach(void);

#endif
