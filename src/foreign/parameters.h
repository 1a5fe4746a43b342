/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a profile: what its systems differ in, or nobody knows. */
#ifndef TALLY_FOREIGN_PARAMETERS_H
#define TALLY_FOREIGN_PARAMETERS_H

#include "foreign/steps.h"

/*
 * Puts, wherever {"parameter": NAME} stands, the value that the settings or
 * else the default choose.  Refuses through the parser.
 */
void
tally_parameters_apply(struct tally_parser *p,
    const struct tally_profile_setting *settings, size_t settings_len);

#endif
