/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that were named as bad, so that no finding follows from another.
 */
#ifndef TALLY_PG_VERIFY_ACCUSED_H
#define TALLY_PG_VERIFY_ACCUSED_H

#include "verify.h"
#include "verify_chains.h"
#include "verify_record.h"

extern void tally_accused_open(struct tally_verifier *v);

/* chain, seq: where it belongs; NULL and 0 if nobody knows. */
extern void tally_accused_add(struct tally_verifier *v,
							  const ItemPointerData * tid,
							  struct tally_chain *chain, int64 seq);

/* Was the record named?  Whatever else it says is not believed. */
extern bool tally_accused_is(struct tally_verifier *v,
							 const ItemPointerData * tid);

/*
 * Where the record, which was named, belongs; false if it was not named, or
 * nobody knows.
 */
extern bool tally_accused_place(struct tally_verifier *v,
								const ItemPointerData * tid,
								struct tally_chain **out_chain,
								int64 *out_seq);

/* Calls fn for every record that was named. */
extern void tally_accused_walk(struct tally_verifier *v, tally_record_fn fn,
							   void *arg);

#endif
