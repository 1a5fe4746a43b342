/* SPDX-License-Identifier: Apache-2.0 */
/* A key to sign with, in memory. */
#ifndef TALLY_PUBLISH_SIGNER_H
#define TALLY_PUBLISH_SIGNER_H

#include <tally/publish.h>

#include "core/note.h"

struct tally_signer {
	struct tally_vkey vkey;
	uint8_t seed[TALLY_SIGN_SEED_SIZE];
};

#endif
