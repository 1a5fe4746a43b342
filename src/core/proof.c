/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/fail.h"
#include "core/proof.h"
#include "core/text.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1"
#define EXTRA "extra "
#define INDEX "index "

static int
take_front(struct tally_reading *reading, struct tally_proof_text *out,
    struct tally_error *error)
{
	struct tally_span line;
	int result = tally_reading_line(reading, &line, error);

	if (result == 0 && !tally_reading_begins(&line, FIRST_LINE))
		result = tally_reading_fail(reading,
		    "it is not what a proof begins with", error);
	if (result == 0 && line.len != 0)
		result = tally_reading_fail(reading, "it is another version",
		    error);
	if (result == 0)
		result = tally_reading_line(reading, &line, error);
	if (result != 0)
		return result;
	out->has_extra = tally_reading_begins(&line, EXTRA);
	if (out->has_extra) {
		out->extra = line;
		if (line.len == 0)
			return tally_reading_fail(reading, "it is empty",
			    error);
		result = tally_reading_line(reading, &line, error);
		if (result != 0)
			return result;
	}
	if (!tally_reading_begins(&line, INDEX) ||
	    tally_decimal_parse(line.at, line.len, TALLY_CHECKPOINT_SIZE_MAX,
		&out->index) != 0)
		return tally_reading_fail(reading, "it is no index", error);
	return 0;
}

static int
take_path(struct tally_reading *reading, struct tally_proof_text *out,
    struct tally_error *error)
{
	struct tally_span line;
	int result;

	while ((result = tally_reading_line(reading, &line, error)) == 0 &&
	    line.len != 0) {
		if (out->path_len == TALLY_PROOF_MAX)
			return tally_reading_fail(reading,
			    "there are too many hashes", error);
		if (tally_hash_base64_parse(line.at, line.len,
			&out->path[out->path_len++]) != 0)
			return tally_reading_fail(reading, "it is no hash",
			    error);
	}
	return result;
}

static int
take_checkpoint(struct tally_reading *reading, struct tally_proof_text *out,
    struct tally_error *error)
{
	const struct tally_span text = { reading->at,
		(size_t)(reading->end - reading->at) };

	reading->line++;
	return tally_reading_note(reading, text, &out->under, error);
}

int
tally_proof_text_parse(const char *text, size_t len,
    struct tally_proof_text *out, struct tally_error *error)
{
	struct tally_reading reading = { text, text + len, 0, "proof" };
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
