/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of callbacks around a commit (P3 to P8).
 */
#ifndef TALLY_PG_XACT_H
#define TALLY_PG_XACT_H

#include "postgres.h"

/* From _PG_init: registers the callbacks. */
extern void tally_xact_init(void);

/*
 * To be called before anything is captured: ERROR if this transaction cannot
 * seal (it has sealed already, it is parallel, it is read-only, as all are in
 * recovery); takes the locks that sealing will need.  by_trigger: from within
 * our row trigger, not from a function.
 */
extern void tally_xact_begin(bool by_trigger);

/* Does a commit of this session wait for a synchronous standby? */
extern bool tally_xact_awaits_standby(void);

/* Would it release its chains before it waits (P6, P7)? */
extern bool tally_xact_releases_early(void);

#endif
