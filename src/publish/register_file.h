/* SPDX-License-Identifier: Apache-2.0 */
/* The kind of register that is a directory: a file for each origin, named by
 * the SHA-256 of the origin. */
#ifndef TALLY_PUBLISH_REGISTER_FILE_H
#define TALLY_PUBLISH_REGISTER_FILE_H

#include <tally/publish.h>

#include "core/hash.h"

struct tally_file_register {
	struct tally_register base;
	int dir;
	struct tally_hasher *hasher;
};

/*
 * Opens the directory, making it if it is missing.  TALLY_E_NETWORK where
 * locks cannot be trusted.  Close it in any case.  path must outlive it.
 */
TALLY_MUST_CHECK int
tally_file_register_open(struct tally_file_register *out, int base,
    const char *path, struct tally_hasher *hasher, struct tally_error *error);

void
tally_file_register_close(struct tally_file_register *file);

#endif
