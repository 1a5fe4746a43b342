/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that grow, and reading them back. */
#include <string.h>

#include "log/sys.h"
#include "verify/bytes.h"

#define NO_TEXT UINT64_MAX

void
tally_bytes_put(struct tally_bytes *bytes, const void *data, size_t len)
{
	size_t capacity = bytes->capacity;
	uint8_t *at;

	if (bytes->failed || len == 0)
		return;
	if (len > capacity - bytes->len) {
		if (len > SIZE_MAX / 4 || capacity > SIZE_MAX / 4) {
			bytes->failed = true;
			return;
		}
		capacity = capacity < 4096 ? 4096 : capacity * 2;
		if (capacity < bytes->len + len)
			capacity = bytes->len + len;
		at = tally_sys_realloc(bytes->at, capacity);
		if (at == NULL) {
			bytes->failed = true;
			return;
		}
		bytes->at = at;
		bytes->capacity = capacity;
	}
	memcpy(bytes->at + bytes->len, data, len);
	bytes->len += len;
}

void
tally_bytes_put_u64(struct tally_bytes *bytes, uint64_t value)
{
	uint8_t b[8];
	unsigned i;

	for (i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(value >> (8 * i));
	tally_bytes_put(bytes, b, sizeof(b));
}

void
tally_bytes_put_hash(struct tally_bytes *bytes, const struct tally_hash *hash)
{
	tally_bytes_put(bytes, hash->b, sizeof(hash->b));
}

void
tally_bytes_put_text(struct tally_bytes *bytes, const char *text, size_t len)
{
	tally_bytes_put_u64(bytes, text == NULL ? NO_TEXT : len);
	if (text != NULL)
		tally_bytes_put(bytes, text, len);
}

void
tally_bytes_wipe(struct tally_bytes *bytes)
{
	tally_sys_free(bytes->at);
	memset(bytes, 0, sizeof(*bytes));
}

const void *
tally_bytes_get(struct tally_bytes_reader *reader, size_t len)
{
	const void *at = reader->at;

	if (reader->failed || len > reader->left) {
		reader->failed = true;
		return NULL;
	}
	reader->at += len;
	reader->left -= len;
	return at;
}

uint64_t
tally_bytes_get_u64(struct tally_bytes_reader *reader)
{
	const uint8_t *b = tally_bytes_get(reader, 8);
	uint64_t value = 0;
	unsigned i;

	for (i = 0; b != NULL && i < 8; i++)
		value |= (uint64_t)b[i] << (8 * i);
	return value;
}

uint64_t
tally_bytes_get_max(struct tally_bytes_reader *reader, uint64_t max)
{
	uint64_t value = tally_bytes_get_u64(reader);

	if (value <= max)
		return value;
	reader->failed = true;
	return 0;
}

struct tally_hash
tally_bytes_get_hash(struct tally_bytes_reader *reader)
{
	const void *b = tally_bytes_get(reader, TALLY_HASH_SIZE);
	struct tally_hash hash = { { 0 } };

	if (b != NULL)
		memcpy(hash.b, b, sizeof(hash.b));
	return hash;
}

const char *
tally_bytes_get_text(struct tally_bytes_reader *reader, size_t *out_len)
{
	uint64_t len = tally_bytes_get_u64(reader);

	*out_len = 0;
	if (reader->failed || len == NO_TEXT)
		return NULL;
	if (len > reader->left) {
		reader->failed = true;
		return NULL;
	}
	*out_len = (size_t)len;
	return tally_bytes_get(reader, (size_t)len);
}
