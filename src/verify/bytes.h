/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that grow, and reading them back: what is kept between two runs.
 * Integers are little-endian.  A failure sticks: ask once, at the end.
 */
#ifndef TALLY_VERIFY_BYTES_H
#define TALLY_VERIFY_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/record.h>

struct tally_bytes {
	uint8_t *at;
	size_t len;
	size_t capacity;
	bool failed; /* out of memory */
};

void
tally_bytes_put(struct tally_bytes *bytes, const void *data, size_t len);
void
tally_bytes_put_u64(struct tally_bytes *bytes, uint64_t value);
void
tally_bytes_put_hash(struct tally_bytes *bytes, const struct tally_hash *hash);
/* Length and bytes; NULL is kept apart from "". */
void
tally_bytes_put_text(struct tally_bytes *bytes, const char *text, size_t len);
void
tally_bytes_wipe(struct tally_bytes *bytes);

struct tally_bytes_reader {
	const uint8_t *at;
	size_t left;
	bool failed; /* came to an end, or holds what cannot be */
};

const void *
tally_bytes_get(struct tally_bytes_reader *reader, size_t len);
uint64_t
tally_bytes_get_u64(struct tally_bytes_reader *reader);
/* At most max, or the reader fails. */
uint64_t
tally_bytes_get_max(struct tally_bytes_reader *reader, uint64_t max);
struct tally_hash
tally_bytes_get_hash(struct tally_bytes_reader *reader);
/* Views the reader's bytes. */
const char *
tally_bytes_get_text(struct tally_bytes_reader *reader, size_t *out_len);

#endif
