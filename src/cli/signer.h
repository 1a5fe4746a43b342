/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a key to sign with, and the passphrase that it needs. */
#ifndef TALLY_CLI_SIGNER_H
#define TALLY_CLI_SIGNER_H

#include <tally/publish.h>

#include "output.h"

/*
 * passphrase_file may be NULL: then TALLY_PASSPHRASE, or the terminal.  Free
 * it with tally_signer_free.
 */
enum status
signer_load(const char *path, const char *passphrase_file,
    struct tally_signer **out);

#endif
