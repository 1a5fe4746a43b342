/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a proof that travels (c2sp.org/tlog-proof):
 *
 *     c2sp.org/tlog-proof@v1
 *     extra <base64>                          optional; nothing vouches for it
 *     index <decimal>
 *     <base64 of a hash> ...                  inclusion, leaf's sibling first
 *     <empty line>
 *     <a checkpoint: a signed note, or its text and an empty line: unsigned>
 *
 * The last form is ours: a log that signs nothing has proofs, too.
 */
#ifndef TALLY_CORE_PROOF_H
#define TALLY_CORE_PROOF_H

#include "core/reading.h"

#define TALLY_PROOF_TEXT_MAX ((size_t)32 << 20)

struct tally_proof_text {
	bool has_extra;
	struct tally_span extra; /* base64, as it stands there */
	uint64_t index;
	struct tally_hash path[TALLY_PROOF_MAX];
	size_t path_len;
	struct tally_signed_checkpoint under;
};

/*
 * Takes text[0, len) apart; out views it.  Judges no hash and no signature.
 * Returns 0, or TALLY_E_FORMAT with a message that names the line (also in
 * error->item, from 1).
 */
TALLY_MUST_CHECK int
tally_proof_text_parse(const char *text, size_t len,
    struct tally_proof_text *out, struct tally_error *error);

/* Bytes that tally_proof_text_format writes at most. */
size_t
tally_proof_text_size(size_t extra_len, size_t path_len, size_t note_len);

/*
 * Writes a proof; extra are the bytes before base64 (len 0: no such line),
 * note the signed note, or a checkpoint's text and an empty line.  No NUL.
 * Returns the length.
 */
size_t
tally_proof_text_format(const void *extra, size_t extra_len, uint64_t index,
    const struct tally_hash *path, size_t path_len, const char *note,
    size_t note_len, char *out);

#endif
