/* SPDX-License-Identifier: Apache-2.0 */
/* The group "tally sink". */
#include "commands.h"

static const struct command *const parts[] = {
	&command_sink_send,
	&command_sink_check,
	NULL,
};

const struct command command_sink = {
	.name = "sink",
	.summary = "bring heads to where the operator has no hand: send, check",
	.parts = parts,
};
