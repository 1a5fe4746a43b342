/* SPDX-License-Identifier: Apache-2.0 */
/* The group "tally witness". */
#include "commands.h"

static const struct command *const parts[] = {
	&command_witness_add,
	&command_witness_serve,
	NULL,
};

const struct command command_witness = {
	.name = "witness",
	.summary = "cosign checkpoints of others' logs: add, serve",
	.parts = parts,
};
