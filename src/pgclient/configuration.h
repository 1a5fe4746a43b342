/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TALLY_PGCLIENT_CONFIGURATION_H
#define TALLY_PGCLIENT_CONFIGURATION_H

#include "pgclient/verifier.h"

/*
 * Reads tally.chain, and tally:log alone: its events, and what they say of
 * tables.  TALLY_END if nothing was ever attached.
 */
TALLY_MUST_CHECK int
tally_pg_configuration_read(struct tally_pg_verifier *v,
    struct tally_error *error);

#endif
