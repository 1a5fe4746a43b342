/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header and line (doc/format.md, sections 3 to 5): encode, and strict decode.
 * Names are escaped text everywhere here (see text.h).
 */
#ifndef TALLY_CORE_RECORD_H
#define TALLY_CORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/hash.h"
#include "core/text.h"

/* No header is longer. */
#define TALLY_HEADER_MAX 1024

/* What a line holds beside its header and its event, at most. */
#define TALLY_LINE_EXTRA 192

/* No line of a log with this event limit is longer (line feed included). */
#define TALLY_LINE_MAX(limit) (TALLY_HEADER_MAX + TALLY_LINE_EXTRA + (limit))

struct tally_header {
	const char *chain; /* escaped */
	size_t chain_len;
	const char *id; /* escaped; len 0: none */
	size_t id_len;
	struct tally_hash digest;
	struct tally_hash prev;
	uint64_t seq;
	int64_t time_us;
};

/* A line taken apart; every pointer views the line. */
struct tally_line {
	struct tally_header header;
	const char *header_text; /* from '{'; the '}' is not in the line */
	size_t header_len;       /* of the text in the line, without '}' */
	struct tally_hash hash;  /* as stored */
	enum tally_body body;
	bool has_salt;
	uint8_t salt[TALLY_SALT_SIZE];
	const char *event; /* compact text; or the escaped source */
	size_t event_len;
	uint64_t order_seq; /* TALLY_BODY_ERASED */
};

/*
 * Writes the canonical header to out (TALLY_HEADER_MAX bytes, no NUL) and
 * returns its length.  The fields must be legal (escaped names, seq from 1 to
 * TALLY_SEQ_MAX, time of the years 1970 to 9999).
 */
size_t
tally_header_encode(const struct tally_header *header, char *out);

/*
 * Writes a whole line with its line feed: header as encode gave it, its hash,
 * the salt (NULL: none) and the compact event.  out holds header_len +
 * TALLY_LINE_EXTRA + event_len bytes.  Returns the line's length.
 */
size_t
tally_line_encode(const char *header, size_t header_len,
    const struct tally_hash *hash, const uint8_t *salt, const char *event,
    size_t event_len, char *out);

/* The same for a record whose event is at the source (escaped text). */
size_t
tally_line_encode_elsewhere(const char *header, size_t header_len,
    const struct tally_hash *hash, const char *source, size_t source_len,
    char *out);

/*
 * Takes apart line[0, len), line feed included: exactly the layouts of
 * section 5, byte for byte.  Does not hash, and does not look into the event
 * (tally_event_check does).
 * Returns 0 or TALLY_E_FORMAT (out is undefined then).
 */
TALLY_MUST_CHECK int
tally_line_decode(const char *line, size_t len, struct tally_line *out);

/* The hash that the line's header really has. */
struct tally_hash
tally_line_header_hash(struct tally_hasher *hasher,
    const struct tally_line *line);

/* Does the event hold against the digest?  True where there is none. */
bool
tally_line_event_holds(struct tally_hasher *hasher,
    const struct tally_line *line);

/* Both of the above. */
bool
tally_line_holds(struct tally_hasher *hasher, const struct tally_line *line);

#endif
