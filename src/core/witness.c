/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/witness.h"

#define OLD "old "

static int
take_old(const char *line, size_t len, uint64_t *out)
{
	const size_t word = sizeof(OLD) - 1;

	if (len <= word || memcmp(line, OLD, word) != 0)
		return TALLY_E_FORMAT;
	return tally_decimal_parse(line + word, len - word,
	    TALLY_CHECKPOINT_SIZE_MAX, out);
}

int
tally_witness_request_parse(const char *text, size_t len,
    struct tally_witness_request *out)
{
	bool has_old = false;
	size_t at = 0;

	out->proof_len = 0;
	while (at < len) {
		const char *line = text + at;
		const char *feed = memchr(line, '\n', len - at);
		size_t line_len = feed == NULL ? 0 : (size_t)(feed - line);

		if (feed == NULL)
			return TALLY_E_FORMAT;
		at += line_len + 1;
		if (line_len == 0)
			break;
		if (!has_old) {
			if (take_old(line, line_len, &out->old_size) != 0)
				return TALLY_E_FORMAT;
			has_old = true;
		} else if (out->proof_len == TALLY_WITNESS_PROOF_MAX ||
		    tally_hash_base64_parse(line, line_len,
			&out->proof[out->proof_len++]) != 0) {
			return TALLY_E_FORMAT;
		}
	}
	out->note_text.at = text + at;
	out->note_text.len = len - at;
	if (!has_old || tally_note_parse(text + at, len - at, &out->note) != 0)
		return TALLY_E_FORMAT;
	return tally_checkpoint_parse(out->note.text.at, out->note.text.len,
	    &out->checkpoint);
}

size_t
tally_witness_request_head(uint64_t old_size, const struct tally_hash *proof,
    size_t proof_len, char out[TALLY_WITNESS_HEAD_MAX])
{
	size_t len = sizeof(OLD) - 1;

	memcpy(out, OLD, len);
	len += tally_decimal_format(old_size, out + len);
	out[len++] = '\n';
	for (size_t i = 0; i < proof_len; i++) {
		tally_base64_format(proof[i].b, TALLY_HASH_SIZE, out + len);
		len += TALLY_HASH_BASE64;
		out[len++] = '\n';
	}
	out[len++] = '\n';
	return len;
}
