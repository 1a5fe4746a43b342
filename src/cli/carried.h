/* SPDX-License-Identifier: Apache-2.0 */
/* A log that carries a database, and what it has of it. */
#ifndef TALLY_CLI_CARRIED_H
#define TALLY_CLI_CARRIED_H

#include <tally/carry.h>

#include "output.h"

/* Zeros at first. */
struct carried {
	struct tally_log *log;
	struct tally_carrier *carrier;
	const struct tally_outside_head *heads; /* of all chains carried */
	size_t heads_len;
};

/*
 * Opens the log in dir, to carry source; or to read only (NULL).  Complains.
 * Close it in any case.
 */
enum status
carried_open(struct carried *carried, const char *dir,
    const struct tally_carried_source *source);

/* status, unless it is 0 and closing failed. */
enum status
carried_close(struct carried *carried, enum status status);

#endif
