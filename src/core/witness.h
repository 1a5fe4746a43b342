/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of add-checkpoint (c2sp.org/tlog-witness):
 *
 *     old <decimal>
 *     <base64 of a hash> ...          consistency from old, 63 at most
 *     <empty line>
 *     <a checkpoint: a signed note>
 */
#ifndef TALLY_CORE_WITNESS_H
#define TALLY_CORE_WITNESS_H

#include "core/checkpoint.h"

#define TALLY_WITNESS_PROOF_MAX 63

/* No request of ours is longer, but for the note. */
#define TALLY_WITNESS_HEAD_MAX \
	(4 + TALLY_DECIMAL_MAX + 1 + \
	    TALLY_WITNESS_PROOF_MAX * (TALLY_HASH_BASE64 + 1) + 1)

struct tally_witness_request {
	uint64_t old_size;
	struct tally_hash proof[TALLY_WITNESS_PROOF_MAX];
	size_t proof_len;
	struct tally_span note_text; /* the whole note */
	struct tally_note note;
	struct tally_checkpoint checkpoint;
};

/* Judges no hash and no signature; out views text.  Returns 0 or
 * TALLY_E_FORMAT. */
TALLY_MUST_CHECK int
tally_witness_request_parse(const char *text, size_t len,
    struct tally_witness_request *out);

/* Writes all that stands before the note; no NUL.  Returns the length. */
size_t
tally_witness_request_head(uint64_t old_size, const struct tally_hash *proof,
    size_t proof_len, char out[TALLY_WITNESS_HEAD_MAX]);

#endif
