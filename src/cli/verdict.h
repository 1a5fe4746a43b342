/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings and the verdict, printed: one shape, whatever was verified.
 *
 * With JSON they are one object; findings are its first member, so that they
 * can be written as they come.
 */
#ifndef TALLY_CLI_VERDICT_H
#define TALLY_CLI_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include <tally/verify.h>

#include "output.h"

enum verdict_of {
	VERDICT_LOG,
	VERDICT_DATABASE, /* without a root */
	VERDICT_FOREIGN,  /* likewise, and without options that cover more */
};

/* first: none was printed before. */
void
verdict_finding(const struct tally_finding *finding, bool json, bool first);

/* findings: how many were printed. */
void
verdict_print(const struct tally_verdict *verdict, enum verdict_of what,
    bool json, uint64_t findings);

/* It could not verify to the end; what was begun stays one JSON object. */
void
verdict_break_off(uint64_t findings);

enum status
verdict_status(const struct tally_verdict *verdict);

/* A finding as a JSON object, for whoever has more to say of it. */
void
verdict_object(const struct tally_finding *finding);

#endif
