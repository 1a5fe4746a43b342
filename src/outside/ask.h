/* SPDX-License-Identifier: Apache-2.0 */
/* The client of a witness (c2sp.org/tlog-witness). */
#ifndef TALLY_OUTSIDE_ASK_H
#define TALLY_OUTSIDE_ASK_H

#include <tally/outside.h>

#include "core/policy.h"

/* What a witness has against the log, the worst last. */
enum tally_ask_against {
	TALLY_ASK_NOTHING,
	TALLY_ASK_CLAIM, /* it refused, and shows no reason */
	TALLY_ASK_BREAK, /* a checkpoint that the log's own key signed, and
			  * that the log is not in accord with */
};

struct tally_ask {
	const struct tally_outside_options *options; /* the log, its keys */
	const char *origin_hash; /* of the log's, as the witness has it */
	const char *url; /* of the witness, without a slash at its end */
	const char *ca;  /* as tally_http */
	const struct tally_vkey *vkey;
	const char *note; /* the checkpoint, signed by the log */
	size_t note_len;
	const struct tally_checkpoint *checkpoint;
	uint64_t known_size; /* what the witness cosigned last; it is updated */
	enum tally_ask_against against; /* set by the call */
};

/*
 * Asks for a cosignature.  A refusal is a word that anybody between us and the
 * witness can say; so what the witness shows is looked at then.
 * Returns 0 with its line; TALLY_END if it cosigned a later checkpoint of this
 * log already; an error if there was no cosignature to be had, with what is
 * against the log.
 */
TALLY_MUST_CHECK int
tally_witness_ask(struct tally_ask *ask, char out[TALLY_SIGNATURE_LINE_MAX],
    size_t *out_len, struct tally_error *error);

#endif
