/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of bundles and of proofs of consistency (doc/format.md, section
 * 9).  A bundle's front is parsed here; the records behind it are lines.
 */
#ifndef TALLY_CORE_BUNDLE_H
#define TALLY_CORE_BUNDLE_H

#include "core/reading.h"

#define TALLY_BUNDLE_FIRST_LINE "tally-bundle/v1"
#define TALLY_CONSISTENCY_FIRST_LINE "tally-consistency/v1"

/* A signed checkpoint of ours, or one that somebody cosigned, is shorter. */
#define TALLY_TRAVELLING_NOTE_MAX ((size_t)64 << 10)

/* No front, and no proof of consistency, is longer. */
#define TALLY_BUNDLE_FRONT_MAX ((size_t)256 << 10)

struct tally_path {
	struct tally_hash hash[TALLY_PROOF_MAX];
	size_t len;
};

struct tally_bundle_front {
	struct tally_span chain; /* escaped, and canonical */
	uint64_t head_seq;
	struct tally_hash head_hash;
	uint64_t position; /* of the chain's leaf among the heads */
	struct tally_path heads_path;
	struct tally_span heads_line;  /* base64 of the heads record's line */
	struct tally_path sealed_path; /* of the heads record in the log */
	uint64_t last_index;           /* of the last record that is given */
	struct tally_path last_path;
	struct tally_signed_checkpoint under;
};

/*
 * Takes the front of text[0, len) apart; out views it.  *out_len: where the
 * records begin.  Judges nothing.  Returns 0 or TALLY_E_FORMAT.
 */
TALLY_MUST_CHECK int
tally_bundle_front_parse(const char *text, size_t len,
    struct tally_bundle_front *out, size_t *out_len, struct tally_error *error);

/*
 * Writes it; heads_line and under.text are taken as they stand.  Returns the
 * length, which is not above TALLY_BUNDLE_FRONT_MAX if the note is not above
 * TALLY_TRAVELLING_NOTE_MAX.
 */
size_t
tally_bundle_front_format(const struct tally_bundle_front *front, char *out);

struct tally_consistency_text {
	struct tally_path path;
	struct tally_signed_checkpoint old, new;
};

TALLY_MUST_CHECK int
tally_consistency_text_parse(const char *text, size_t len,
    struct tally_consistency_text *out, struct tally_error *error);

/* Writes path and both texts; as above. */
size_t
tally_consistency_text_format(const struct tally_consistency_text *proof,
    char *out);

#endif
