/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TALLY_CLI_APPEND_FOREIGN_H
#define TALLY_CLI_APPEND_FOREIGN_H

#include <stdbool.h>

#include "output.h"

/*
 * tally append --profile: appends an event, or without one every line of
 * standard input, to the foreign chain in a file, and prints a receipt for
 * each.
 */
enum status
append_foreign(const char *profile, const char *path, const char *event,
    bool json);

#endif
