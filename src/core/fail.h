/* SPDX-License-Identifier: Apache-2.0 */
/* Filling a struct tally_error; every layer fails through these. */
#ifndef TALLY_CORE_FAIL_H
#define TALLY_CORE_FAIL_H

#include <tally/error.h>

/* Fills error (may be NULL) and returns code. */
int
tally_fail(struct tally_error *error, int code, const char *format, ...)
    TALLY_PRINTF(3, 4);

#endif
