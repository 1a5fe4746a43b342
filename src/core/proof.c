/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/fail.h"
#include "core/proof.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1"
#define EXTRA "extra "
#define INDEX "index "

/* A text that is taken line by line. */
struct reading {
	const char *at, *end;
	unsigned line; /* of what was taken last, from 1 */
};

static int
malformed(const struct reading *reading, const char *what,
    struct tally_error *error)
{
	(void)tally_fail(error, TALLY_E_FORMAT, "line %u of the proof: %s",
	    reading->line, what);
	if (error != NULL)
		error->item = reading->line;
	return TALLY_E_FORMAT;
}

static int
take_line(struct reading *reading, struct tally_span *out,
    struct tally_error *error)
{
	const char *feed = reading->at == reading->end
	    ? NULL
	    : memchr(reading->at, '\n', (size_t)(reading->end - reading->at));

	reading->line++;
	if (feed == NULL)
		return malformed(reading, "the text ends here", error);
	out->at = reading->at;
	out->len = (size_t)(feed - reading->at);
	reading->at = feed + 1;
	return 0;
}

/* Does the line begin with the word?  Then the word is taken off. */
static bool
begins_with(struct tally_span *line, const char *word)
{
	size_t len = strlen(word);

	if (line->len < len || memcmp(line->at, word, len) != 0)
		return false;
	line->at += len;
	line->len -= len;
	return true;
}

static int
take_front(struct reading *reading, struct tally_proof_text *out,
    struct tally_error *error)
{
	struct tally_span line;
	int result = take_line(reading, &line, error);

	if (result == 0 && !begins_with(&line, FIRST_LINE))
		result = malformed(reading,
		    "it is not what a proof begins with", error);
	if (result == 0 && line.len != 0)
		result = malformed(reading, "it is another version", error);
	if (result == 0)
		result = take_line(reading, &line, error);
	if (result != 0)
		return result;
	out->has_extra = begins_with(&line, EXTRA);
	if (out->has_extra) {
		out->extra = line;
		if (line.len == 0)
			return malformed(reading, "it is empty", error);
		result = take_line(reading, &line, error);
		if (result != 0)
			return result;
	}
	if (!begins_with(&line, INDEX) ||
	    tally_decimal_parse(line.at, line.len, TALLY_CHECKPOINT_SIZE_MAX,
		&out->index) != 0)
		return malformed(reading, "it is no index", error);
	return 0;
}

static int
take_path(struct reading *reading, struct tally_proof_text *out,
    struct tally_error *error)
{
	struct tally_span line;
	int result;

	while ((result = take_line(reading, &line, error)) == 0 &&
	    line.len != 0) {
		if (out->path_len == TALLY_PROOF_MAX)
			return malformed(reading, "there are too many hashes",
			    error);
		if (tally_hash_base64_parse(line.at, line.len,
			&out->path[out->path_len++]) != 0)
			return malformed(reading, "it is no hash", error);
	}
	return result;
}

static int
take_checkpoint(struct reading *reading, struct tally_proof_text *out,
    struct tally_error *error)
{
	size_t len = (size_t)(reading->end - reading->at);
	struct tally_span text = { reading->at, len };

	out->checkpoint_line = ++reading->line;
	out->note_text = text;
	out->is_signed = tally_note_parse(text.at, len, &out->note) == 0;
	if (out->is_signed)
		text = out->note.text;
	else if (len >= 2 && memcmp(text.at + len - 2, "\n\n", 2) == 0)
		text.len = len - 1;
	else
		return malformed(reading,
		    "what begins here is no signed note, and no checkpoint"
		    " with an empty line behind it",
		    error);
	if (tally_checkpoint_parse(text.at, text.len, &out->checkpoint) != 0)
		return malformed(reading, "what begins here is no checkpoint",
		    error);
	return 0;
}

int
tally_proof_text_parse(const char *text, size_t len,
    struct tally_proof_text *out, struct tally_error *error)
{
	struct reading reading = { text, text + len, 0 };
	int result;

	memset(out, 0, sizeof(*out));
	if (len > TALLY_PROOF_TEXT_MAX)
		return tally_fail(error, TALLY_E_FORMAT,
		    "a proof is at most 32 MiB long");
	result = take_front(&reading, out, error);
	if (result == 0)
		result = take_path(&reading, out, error);
	if (result == 0)
		result = take_checkpoint(&reading, out, error);
	return result;
}

size_t
tally_proof_text_size(size_t extra_len, size_t path_len, size_t note_len)
{
	return sizeof(FIRST_LINE) + sizeof(EXTRA) +
	    tally_base64_size(extra_len) + 1 + sizeof(INDEX) +
	    TALLY_DECIMAL_MAX + 1 + path_len * (TALLY_HASH_BASE64 + 1) + 1 +
	    note_len;
}

size_t
tally_proof_text_format(const void *extra, size_t extra_len, uint64_t index,
    const struct tally_hash *path, size_t path_len, const char *note,
    size_t note_len, char *out)
{
	size_t len = sizeof(FIRST_LINE) - 1, i;

	memcpy(out, FIRST_LINE, len);
	out[len++] = '\n';
	if (extra_len > 0) {
		memcpy(out + len, EXTRA, sizeof(EXTRA) - 1);
		len += sizeof(EXTRA) - 1;
		tally_base64_format(extra, extra_len, out + len);
		len += tally_base64_size(extra_len);
		out[len++] = '\n';
	}
	memcpy(out + len, INDEX, sizeof(INDEX) - 1);
	len += sizeof(INDEX) - 1;
	len += tally_decimal_format(index, out + len);
	out[len++] = '\n';
	for (i = 0; i < path_len; i++) {
		tally_base64_format(path[i].b, TALLY_HASH_SIZE, out + len);
		len += TALLY_HASH_BASE64;
		out[len++] = '\n';
	}
	out[len++] = '\n';
	memcpy(out + len, note, note_len);
	return len + note_len;
}
