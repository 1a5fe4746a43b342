/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows: canonical text is written where there is room, and who
 * writes it makes room. */
#ifndef TALLY_FOREIGN_OUT_H
#define TALLY_FOREIGN_OUT_H

#include <tally/error.h>

#include "core/canon.h"

#define TALLY_OUT_MAX ((size_t)1 << 28)

/*
 * Room for need bytes behind those that are there; first is how many bytes an
 * empty one gets at least.  0, TALLY_E_LIMIT (more than TALLY_OUT_MAX) or
 * TALLY_E_MEMORY; what is there stays.
 */
TALLY_MUST_CHECK int
tally_out_reserve(struct tally_canon_out *out, size_t need, size_t first);

/* Appends text; as above. */
TALLY_MUST_CHECK int
tally_out_put(struct tally_canon_out *out, const char *text, size_t len,
    size_t first);

/* Twice the bytes, for what did not fit; as above. */
TALLY_MUST_CHECK int
tally_out_grow(struct tally_canon_out *out);

void
tally_out_wipe(struct tally_canon_out *out);

#endif
