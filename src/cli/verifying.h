/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One verification at the terminal, whatever is verified: findings are printed
 * as they come, so that memory is the same however many there are; a bar shows
 * how far it is, and a signal ends it.
 */
#ifndef TALLY_CLI_VERIFYING_H
#define TALLY_CLI_VERIFYING_H

#include "progress.h"
#include "verdict.h"

struct verifying {
	bool json;
	bool quiet;
	/* What to say where it was interrupted. */
	const char *interrupted;
	struct progress progress;
	uint64_t findings; /* printed */
};

/* Sets what is ours in how; json, quiet and interrupted are the caller's. */
void
verifying_begin(struct verifying *verifying, struct tally_verify_options *how);

/* It returned result: prints what is left to be said. */
enum status
verifying_end(struct verifying *verifying, int result,
    const struct tally_verdict *verdict, enum verdict_of what,
    const struct tally_error *error);

#endif
