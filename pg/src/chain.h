/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chain's name from a row (doc/format.md, section 6).
 */
#ifndef TALLY_PG_CHAIN_H
#define TALLY_PG_CHAIN_H

#include "postgres.h"

#include "lib/stringinfo.h"

/*
 * Writes the chain's plain name: "<prefix>" for a null value, or
 * "<prefix>/<value>"; "<prefix>#<64 hex of H(value)>" where that is no legal
 * name (empty, control characters) or makes one that is longer than 255 bytes.
 */
extern void tally_chain_name(const char *prefix, const char *value,
							 Size value_len, StringInfo out);

/*
 * ERROR unless the prefix is legal: 1 to 190 bytes of UTF-8, no control
 * characters, no '/' and '#', not beginning with "tally:".
 */
extern void tally_chain_check_prefix(const char *prefix);

#endif
