/* SPDX-License-Identifier: Apache-2.0 */
/* What "tally check" says of a verdict, whatever the text was. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

static const struct check_finding findings[] = {
	[TALLY_PROOF_ROOT] = { "holds against the root that was given", "holds",
	    COLOUR_GOOD, STATUS_DONE },
	[TALLY_PROOF_UNSIGNED] = { "consistent, unsigned", "unsigned",
	    COLOUR_UNSURE, STATUS_UNJUDGED },
	[TALLY_PROOF_OTHER_ROOT] = { "mismatch: holds for another root than"
				     " the one given",
	    "other-root", COLOUR_BAD, STATUS_TAMPERED },
	[TALLY_PROOF_SIGNED] = { "holds, and its root is signed", "signed",
	    COLOUR_GOOD, STATUS_DONE },
	[TALLY_PROOF_OTHER_KEY] = { "consistent, but not signed by whom you"
				    " trust",
	    "other-key", COLOUR_UNSURE, STATUS_UNJUDGED },
	[TALLY_PROOF_FORGED] = { "forged: a signature under a trusted key does"
				 " not hold",
	    "forged", COLOUR_BAD, STATUS_TAMPERED },
	[TALLY_PROOF_RETIRED] = { "consistent, but signed with a key that was"
				  " retired, and no cosignature or timestamp"
				  " is older",
	    "retired", COLOUR_UNSURE, STATUS_UNJUDGED },
	[TALLY_PROOF_BROKEN] = { "broken", "broken", COLOUR_BAD,
	    STATUS_TAMPERED },
};

/* A root of another size says nothing about this one. */
static const struct check_finding other_size = {
	"cannot be compared: the root given"
	" is of another size",
	"other-size", COLOUR_UNSURE, STATUS_UNJUDGED
};

const struct check_finding *
check_find(const struct check *check, enum tally_proof_verdict verdict,
    uint64_t size)
{
	/* Nor does an equal one: a path can lead to it from another size. */
	if (check->root->has_size && check->root->size != size &&
	    (verdict == TALLY_PROOF_OTHER_ROOT || verdict == TALLY_PROOF_ROOT ||
		verdict == TALLY_PROOF_SIGNED))
		return &other_size;
	return &findings[verdict];
}

void
check_advise(const struct check *check, enum tally_proof_verdict verdict,
    bool has_signatures)
{
	if (verdict == TALLY_PROOF_RETIRED && check->trust->timestamps_len > 0)
		complain("the timestamp does not count: it must be over this"
			 " checkpoint, or over a note of it beside FILE, hold"
			 " by \"--tsa-ca\", and be older than the order");
	if (verdict == TALLY_PROOF_UNSIGNED && has_signatures)
		complain("nobody you trust vouches for the root; say whom you"
			 " trust by \"--key\" or \"--policy\"");
	else if (verdict == TALLY_PROOF_UNSIGNED)
		complain("nobody vouches for the root; compare it with one"
			 " from outside by \"--root\"");
}

void
check_print_root(const char *origin, enum tally_proof_verdict verdict,
    bool has_signatures, uint64_t size, const struct tally_hash *root)
{
	fputs("origin  ", stdout);
	output_name(origin, strlen(origin));
	printf(" (%s)\nroot    %" PRIu64 ":",
	    verdict == TALLY_PROOF_SIGNED ? "signed"
		: has_signatures          ? "signatures not judged"
					  : "not signed",
	    size);
	output_hash(root);
	fputc('\n', stdout);
}

void
check_print_against(enum tally_proof_verdict verdict)
{
	puts(verdict == TALLY_PROOF_SIGNED
		? "against everybody who cannot sign with the key"
		: "against everybody who cannot change the root that was"
		  " given");
}

enum status
check_without_event(uint64_t erased, uint64_t elsewhere)
{
	if (erased > 0)
		complain("whether the erased records were erased by order,"
			 " \"tally verify\" says, of the log");
	if (elsewhere > 0)
		complain("the events that are not there can be judged with the"
			 " store that has them");
	return erased + elsewhere > 0 ? STATUS_UNJUDGED : STATUS_DONE;
}
