/* SPDX-License-Identifier: Apache-2.0 */
/* Where a register in S3 is, by its configuration. */
#ifndef TALLY_OUTSIDE_REGISTER_CONFIG_H
#define TALLY_OUTSIDE_REGISTER_CONFIG_H

#include "outside/s3.h"

#define TALLY_REGISTER_NAME_MAX 944

struct tally_register_config {
	struct tally_s3 s3;
	char name[TALLY_REGISTER_NAME_MAX + 1]; /* of its objects begins so */
	long limit_s;                           /* of one request */
	bool versioned; /* the caller answers for that */
};

/* config: a JSON object's text.  Wipe it in any case. */
TALLY_MUST_CHECK int
tally_register_config_open(struct tally_register_config *out,
    const char *config, size_t len, struct tally_error *error);

/* Overwrites the secret, too. */
void
tally_register_config_wipe(struct tally_register_config *config);

#endif
