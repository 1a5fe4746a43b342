/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small texts: hexadecimal, base64 (RFC 4648, section 4), decimal, RFC 3339,
 * and the names of chains and ids in their escaped form.
 *
 * "escaped" means the inside of a JSON string as RFC 8785 writes a name that
 * has no control characters: '"' and '\' with a backslash before them, all
 * else as it is.  The mapping is one to one, so inside the project names are
 * kept and compared escaped.
 */
#ifndef TALLY_CORE_TEXT_H
#define TALLY_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/record.h>

#define TALLY_CHAIN_TEXT_MAX (2 * TALLY_CHAIN_MAX)
#define TALLY_ID_TEXT_MAX (2 * TALLY_ID_MAX)
#define TALLY_DECIMAL_MAX 20 /* digits of the largest uint64_t */

/* Lower-case digits, no NUL; out holds 2 * len bytes. */
void
tally_hex_format(const uint8_t *bytes, size_t len, char *out);

/*
 * Exactly 2 * out_len digits; with strict, lower case only.
 * Returns 0 or TALLY_E_FORMAT (out may be partly written).
 */
TALLY_MUST_CHECK int
tally_hex_parse(const char *text, size_t len, bool strict, uint8_t *out,
    size_t out_len);

/* Bytes of the base64 text of len bytes, padding included, no NUL. */
size_t
tally_base64_size(size_t len);

void
tally_base64_format(const uint8_t *bytes, size_t len, char *out);

/*
 * Canonical base64 only: padded, no white space, no stray bits.
 * Returns 0; TALLY_E_FORMAT; TALLY_E_LIMIT if it does not fit.
 */
TALLY_MUST_CHECK int
tally_base64_parse(const char *text, size_t len, uint8_t *out, size_t out_size,
    size_t *out_len);

/* Decimal digits without NUL; returns how many. */
size_t
tally_decimal_format(uint64_t value, char out[TALLY_DECIMAL_MAX]);

/* All of text: digits without sign or leading zero, at most max. */
TALLY_MUST_CHECK int
tally_decimal_parse(const char *text, size_t len, uint64_t max, uint64_t *out);

/* The 27 bytes of FORMAT section 3, nothing else; a real instant. */
TALLY_MUST_CHECK int
tally_time_parse_strict(const char *text, int64_t *out_time_us);

/*
 * Escapes a chain's name (max TALLY_CHAIN_MAX) or an id (TALLY_ID_MAX), plain
 * in, escaped out (at most 2 * max bytes, no NUL).
 * Returns 0, or TALLY_E_USAGE with a message in what (static storage), such
 * as "is empty", "is longer than 255 bytes", "is not valid UTF-8",
 * "holds a control character".
 */
TALLY_MUST_CHECK int
tally_name_escape(const char *name, size_t len, size_t max, char *out,
    size_t *out_len, const char **out_what);

/*
 * The other way; text must be canonical (as escape would have written it) and
 * its plain form between 1 and max bytes.  out holds max + 1 bytes and gets a
 * NUL.  Returns 0 or TALLY_E_FORMAT.
 */
TALLY_MUST_CHECK int
tally_name_unescape(const char *text, size_t len, size_t max, char *out,
    size_t *out_len);

/*
 * The length of the canonical escaped name that text begins with: up to the
 * first '"' that is not escaped, or len.  0 if what stands there is no such
 * name, or its plain form is longer than max bytes.
 */
size_t
tally_name_measure(const char *text, size_t len, size_t max);

/* Valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool
tally_is_utf8(const char *text, size_t len);

#endif
