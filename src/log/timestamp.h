/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timestamps (RFC 3161): that an authority saw these bytes at a time, judged
 * offline, by the certificates that the judge trusts.
 *
 * 1. The authority's certificate is judged as of the token's own time, so that
 *    a token does not fall with it years later; it must be one for timestamps
 *    and nothing else, and lead to one that is trusted.
 * 2. The bytes are hashed with SHA-2, and so is what the authority signs.
 * 3. The time is the latest that the token can mean: its fraction counts as a
 *    whole second, and its accuracy is added.
 */
#ifndef TALLY_LOG_TIMESTAMP_H
#define TALLY_LOG_TIMESTAMP_H

#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

#define TALLY_TIMESTAMP_MAX ((size_t)1 << 20) /* bytes of a token */

/*
 * Judges a response of an authority, or the token alone, both DER; ca is PEM.
 * Returns 0 with the time in seconds since 1970; TALLY_END with the reason, a
 * sentence in static storage, if it does not hold; TALLY_E_USAGE if ca holds no
 * certificate; TALLY_E_MEMORY.
 */
TALLY_MUST_CHECK int
tally_timestamp_check(const void *token, size_t token_len, const void *data,
    size_t data_len, const char *ca, size_t ca_len, int64_t *out_seconds,
    const char **out_detail);

#endif
