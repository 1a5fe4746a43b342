/* SPDX-License-Identifier: Apache-2.0 */
/* What adopting and verifying what was adopted have in common. */
#ifndef TALLY_CLI_ADOPTED_H
#define TALLY_CLI_ADOPTED_H

#include <tally/adopt.h>

#include "profile.h"
#include "verifying.h"

/*
 * Fills profile, format and, if it is NULL, chain of an adoption of which
 * path is given.  The profile is the caller's to free, in any case.
 */
enum status
adopted_prepare(struct tally_adoption *adoption,
    const struct foreign_options *options);

/*
 * tally verify --adopted: the log, and the source against what it holds of
 * it.
 */
enum status
adopted_verify(struct tally_adoption *adoption, const char *dir,
    struct verifying *verifying);

#endif
