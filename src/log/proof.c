/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a proof of a record: no log, no clock, no file. */
#include <string.h>

#include <tally/proof.h>

#include "core/proof.h"
#include "core/record.h"
#include "log/fail.h"
#include "log/sys.h"
#include "log/trust.h"

/* What lies in tally_proof.storage. */
struct storage {
	char chain[TALLY_CHAIN_MAX + 1];
	char id[TALLY_ID_MAX + 1];
	struct tally_line line;
	struct tally_proof_text proof;
	size_t text_len;
	char text[]; /* the record's line */
};

static int
malformed(unsigned line, const char *what, struct tally_error *error)
{
	(void)tally_fail(error, TALLY_E_FORMAT, "line %u of the proof: %s",
	    line, what);
	if (error != NULL)
		error->item = line;
	return TALLY_E_FORMAT;
}

/* The proof, and the record's line in it. */
static int
take(const char *text, size_t len, struct storage **out,
    struct tally_error *error)
{
	struct tally_proof_text proof;
	struct storage *storage;
	int result = tally_proof_text_parse(text, len, &proof, error);

	if (result != 0)
		return result;
	if (!proof.has_extra)
		return malformed(2, "the record is not in the proof", error);
	storage = tally_sys_alloc(sizeof(*storage) + proof.extra.len);
	if (storage == NULL)
		return tally_fail_memory(error);
	storage->proof = proof;
	if (tally_base64_parse(proof.extra.at, proof.extra.len,
		(uint8_t *)storage->text, proof.extra.len,
		&storage->text_len) != 0 ||
	    tally_line_decode(storage->text, storage->text_len,
		&storage->line) != 0) {
		tally_sys_free(storage);
		return malformed(2, "it holds no record", error);
	}
	*out = storage;
	return TALLY_OK;
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
	out->index = storage->proof.index;
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

/* Does the record hold, and is it in the tree of the checkpoint? */
static bool
holds(struct tally_hasher *hasher, const struct storage *storage,
    struct tally_proof *out)
{
	struct tally_hash leaf = tally_line_header_hash(hasher, &storage->line);
	const struct tally_proof_text *proof = &storage->proof;

	out->verdict = TALLY_PROOF_BROKEN;
	if (!tally_hash_equal(&leaf, &storage->line.hash))
		out->detail = "the record's header does not hash to its hash";
	else if (!tally_line_event_holds(hasher, &storage->line))
		out->detail = "the event does not match its digest";
	else if (!tally_inclusion_check(hasher, &leaf, proof->index, out->size,
		     proof->path, proof->path_len, &out->root))
		out->detail = "the path does not lead from the record to the"
			      " root";
	else
		return true;
	return false;
}

static const char *
detail_of(enum tally_proof_verdict verdict)
{
	switch (verdict) {
	case TALLY_PROOF_ROOT:
		return "the record is in the log with this root";
	case TALLY_PROOF_UNSIGNED:
		return "nobody vouches for the root";
	case TALLY_PROOF_OTHER_ROOT:
		return "the proof is for another root";
	case TALLY_PROOF_SIGNED:
		return "the record is in the log whose key signed this root";
	case TALLY_PROOF_OTHER_KEY:
		return "nobody who is trusted signed the root";
	case TALLY_PROOF_FORGED:
		return "a signature under a trusted key does not hold";
	case TALLY_PROOF_RETIRED:
		return "the key that signed was retired, and no cosignature or"
		       " timestamp is older";
	default:
		return NULL;
	}
}

static void
fill_checkpoint(const struct tally_proof_text *proof, struct tally_proof *out)
{
	const struct tally_checkpoint *checkpoint = &proof->under.checkpoint;

	memcpy(out->origin, checkpoint->origin, sizeof(out->origin));
	out->size = checkpoint->size;
	out->root = checkpoint->root;
	out->has_signatures = proof->under.is_signed;
}

int
tally_proof_judge(const char *text, size_t len, const struct tally_trust *trust,
    struct tally_proof *out_proof, struct tally_error *error)
{
	struct tally_trusted trusted;
	struct storage *storage = NULL;
	struct tally_hasher hasher;
	int result;

	memset(out_proof, 0, sizeof(*out_proof));
	if (tally_hasher_open(&hasher) != 0)
		return tally_fail_memory(error);
	result = tally_trusted_take(&hasher, trust, &trusted, error);
	if (result == 0)
		result = take(text, len, &storage, error);
	if (result == 0 && fill_record(storage, &out_proof->record) != 0)
		result = malformed(2, "it holds no record", error);
	if (result == 0) {
		fill_checkpoint(&storage->proof, out_proof);
		if (holds(&hasher, storage, out_proof)) {
			out_proof->verdict = tally_trusted_judge(&trusted,
			    &storage->proof.under);
			out_proof->detail = detail_of(out_proof->verdict);
		}
		result = tally_trusted_could(&hasher, out_proof->verdict,
		    error);
	}
	tally_hasher_close(&hasher);
	tally_trusted_wipe(&trusted);
	/* Nothing of a judgement that was not made. */
	if (result != 0)
		memset(out_proof, 0, sizeof(*out_proof));
	if (result != 0)
		tally_sys_free(storage);
	else
		out_proof->storage = storage;
	return result;
}

int
tally_proof_check(const char *text, size_t len, const struct tally_hash *root,
    struct tally_proof *out_proof, struct tally_error *error)
{
	const struct tally_trust trust = { .root = root };

	return tally_proof_judge(text, len, &trust, out_proof, error);
}

void
tally_proof_wipe(struct tally_proof *proof)
{
	tally_sys_free(proof->storage);
	memset(proof, 0, sizeof(*proof));
}
