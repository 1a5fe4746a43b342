/* SPDX-License-Identifier: Apache-2.0 */
/* Failing with what the system said. */
#ifndef TALLY_LOG_FAIL_H
#define TALLY_LOG_FAIL_H

#include "core/fail.h"

/*
 * Fills error with the message, ": ", and the system's own words for
 * os_result, a negative errno.  Returns the code that fits: TALLY_E_FULL,
 * _ACCESS, _MEMORY or _IO.
 */
int
tally_fail_os(struct tally_error *error, int os_result, const char *format, ...)
    TALLY_PRINTF(3, 4);

/* "out of memory". */
int
tally_fail_memory(struct tally_error *error);

#endif
