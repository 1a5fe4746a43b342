/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text of somebody else's that is taken line by line: proofs, bundles.
 */
#ifndef TALLY_CORE_READING_H
#define TALLY_CORE_READING_H

#include "core/checkpoint.h"
#include "core/tree.h"

struct tally_reading {
	const char *at, *end;
	unsigned line;    /* of what was taken last, from 1 */
	const char *what; /* "proof": what messages call the text */
};

/* TALLY_E_FORMAT with "line <n> of the <what>: <message>"; error->item is n. */
int
tally_reading_fail(const struct tally_reading *reading, const char *message,
    struct tally_error *error);

/* The next line, without its line feed.  TALLY_E_FORMAT if there is none. */
TALLY_MUST_CHECK int
tally_reading_line(struct tally_reading *reading, struct tally_span *out,
    struct tally_error *error);

/* Does the line begin with the word?  Then the word is taken off. */
bool
tally_reading_begins(struct tally_span *line, const char *word);

/* The next line must be the word and something behind it, which is *out. */
TALLY_MUST_CHECK int
tally_reading_word(struct tally_reading *reading, const char *word,
    const char *message, struct tally_span *out, struct tally_error *error);

/* The same, and the rest is a number of at most max. */
TALLY_MUST_CHECK int
tally_reading_number(struct tally_reading *reading, const char *word,
    const char *message, uint64_t max, uint64_t *out,
    struct tally_error *error);

/* Lines that are a hash in base64 each, up to one that is none. */
TALLY_MUST_CHECK int
tally_reading_path(struct tally_reading *reading,
    struct tally_hash out[TALLY_PROOF_MAX], size_t *out_len,
    struct tally_error *error);

/* The next line must be empty. */
TALLY_MUST_CHECK int
tally_reading_empty(struct tally_reading *reading, struct tally_error *error);

/* A checkpoint inside a text: signed, or its text and an empty line. */
struct tally_signed_checkpoint {
	struct tally_span text; /* all of it, as it stands */
	struct tally_checkpoint checkpoint;
	bool is_signed; /* note is one */
	struct tally_note note;
};

/* Takes text[0, len) as one.  Returns 0 or TALLY_E_FORMAT with a message. */
TALLY_MUST_CHECK int
tally_reading_note(const struct tally_reading *reading, struct tally_span text,
    struct tally_signed_checkpoint *out, struct tally_error *error);

/* The same, of what comes next, up to an empty line, which is taken too. */
TALLY_MUST_CHECK int
tally_reading_checkpoint(struct tally_reading *reading,
    struct tally_signed_checkpoint *out, struct tally_error *error);

#endif
