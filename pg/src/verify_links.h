/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links of the chains: each record against its neighbours, and what does
 * not fit, named (core/walk.h, core/places.h).
 */
#ifndef TALLY_PG_VERIFY_LINKS_H
#define TALLY_PG_VERIFY_LINKS_H

#include "verify.h"
#include "verify_chains.h"
#include "verify_record.h"

extern void tally_links_open(struct tally_verifier *v);

/* Every record passes here once. */
extern void tally_links_take(struct tally_verifier *v,
							 const struct tally_sealed *record);

/* All records have passed: judges, and tells. */
extern void tally_links_judge(struct tally_verifier *v);

#endif
