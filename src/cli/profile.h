/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign chains for the command: finding a profile, reading a file. */
#ifndef TALLY_CLI_PROFILE_H
#define TALLY_CLI_PROFILE_H

#include <tally/profile.h>

/*
 * Reads a profile: the path of one, or the name of one that is installed.
 * Returns 0 with one to free; TALLY_END if there is none, TALLY_E_USAGE if it
 * is wrong, or another error.
 */
int
profile_load(const char *name, struct tally_profile **out,
    struct tally_error *error);

/*
 * Verifies path ("-" is standard input) by a profile, as
 * profile_load takes it.  Results as those of tally_profile_verify.
 */
int
profile_verify(const char *profile, const char *path,
    const struct tally_verify_options *options, struct tally_verdict *verdict,
    struct tally_error *error);

#endif
