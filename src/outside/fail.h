/* SPDX-License-Identifier: Apache-2.0 */
/* Failing with what the system said. */
#ifndef TALLY_OUTSIDE_FAIL_H
#define TALLY_OUTSIDE_FAIL_H

#include "core/fail.h"

/* The message, ": ", and the system's words for errno.  Returns the code. */
int
tally_outside_fail(struct tally_error *error, int os_errno, const char *format,
    ...) TALLY_PRINTF(3, 4);

/* "out of memory". */
int
tally_outside_fail_memory(struct tally_error *error);

#endif
