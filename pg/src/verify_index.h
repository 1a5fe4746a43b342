/* SPDX-License-Identifier: Apache-2.0 */
/* Does the index lead to the heads? */
#ifndef TALLY_PG_VERIFY_INDEX_H
#define TALLY_PG_VERIFY_INDEX_H

#include "verify.h"

/* The links were judged. */
extern void tally_index_judge(struct tally_verifier *v);

#endif
