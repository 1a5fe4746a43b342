/* SPDX-License-Identifier: Apache-2.0 */
/* What "--register" names. */
#ifndef TALLY_CLI_REGISTER_H
#define TALLY_CLI_REGISTER_H

#include <tally/outside.h>

#include "output.h"

/*
 * where: as the user wrote it, or NULL.  *out is NULL for a directory; close
 * it with tally_outside_register_close.  What is wrong was said.
 */
enum status
register_open(const char *where, struct tally_register **out);

#endif
