/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a proof of a record: no log, no clock, no file. */
#include <string.h>

#include <tally/proof.h>

#include "core/record.h"
#include "core/tree.h"
#include "log/fail.h"
#include "log/sys.h"

#define PROOF_MAX ((size_t)32 << 20)
#define HASH_BASE64 44

/* A proof's text, taken line by line. */
struct reading {
	const char *at, *end;
	unsigned line; /* of what was taken last, 1-based */
};

/* What lies in tally_proof.storage. */
struct storage {
	char chain[TALLY_CHAIN_MAX + 1];
	char id[TALLY_ID_MAX + 1];
	struct tally_line line;
	struct tally_hash path[TALLY_PROOF_MAX];
	size_t path_len;
	uint64_t index;
	size_t text_len;
	char text[]; /* the record's line */
};

static int
malformed(const struct reading *reading, const char *what,
    struct tally_error *error)
{
	if (error != NULL)
		error->item = reading->line;
	return tally_fail(error, TALLY_E_FORMAT, "line %u of the proof: %s",
	    reading->line, what);
}

static int
take_line(struct reading *reading, const char **out, size_t *out_len,
    struct tally_error *error)
{
	const char *feed = reading->at == reading->end
	    ? NULL
	    : memchr(reading->at, '\n', (size_t)(reading->end - reading->at));

	reading->line++;
	if (feed == NULL)
		return malformed(reading, "the text ends here", error);
	*out = reading->at;
	*out_len = (size_t)(feed - reading->at);
	reading->at = feed + 1;
	return TALLY_OK;
}

/* A line that begins with a word: what follows it. */
static int
take_after(struct reading *reading, const char *word, const char **out,
    size_t *out_len, struct tally_error *error)
{
	size_t len = strlen(word);
	int result = take_line(reading, out, out_len, error);

	if (result != 0)
		return result;
	if (*out_len < len || memcmp(*out, word, len) != 0)
		return malformed(reading,
		    "it is not what a proof of a record has here", error);
	*out += len;
	*out_len -= len;
	return TALLY_OK;
}

static int
take_extra(struct reading *reading, struct storage **out,
    struct tally_error *error)
{
	struct storage *storage;
	const char *text;
	size_t len;
	int result;

	result = take_after(reading, "c2sp.org/tlog-proof@v1", &text, &len,
	    error);
	if (result == 0 && len != 0)
		result = malformed(reading, "it is another version", error);
	if (result == 0)
		result = take_after(reading, "extra ", &text, &len, error);
	if (result != 0)
		return result;
	storage = tally_sys_alloc(sizeof(*storage) + len);
	if (storage == NULL)
		return tally_fail_memory(error);
	result = tally_base64_parse(text, len, (uint8_t *)storage->text, len,
	    &storage->text_len);
	if (result == 0)
		result = tally_line_decode(storage->text, storage->text_len,
		    &storage->line);
	if (result != 0) {
		tally_sys_free(storage);
		return malformed(reading, "it holds no record", error);
	}
	*out = storage;
	return TALLY_OK;
}

static int
take_path(struct reading *reading, struct storage *storage,
    struct tally_error *error)
{
	const char *text;
	size_t len, got;
	int result;

	result = take_after(reading, "index ", &text, &len, error);
	if (result == 0 &&
	    tally_decimal_parse(text, len, INT64_MAX, &storage->index) != 0)
		result = malformed(reading, "the index is no number", error);
	while (result == 0) {
		result = take_line(reading, &text, &len, error);
		if (result != 0 || len == 0)
			break;
		if (storage->path_len == TALLY_PROOF_MAX ||
		    len != HASH_BASE64 ||
		    tally_base64_parse(text, len,
			storage->path[storage->path_len++].b, TALLY_HASH_SIZE,
			&got) != 0 ||
		    got != TALLY_HASH_SIZE)
			result = malformed(reading, "it is no hash", error);
	}
	return result;
}

static int
take_checkpoint(struct reading *reading, struct tally_proof *out,
    struct tally_error *error)
{
	const char *text;
	size_t len, got;
	int result;

