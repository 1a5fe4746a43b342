/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The passphrase of a key: the first line of a file, else $TALLY_PASSPHRASE,
 * else asked for at the terminal.
 */
#ifndef TALLY_CLI_PASSPHRASE_H
#define TALLY_CLI_PASSPHRASE_H

#include "output.h"

#define PASSPHRASE_MAX 1024

struct passphrase {
	bool given;
	char text[PASSPHRASE_MAX + 1];
};

/*
 * file may be NULL.  twice: it is new, so it is asked for twice.  If there is
 * none to be had, out->given is false.  Wipe it in any case.
 */
enum status
passphrase_get(const char *file, bool twice, struct passphrase *out);

void
passphrase_wipe(struct passphrase *passphrase);

#endif
