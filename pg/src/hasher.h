/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backend's one hasher.
 *
 * A backend is one thread, so one hasher serves all of it; it is opened on
 * first use and never closed.  libcrypto can fail (memory, a policy that
 * forbids the algorithm): the core's hasher then answers zeros, and whoever
 * is about to write what came out asks tally_hasher_check first (P12).
 */
#ifndef TALLY_PG_HASHER_H
#define TALLY_PG_HASHER_H

#include "postgres.h"

#include "core/hash.h"

/*
 * The hasher; ERROR if libcrypto does not give one.  Not to be used between
 * begin and end of somebody else's hash: whoever hashes in pieces calls
 * nothing in between that hashes.
 */
extern struct tally_hasher *tally_hasher_get(void);

/*
 * ERROR if any hash since the last check failed.  The next get opens a new
 * hasher, so that a passing failure fails one transaction, not the session.
 */
extern void tally_hasher_check(void);

#endif