	result = take_line(reading, &text, &len, error);
	if (result != 0)
		return result;
	if (len == 0 || len > TALLY_ORIGIN_MAX || !tally_is_utf8(text, len) ||
	    memchr(text, '\0', len) != NULL)
		return malformed(reading, "it is no origin", error);
	memcpy(out->origin, text, len);
	out->origin[len] = '\0';
	result = take_line(reading, &text, &len, error);
	if (result != 0)
		return result;
	if (tally_decimal_parse(text, len, INT64_MAX, &out->size) != 0)
		return malformed(reading, "the size is no number", error);
	result = take_line(reading, &text, &len, error);
	if (result != 0)
		return result;
	if (len != HASH_BASE64 ||
	    tally_base64_parse(text, len, out->root.b, TALLY_HASH_SIZE, &got) !=
		0 ||
	    got != TALLY_HASH_SIZE)
		return malformed(reading, "the root is no hash", error);
	result = take_line(reading, &text, &len, error);
	if (result == 0 && len != 0)
		result = malformed(reading,
		    "there is something behind the root", error);
	return result;
}

/* The record as callers see it, from the storage. */
static int
fill_record(struct storage *storage, struct tally_record *out)
{
	const struct tally_header *header = &storage->line.header;

	memset(out, 0, sizeof(*out));
	if (tally_name_unescape(header->chain, header->chain_len,
		TALLY_CHAIN_MAX, storage->chain, &out->chain_len) != 0)
		return TALLY_E_FORMAT;
	out->chain = storage->chain;
	if (header->id_len != 0) {
		if (tally_name_unescape(header->id, header->id_len,
			TALLY_ID_MAX, storage->id, &out->id_len) != 0)
			return TALLY_E_FORMAT;
		out->id = storage->id;
	}
	out->index = storage->index;
	out->seq = header->seq;
	out->time_us = header->time_us;
	out->digest = header->digest;
	out->prev = header->prev;
	out->hash = storage->line.hash;
	out->body = storage->line.body;
	if (out->body == TALLY_BODY_EVENT) {
		out->event = storage->line.event;
		out->event_len = storage->line.event_len;
	}
	out->salt = storage->line.has_salt ? storage->line.salt : NULL;
	out->order_seq = storage->line.order_seq;
	out->line = storage->text;
	out->line_len = storage->text_len;
	return TALLY_OK;
}

static void
judge(struct tally_hasher *hasher, const struct storage *storage,
    const struct tally_hash *root, struct tally_proof *out)
{
	struct tally_hash leaf = tally_line_header_hash(hasher, &storage->line);

	out->verdict = TALLY_PROOF_BROKEN;
	if (!tally_hash_equal(&leaf, &storage->line.hash)) {
		out->detail = "the record's header does not hash to its hash";
		return;
	}
	if (!tally_line_event_holds(hasher, &storage->line)) {
		out->detail = "the event does not match its digest";
		return;
	}
	if (storage->index >= out->size ||
	    !tally_inclusion_check(hasher, &leaf, storage->index, out->size,
		storage->path, storage->path_len, &out->root)) {
		out->detail = "the path does not lead from the record to the"
			      " root";
		return;
	}
	if (root == NULL) {
		out->verdict = TALLY_PROOF_UNSIGNED;
		out->detail = "nobody vouches for the root";
	} else if (!tally_hash_equal(root, &out->root)) {
		out->verdict = TALLY_PROOF_OTHER_ROOT;
		out->detail = "the proof is for another root";
	} else {
		out->verdict = TALLY_PROOF_ROOT;
		out->detail = "the record is in the log with this root";
	}
}

int
tally_proof_check(const char *text, size_t len, const struct tally_hash *root,
    struct tally_proof *out_proof, struct tally_error *error)
{
	struct reading reading = { text, text + len, 0 };
	struct storage *storage = NULL;
	struct tally_hasher hasher;
	int result;

	memset(out_proof, 0, sizeof(*out_proof));
	if (len > PROOF_MAX)
		return tally_fail(error, TALLY_E_FORMAT,
		    "a proof is at most 32 MiB long");
	if (tally_hasher_open(&hasher) != 0)
		return tally_fail_memory(error);
	result = take_extra(&reading, &storage, error);
	if (result == 0)
		result = take_path(&reading, storage, error);
	if (result == 0)
		result = take_checkpoint(&reading, out_proof, error);
	if (result == 0 && fill_record(storage, &out_proof->record) != 0)
		result = malformed(&reading, "it holds no record", error);
	if (result == 0)
		judge(&hasher, storage, root, out_proof);
	tally_hasher_close(&hasher);
	if (result != 0)
		tally_sys_free(storage);
	else
		out_proof->storage = storage;
	return result;
}

void
tally_proof_wipe(struct tally_proof *proof)
{
	tally_sys_free(proof->storage);
	memset(proof, 0, sizeof(*proof));
}
