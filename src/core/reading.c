/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/fail.h"
#include "core/reading.h"

int
tally_reading_fail(const struct tally_reading *reading, const char *message,
    struct tally_error *error)
{
	(void)tally_fail(error, TALLY_E_FORMAT, "line %u of the %s: %s",
	    reading->line, reading->what, message);
	if (error != NULL)
		error->item = reading->line;
	return TALLY_E_FORMAT;
}

int
tally_reading_line(struct tally_reading *reading, struct tally_span *out,
    struct tally_error *error)
{
	const char *feed = reading->at == reading->end
	    ? NULL
	    : memchr(reading->at, '\n', (size_t)(reading->end - reading->at));

	reading->line++;
	if (feed == NULL)
		return tally_reading_fail(reading, "the text ends here", error);
	out->at = reading->at;
	out->len = (size_t)(feed - reading->at);
	reading->at = feed + 1;
	return 0;
}

bool
tally_reading_begins(struct tally_span *line, const char *word)
{
	size_t len = strlen(word);

	if (line->len < len || memcmp(line->at, word, len) != 0)
		return false;
	line->at += len;
	line->len -= len;
	return true;
}

int
tally_reading_word(struct tally_reading *reading, const char *word,
    const char *message, struct tally_span *out, struct tally_error *error)
{
	int result = tally_reading_line(reading, out, error);

	if (result == 0 && !tally_reading_begins(out, word))
		result = tally_reading_fail(reading, message, error);
	return result;
}

int
tally_reading_number(struct tally_reading *reading, const char *word,
    const char *message, uint64_t max, uint64_t *out, struct tally_error *error)
{
	struct tally_span line;
	int result = tally_reading_word(reading, word, message, &line, error);

	if (result == 0 &&
	    tally_decimal_parse(line.at, line.len, max, out) != 0)
		result = tally_reading_fail(reading, message, error);
	return result;
}

int
tally_reading_path(struct tally_reading *reading,
    struct tally_hash out[TALLY_PROOF_MAX], size_t *out_len,
    struct tally_error *error)
{
	size_t left = (size_t)(reading->end - reading->at);

	*out_len = 0;
	while (left > TALLY_HASH_BASE64 &&
	    reading->at[TALLY_HASH_BASE64] == '\n' &&
	    memchr(reading->at, '\n', TALLY_HASH_BASE64) == NULL) {
		struct tally_hash hash;

		if (tally_hash_base64_parse(reading->at, TALLY_HASH_BASE64,
			&hash) != 0)
			return TALLY_OK;
		reading->line++;
		if (*out_len == TALLY_PROOF_MAX)
			return tally_reading_fail(reading,
			    "there are too many hashes", error);
		out[(*out_len)++] = hash;
		reading->at += TALLY_HASH_BASE64 + 1;
		left -= TALLY_HASH_BASE64 + 1;
	}
	return TALLY_OK;
}

int
tally_reading_empty(struct tally_reading *reading, struct tally_error *error)
{
	struct tally_span line;
	int result = tally_reading_line(reading, &line, error);

	if (result == 0 && line.len != 0)
		result = tally_reading_fail(reading,
		    "it is no hash, and not empty", error);
	return result;
}

int
tally_reading_note(const struct tally_reading *reading, struct tally_span text,
    struct tally_signed_checkpoint *out, struct tally_error *error)
{
	out->text = text;
	out->is_signed = tally_note_parse(text.at, text.len, &out->note) == 0;
	if (out->is_signed)
		text = out->note.text;
	else if (text.len >= 2 &&
	    memcmp(text.at + text.len - 2, "\n\n", 2) == 0)
		text.len--;
	else
		return tally_reading_fail(reading,
		    "what begins here is no signed note, and no checkpoint"
		    " with an empty line behind it",
		    error);
	if (tally_checkpoint_parse(text.at, text.len, &out->checkpoint) != 0)
		return tally_reading_fail(reading,
		    "what begins here is no checkpoint", error);
	return TALLY_OK;
}

int
tally_reading_checkpoint(struct tally_reading *reading,
    struct tally_signed_checkpoint *out, struct tally_error *error)
{
	struct tally_reading first = *reading;
	struct tally_span text = { reading->at, 0 }, line;
	unsigned empty = 0;
	int result = TALLY_OK;

	/* Its text, an empty line, its signatures, and an empty line. */
	while (empty < 2 && result == 0) {
		result = tally_reading_line(reading, &line, error);
		empty += result == 0 && line.len == 0;
	}
	if (result != 0)
		return result;
	text.len = (size_t)(reading->at - 1 - text.at);
	first.line++;
	return tally_reading_note(&first, text, out, error);
}
