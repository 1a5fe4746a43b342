/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a checkpoint (c2sp.org/tlog-checkpoint), which is the text of a
 * signed note:
 *
 *     <origin>
 *     <size>
 *     <base64 of the root>
 *
 * We never write a further line.  One that somebody else wrote is read and
 * said to be there, since a cosignature may not cover it.
 */
#ifndef TALLY_CORE_CHECKPOINT_H
#define TALLY_CORE_CHECKPOINT_H

#include "core/note.h"
#include "core/text.h"

#define TALLY_HASH_BASE64 44 /* bytes of a hash in base64 */
#define TALLY_CHECKPOINT_SIZE_MAX ((uint64_t)INT64_MAX)

/* No text of ours is longer, NUL included. */
#define TALLY_CHECKPOINT_TEXT_MAX \
	(TALLY_ORIGIN_MAX + 1 + TALLY_DECIMAL_MAX + 1 + TALLY_HASH_BASE64 + 2)

struct tally_checkpoint {
	char origin[TALLY_ORIGIN_MAX + 1];
	size_t origin_len;
	uint64_t size;
	struct tally_hash root;
	bool extended; /* there are lines behind the root */
};

/* Exactly one hash in base64.  Returns 0 or TALLY_E_FORMAT. */
TALLY_MUST_CHECK int
tally_hash_base64_parse(const char *text, size_t len, struct tally_hash *out);

/* text: with its last line feed.  Returns 0 or TALLY_E_FORMAT. */
TALLY_MUST_CHECK int
tally_checkpoint_parse(const char *text, size_t len,
    struct tally_checkpoint *out);

/* Writes the three lines and NUL; returns the length. */
size_t
tally_checkpoint_format(const struct tally_checkpoint *checkpoint,
    char out[TALLY_CHECKPOINT_TEXT_MAX]);

#endif
