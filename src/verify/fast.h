/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The usual line, judged quickly: a record of a chain that was met before,
 * that follows its predecessor in the same chunk.  What is accepted here is a
 * part of what tally_line_judge accepts; everything else is left to it.
 *
 * It is quicker because it compares what the slow way decodes: prev is text
 * that must equal the predecessor's hash as it stands there, the name is one
 * that was judged before, and so is the time down to the minute.  And the
 * messages are hashed where they stand: the prefixes are written over the
 * bytes before them, which are put back.
 */
#ifndef TALLY_VERIFY_FAST_H
#define TALLY_VERIFY_FAST_H

#include "verify/chunk.h"

/* Bytes before a line that may be written to, and are put back. */
#define TALLY_FAST_HEAD ((size_t)1)

struct tally_fast {
	struct tally_local *local;
	struct tally_hash hash;
	const char *id; /* escaped; len 0: none */
	size_t id_len;
	const char *hash_text;
};

/* Returns 0; *out_held: it holds and follows, and out is filled. */
TALLY_MUST_CHECK int
tally_fast_line(struct tally_chunk *chunk, const struct tally_chunk_plan *plan,
    struct tally_scanner *scanner, char *text, size_t len,
    struct tally_fast *out, bool *out_held);

#endif
