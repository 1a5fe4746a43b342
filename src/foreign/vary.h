/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for what is wrong with a rule: each step in every other way in which
 * systems write such a thing, one step at a time, then two.
 */
#ifndef TALLY_FOREIGN_VARY_H
#define TALLY_FOREIGN_VARY_H

#include "foreign/judge.h"

/*
 * Calls hint for each way that makes the input hash to stored; *out_count says
 * how many there were (a few at most).  0 or TALLY_E_MEMORY.
 */
TALLY_MUST_CHECK int
tally_vary(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    const struct tally_digest *stored,
    void (*hint)(void *arg, const char *hint), void *arg, unsigned *out_count);

/* The same with steps left out, or in another order. */
TALLY_MUST_CHECK int
tally_vary_order(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    const struct tally_digest *stored,
    void (*hint)(void *arg, const char *hint), void *arg);

#endif
