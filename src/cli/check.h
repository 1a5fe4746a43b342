/* SPDX-License-Identifier: Apache-2.0 */
/* "tally check": each kind of text that it judges has its check_<kind>.c. */
#ifndef TALLY_CLI_CHECK_H
#define TALLY_CLI_CHECK_H

#include <tally/bundle.h>

#include "input.h"
#include "options.h"

struct check {
	const struct tally_trust *trust;
	const struct option_root *root; /* as it was given */
	bool json;
};

/* What was found, in words, for a machine, and as an exit status. */
struct check_finding {
	const char *words;
	const char *word;
	enum colour colour;
	enum status status;
};

/* Of a verdict about a text whose root is of size. */
const struct check_finding *
check_find(const struct check *check, enum tally_proof_verdict verdict,
    uint64_t size);

/* Why nobody vouches, if so. */
void
check_advise(const struct check *check, enum tally_proof_verdict verdict,
    bool has_signatures);

/* "origin  <origin> (signed)" and "root    <size>:<hex>". */
void
check_print_root(const char *origin, enum tally_proof_verdict verdict,
    bool has_signatures, uint64_t size, const struct tally_hash *root);

/* "against ...": whom the verdict, which is a good one, holds against. */
void
check_print_against(enum tally_proof_verdict verdict);

/* Of records that are given without their event: what that leaves open. */
enum status
check_without_event(uint64_t erased, uint64_t elsewhere);

enum status
check_proof(const struct check *check, struct input *input);

enum status
check_bundle(const struct check *check, struct input *input);

enum status
check_consistency(const struct check *check, struct input *input);

#endif
