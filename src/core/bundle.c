/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/bundle.h"
#include "core/fail.h"

/* ---- reading ---------------------------------------------------------- */

static int
take_first(struct tally_reading *reading, const char *first,
    struct tally_error *error)
{
	struct tally_span line;
	int result = tally_reading_line(reading, &line, error);

	if (result == 0 &&
	    (!tally_reading_begins(&line, first) || line.len != 0))
		result = tally_reading_fail(reading,
		    "it is not what such a text begins with, or another"
		    " version",
		    error);
	return result;
}

static int
take_chain(struct tally_reading *reading, struct tally_span *out,
    struct tally_error *error)
{
	int result = tally_reading_word(reading, "chain ", "it is no chain",
	    out, error);

	if (result == 0 &&
	    (out->len == 0 ||
		tally_name_measure(out->at, out->len, TALLY_CHAIN_MAX) !=
		    out->len))
		result = tally_reading_fail(reading, "it is no chain", error);
	return result;
}

/* "head <seq> <hash>" */
static int
take_head(struct tally_reading *reading, struct tally_bundle_front *out,
    struct tally_error *error)
{
	static const char message[] = "it is no seq and hash";
	struct tally_span line;
	const char *space;
	size_t digits;
	int result = tally_reading_word(reading, "head ", message, &line,
	    error);

	if (result != 0)
		return result;
	space = memchr(line.at, ' ', line.len);
	digits = space == NULL ? line.len : (size_t)(space - line.at);
	if (space == NULL ||
	    tally_decimal_parse(line.at, digits, TALLY_SEQ_MAX,
		&out->head_seq) != 0 ||
	    out->head_seq == 0 ||
	    tally_hash_base64_parse(space + 1, line.len - digits - 1,
		&out->head_hash) != 0)
		return tally_reading_fail(reading, message, error);
	return TALLY_OK;
}

static int
take_path(struct tally_reading *reading, struct tally_path *out,
    struct tally_error *error)
{
	return tally_reading_path(reading, out->hash, &out->len, error);
}

int
tally_bundle_front_parse(const char *text, size_t len,
    struct tally_bundle_front *out, size_t *out_len, struct tally_error *error)
{
	struct tally_reading reading = { text, text + len, 0, "bundle" };
	int result = take_first(&reading, TALLY_BUNDLE_FIRST_LINE, error);

	memset(out, 0, sizeof(*out));
	if (result == 0)
		result = take_chain(&reading, &out->chain, error);
	if (result == 0)
		result = take_head(&reading, out, error);
	if (result == 0)
		result = tally_reading_number(&reading, "place ",
		    "it is no place", TALLY_CHECKPOINT_SIZE_MAX, &out->position,
		    error);
	if (result == 0)
		result = take_path(&reading, &out->heads_path, error);
	if (result == 0)
		result = tally_reading_word(&reading, "heads ",
		    "it is no hash, and no heads record", &out->heads_line,
		    error);
	if (result == 0)
		result = take_path(&reading, &out->sealed_path, error);
	if (result == 0)
		result = tally_reading_number(&reading, "last ",
		    "it is no hash, and no index of the last record",
		    TALLY_CHECKPOINT_SIZE_MAX, &out->last_index, error);
	if (result == 0)
		result = take_path(&reading, &out->last_path, error);
	if (result == 0)
		result = tally_reading_empty(&reading, error);
	if (result == 0)
		result = tally_reading_checkpoint(&reading, &out->under, error);
	if (result == 0)
		*out_len = (size_t)(reading.at - text);
	return result;
}

int
tally_consistency_text_parse(const char *text, size_t len,
    struct tally_consistency_text *out, struct tally_error *error)
{
	struct tally_reading reading = { text, text + len, 0, "proof" };
	int result = take_first(&reading, TALLY_CONSISTENCY_FIRST_LINE, error);

	memset(out, 0, sizeof(*out));
	if (result == 0)
		result = take_path(&reading, &out->path, error);
	if (result == 0)
		result = tally_reading_empty(&reading, error);
	if (result == 0)
		result = tally_reading_checkpoint(&reading, &out->old, error);
	if (result == 0)
		result = tally_reading_checkpoint(&reading, &out->new, error);
	if (result == 0 && reading.at != reading.end) {
		reading.line++;
		result = tally_reading_fail(&reading,
		    "there is more than a proof", error);
	}
	return result;
}

/* ---- writing ---------------------------------------------------------- */

static char *
put(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

static char *
put_word(char *at, const char *word)
{
	return put(at, word, strlen(word));
}

static char *
put_hash(char *at, const struct tally_hash *hash)
{
	tally_base64_format(hash->b, TALLY_HASH_SIZE, at);
	at[TALLY_HASH_BASE64] = '\n';
	return at + TALLY_HASH_BASE64 + 1;
}

static char *
put_path(char *at, const struct tally_path *path)
{
	for (size_t i = 0; i < path->len; i++)
		at = put_hash(at, &path->hash[i]);
	return at;
}

static char *
put_number(char *at, const char *word, uint64_t number)
{
	at = put_word(at, word);
	at += tally_decimal_format(number, at);
	*at++ = '\n';
	return at;
}

size_t
tally_bundle_front_format(const struct tally_bundle_front *front, char *out)
{
	char *at = put_word(out, TALLY_BUNDLE_FIRST_LINE "\nchain ");

	at = put(at, front->chain.at, front->chain.len);
	at = put_word(at, "\nhead ");
	at += tally_decimal_format(front->head_seq, at);
	*at++ = ' ';
	at = put_hash(at, &front->head_hash);
	at = put_number(at, "place ", front->position);
	at = put_path(at, &front->heads_path);
	at = put_word(at, "heads ");
	at = put(at, front->heads_line.at, front->heads_line.len);
	*at++ = '\n';
	at = put_path(at, &front->sealed_path);
	at = put_number(at, "last ", front->last_index);
	at = put_path(at, &front->last_path);
	*at++ = '\n';
	at = put(at, front->under.text.at, front->under.text.len);
	*at++ = '\n';
	return (size_t)(at - out);
}

size_t
tally_consistency_text_format(const struct tally_consistency_text *proof,
    char *out)
{
	char *at = put_word(out, TALLY_CONSISTENCY_FIRST_LINE "\n");

	at = put_path(at, &proof->path);
	*at++ = '\n';
	at = put(at, proof->old.text.at, proof->old.text.len);
	*at++ = '\n';
	at = put(at, proof->new.text.at, proof->new.text.len);
	*at++ = '\n';
	return (size_t)(at - out);
}
