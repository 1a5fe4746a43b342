/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events that are kept, against the records that name them.
 */
#ifndef TALLY_PG_VERIFY_KEPT_H
#define TALLY_PG_VERIFY_KEPT_H

#include "verify.h"
#include "verify_record.h"

extern void tally_kept_open(struct tally_verifier *v);

/* Every record of the scope that names an event passes here once. */
extern void tally_kept_take(struct tally_verifier *v,
							const struct tally_sealed *record);

/*
 * Judges them; those that are of rows go on to be matched.  Events that no
 * record names are remembered, for a record that lost its own.
 */
extern void tally_kept_judge(struct tally_verifier *v);

/* Are there such events? */
extern bool tally_kept_has_strays(struct tally_verifier *v);

/*
 * A record that names no event: is one of those its own?  Then it is told,
 * and goes on to be matched.
 */
extern bool tally_kept_claim(struct tally_verifier *v,
							 const struct tally_sealed *record);

/* Tells of the events that nobody claimed. */
extern void tally_kept_finish(struct tally_verifier *v);

#endif
