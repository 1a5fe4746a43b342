/* SPDX-License-Identifier: Apache-2.0 */
/* The client of a witness (c2sp.org/tlog-witness). */
#ifndef TALLY_OUTSIDE_ASK_H
#define TALLY_OUTSIDE_ASK_H

#include <tally/log.h>

#include "core/policy.h"

struct tally_ask {
	struct tally_log *log;
	const char *url; /* of the witness, without a slash at its end */
	const char *ca;  /* as tally_http */
	const struct tally_vkey *vkey;
	const char *note; /* the checkpoint, signed by the log */
	size_t note_len;
	const struct tally_checkpoint *checkpoint;
	uint64_t known_size; /* what the witness cosigned last; it is updated */
};

/*
 * Asks for a cosignature.  Returns 0 with its line; TALLY_E_IO if it was
 * refused or not to be had, TALLY_E_DAMAGED if the witness saw more of the log
 * than there is, or other records: error says what.
 */
TALLY_MUST_CHECK int
tally_witness_ask(struct tally_ask *ask, char out[TALLY_SIGNATURE_LINE_MAX],
    size_t *out_len, struct tally_error *error);

#endif
