/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON as RFC 8785 (JCS) has it: strings, and the order of members.
 *
 * Of each string there is one spelling (section 3.2.2.2): '"' and '\' behind
 * a '\', the five controls that have a letter by their letter, the other
 * bytes below 0x20 as \u00xx in lower case, and all else as it is.
 */
#ifndef TALLY_CORE_JCS_H
#define TALLY_CORE_JCS_H

#include <stddef.h>

/* The most that quoting len bytes can give. */
#define TALLY_JCS_QUOTED_MAX(len) (6 * (size_t)(len) + 2)

/*
 * Writes text between quotation marks; no NUL.  out holds as many bytes as
 * tally_jcs_measure says, or TALLY_JCS_QUOTED_MAX(len).
 * Returns the length, or 0 if text is not valid UTF-8 (out may be partly
 * written).
 */
size_t
tally_jcs_quote(const char *text, size_t len, char *out);

/* The length that quoting gives, valid or not. */
size_t
tally_jcs_measure(const char *text, size_t len);

/*
 * Which of two member names comes first (section 3.2.3: by UTF-16 code
 * units, so U+10000 comes before U+E000): negative, zero or positive as with
 * memcmp.  Both are valid UTF-8.
 */
int
tally_jcs_compare(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
