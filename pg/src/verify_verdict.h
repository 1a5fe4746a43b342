/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a source as a whole, and what was not covered.
 */
#ifndef TALLY_PG_VERIFY_VERDICT_H
#define TALLY_PG_VERIFY_VERDICT_H

#include "verify_sources.h"

/* No table of the source is there. */
extern void tally_verdict_gone(struct tally_verifier *v,
							   const struct tally_source *source);

/* All of its rows and records were judged: what was only counted. */
extern void tally_verdict_source(struct tally_verifier *v,
								 const struct tally_source *source);

/* All was judged: what was not looked at, or cannot be seen from within. */
extern void tally_verdict_uncovered(struct tally_verifier *v);

#endif
