/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TALLY_PGCLIENT_IDS_H
#define TALLY_PGCLIENT_IDS_H

#include "pgclient/verifier.h"

/* Tells of ids that stand twice in their chain; the server sorts them. */
TALLY_MUST_CHECK int
tally_pg_ids_judge(struct tally_pg_verifier *v, struct tally_error *error);

#endif
