/* SPDX-License-Identifier: Apache-2.0 */
/* Running another program to its end. */
#ifndef TALLY_OUTSIDE_CHILD_H
#define TALLY_OUTSIDE_CHILD_H

#include <stddef.h>

#include <tally/error.h>

/*
 * Runs argv (NULL-terminated; argv[0] is looked for in PATH) with nothing to
 * read, no terminal and a time limit, after which it and its group are killed.
 * out: what it printed, at most max bytes (else it failed), NUL-terminated;
 * free() it; or NULL: that is thrown away.
 * Returns 0 with its exit status; or TALLY_E_IO.  What it said on standard
 * error, cut, is the message of error also if only the status was not 0.
 */
TALLY_MUST_CHECK int
tally_child_run(const char *const *argv, unsigned timeout_s, size_t max,
    char **out, size_t *out_len, int *out_status, struct tally_error *error);

#endif
