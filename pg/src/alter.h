/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one epoch of a table to the next.
 */
#ifndef TALLY_PG_ALTER_H
#define TALLY_PG_ALTER_H

#include "epoch.h"

/*
 * The catalog has changed under the epoch in force: ends it and begins one
 * that is as it was, as far as its columns are still there, under the names
 * and types that they have now.  ERROR, as of tally.attach, if that cannot be.
 */
extern void tally_alter_follow(const struct tally_epoch *old);

#endif
