/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/checkpoint.h"

int
tally_hash_base64_parse(const char *text, size_t len, struct tally_hash *out)
{
	size_t got;

	if (len != TALLY_HASH_BASE64 ||
	    tally_base64_parse(text, len, out->b, sizeof(out->b), &got) != 0 ||
	    got != sizeof(out->b))
		return TALLY_E_FORMAT;
	return 0;
}

/* Takes a line out of text[*at, len); it may not be empty. */
static int
take_line(const char *text, size_t len, size_t *at, struct tally_span *out)
{
	const char *feed = *at == len ? NULL
				      : memchr(text + *at, '\n', len - *at);

	if (feed == NULL || feed == text + *at)
		return TALLY_E_FORMAT;
	out->at = text + *at;
	out->len = (size_t)(feed - out->at);
	*at += out->len + 1;
	return 0;
}

int
tally_checkpoint_parse(const char *text, size_t len,
    struct tally_checkpoint *out)
{
	struct tally_span line;
	size_t at = 0;

	memset(out, 0, sizeof(*out));
	if (len > TALLY_NOTE_MAX || take_line(text, len, &at, &line) != 0 ||
	    !tally_key_name_is_legal(line.at, line.len))
		return TALLY_E_FORMAT;
	memcpy(out->origin, line.at, line.len);
	out->origin_len = line.len;
	if (take_line(text, len, &at, &line) != 0 ||
	    tally_decimal_parse(line.at, line.len, TALLY_CHECKPOINT_SIZE_MAX,
		&out->size) != 0 ||
	    take_line(text, len, &at, &line) != 0 ||
	    tally_hash_base64_parse(line.at, line.len, &out->root) != 0)
		return TALLY_E_FORMAT;
	out->extended = at < len;
	while (at < len) {
		if (take_line(text, len, &at, &line) != 0)
			return TALLY_E_FORMAT;
	}
	return 0;
}

size_t
tally_checkpoint_format(const struct tally_checkpoint *checkpoint,
    char out[TALLY_CHECKPOINT_TEXT_MAX])
{
	size_t len = checkpoint->origin_len;

	memcpy(out, checkpoint->origin, len);
	out[len++] = '\n';
	len += tally_decimal_format(checkpoint->size, out + len);
	out[len++] = '\n';
	tally_base64_format(checkpoint->root.b, TALLY_HASH_SIZE, out + len);
	len += TALLY_HASH_BASE64;
	out[len++] = '\n';
	out[len] = '\0';
	return len;
}
