/* SPDX-License-Identifier: Apache-2.0 */
/* Judging a proof of a record: no log, no clock, no file. */
#include <string.h>

#include <tally/proof.h>

#include "core/policy.h"
#include "core/proof.h"
#include "core/record.h"
#include "log/fail.h"
#include "log/sys.h"

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

/* Among several findings about one note the worst one counts. */
static enum tally_proof_verdict
judge_keys(const struct tally_vkey *keys, size_t len,
    const struct tally_proof_text *proof)
{
	enum tally_proof_verdict verdict = TALLY_PROOF_OTHER_KEY;

	for (size_t i = 0; i < len; i++) {
		enum tally_signed found = tally_note_check(&proof->note,
		    &keys[i], NULL);

		if (found == TALLY_SIGNED_WRONGLY)
			return TALLY_PROOF_FORGED;
		if (found == TALLY_SIGNED &&
		    strcmp(keys[i].name, proof->checkpoint.origin) == 0)
			verdict = TALLY_PROOF_SIGNED;
	}
	return verdict;
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
	default:
		return NULL;
	}
}

/* What was taken from a struct tally_trust. */
struct trusted {
	struct tally_vkey *keys;
	size_t keys_len;
	struct tally_policy *policy;
};

static int
take_trust(struct tally_hasher *hasher, const struct tally_trust *trust,
    struct trusted *out, struct tally_error *error)
{
	if (trust->vkeys_len > 0) {
		out->keys = tally_sys_alloc(trust->vkeys_len *
		    sizeof(*out->keys));
		if (out->keys == NULL)
			return tally_fail_memory(error);
	}
	for (size_t i = 0; i < trust->vkeys_len; i++) {
		if (tally_vkey_parse(hasher, trust->vkeys[i],
			strlen(trust->vkeys[i]), &out->keys[i]) != 0)
			return tally_fail(error, TALLY_E_USAGE,
			    "\"%s\" is no key", trust->vkeys[i]);
		out->keys_len++;
	}
	if (trust->policy == NULL)
		return TALLY_OK;
	out->policy = tally_sys_alloc(sizeof(*out->policy));
	if (out->policy == NULL)
		return tally_fail_memory(error);
	return tally_policy_parse(hasher, trust->policy, trust->policy_len,
		   out->policy, error) == 0
	    ? TALLY_OK
	    : TALLY_E_USAGE;
}

static enum tally_proof_verdict
judge_policy(const struct tally_policy *policy,
    const struct tally_proof_text *proof)
{
	switch (tally_policy_check(policy, &proof->note, &proof->checkpoint)) {
	case TALLY_POLICY_HOLDS:
		return TALLY_PROOF_SIGNED;
	case TALLY_POLICY_SPOILED:
		return TALLY_PROOF_FORGED;
	default:
		return TALLY_PROOF_OTHER_KEY;
	}
}

/* Everything that is trusted must agree; the first that does not is told. */
static enum tally_proof_verdict
judge_trust(const struct tally_trust *trust, const struct trusted *trusted,
    const struct tally_proof_text *proof)
{
	enum tally_proof_verdict verdict = TALLY_PROOF_UNSIGNED;

	if (trust->root != NULL) {
		if (!tally_hash_equal(trust->root, &proof->checkpoint.root))
			return TALLY_PROOF_OTHER_ROOT;
		verdict = TALLY_PROOF_ROOT;
	}
	if (trusted->keys_len == 0 && trusted->policy == NULL)
		return verdict;
	if (!proof->is_signed)
		return TALLY_PROOF_OTHER_KEY;
	if (trusted->keys_len > 0) {
		verdict = judge_keys(trusted->keys, trusted->keys_len, proof);
		if (verdict != TALLY_PROOF_SIGNED)
			return verdict;
	}
	return trusted->policy == NULL ? verdict
				       : judge_policy(trusted->policy, proof);
}

static void
fill_checkpoint(const struct tally_proof_text *proof, struct tally_proof *out)
{
	memcpy(out->origin, proof->checkpoint.origin, sizeof(out->origin));
	out->size = proof->checkpoint.size;
	out->root = proof->checkpoint.root;
	out->has_signatures = proof->is_signed;
}

int
tally_proof_judge(const char *text, size_t len, const struct tally_trust *trust,
    struct tally_proof *out_proof, struct tally_error *error)
{
	struct trusted trusted = { 0 };
	struct storage *storage = NULL;
	struct tally_hasher hasher;
	int result;

	memset(out_proof, 0, sizeof(*out_proof));
	if (tally_hasher_open(&hasher) != 0)
		return tally_fail_memory(error);
	result = take_trust(&hasher, trust, &trusted, error);
	if (result == 0)
		result = take(text, len, &storage, error);
	if (result == 0 && fill_record(storage, &out_proof->record) != 0)
		result = malformed(2, "it holds no record", error);
	if (result == 0) {
		fill_checkpoint(&storage->proof, out_proof);
		if (holds(&hasher, storage, out_proof)) {
			out_proof->verdict = judge_trust(trust, &trusted,
			    &storage->proof);
			out_proof->detail = detail_of(out_proof->verdict);
		}
	}
	tally_hasher_close(&hasher);
	tally_sys_free(trusted.keys);
	tally_sys_free(trusted.policy);
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
