/* SPDX-License-Identifier: Apache-2.0 */
/* Proving that one checkpoint goes on from another, and judging the proof. */
#include <string.h>

#include <tally/bundle.h>

#include "core/bundle.h"
#include "log/fail.h"
#include "log/published.h"
#include "log/trust.h"

/* ---- making ----------------------------------------------------------- */

struct proving {
	struct tally_consistency_text text;
	struct tally_consistency log; /* what it has */
};

static int
take_note(const struct tally_log *log, const char *note, size_t len,
    const char *which, struct tally_signed_checkpoint *out,
    struct tally_error *error)
{
	const struct tally_reading reading = { .what = which };
	const struct tally_span text = { note, len };

	if (len > TALLY_TRAVELLING_NOTE_MAX ||
	    tally_reading_note(&reading, text, out, NULL) != 0)
		return tally_fail(error, TALLY_E_FORMAT,
		    "the %s checkpoint is none", which);
	if (strcmp(out->checkpoint.origin, log->identity.origin) != 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "the %s checkpoint is that of \"%s\", and the log is"
		    " \"%s\"",
		    which, out->checkpoint.origin, log->identity.origin);
	return TALLY_OK;
}

static int
write_text(const struct proving *p, char **out_text, size_t *out_len,
    struct tally_error *error)
{
	char *text = tally_sys_alloc(TALLY_BUNDLE_FRONT_MAX);

	if (text == NULL)
		return tally_fail_memory(error);
	*out_len = tally_consistency_text_format(&p->text, text);
	text[*out_len] = '\0';
	*out_text = text;
	return TALLY_OK;
}

static int
judge_log(struct tally_log *log, struct proving *p,
    enum tally_consistency_verdict *out_verdict, struct tally_error *error)
{
	const struct tally_checkpoint *old = &p->text.old.checkpoint;
	const struct tally_checkpoint *new = &p->text.new.checkpoint;
	int result;

	if (old->size > new->size)
		return tally_fail(error, TALLY_E_USAGE,
		    "the old checkpoint has %llu records, and the new one %llu",
		    (unsigned long long)old->size,
		    (unsigned long long)new->size);
	if (new->size == 0)
		return tally_fail(error, TALLY_E_USAGE,
		    "the new checkpoint is that of an empty log");
	result = tally_log_consistency(log, old->size, new->size, &p->log,
	    error);
	if (result == TALLY_END) {
		*out_verdict = TALLY_CONSISTENT_SHORT;
		return TALLY_OK;
	}
	if (result != 0)
		return result;
	p->text.path.len = p->log.path_len;
	memcpy(p->text.path.hash, p->log.path, sizeof(p->log.path));
	if (!tally_hash_equal(&p->log.old_root, &old->root))
		*out_verdict = TALLY_CONSISTENT_NOT_OLD;
	else if (!tally_hash_equal(&p->log.root, &new->root))
		*out_verdict = TALLY_CONSISTENT_NOT_NEW;
	else
		*out_verdict = TALLY_CONSISTENT;
	return TALLY_OK;
}

int
tally_log_prove_consistency(struct tally_log *log, const char *old,
    size_t old_len, const char *new_note, size_t new_len,
    enum tally_consistency_verdict *out_verdict, char **out_text,
    size_t *out_len, struct tally_error *error)
{
	struct tally_published_note published = { 0 };
	struct proving *p = tally_sys_alloc(sizeof(*p));
	int result = TALLY_OK;

	*out_text = NULL;
	*out_len = 0;
	if (p == NULL)
		return tally_fail_memory(error);
	if (new_note == NULL) {
		result = tally_published_note_read(log, &published, error);
		if (result == TALLY_END)
			(void)tally_fail(error, result,
			    "the log has no checkpoint yet; \"tally checkpoint"
			    "\" makes one");
		new_note = published.text;
		new_len = published.len;
	}
	if (result == 0)
		result = take_note(log, old, old_len, "old", &p->text.old,
		    error);
	if (result == 0)
		result = take_note(log, new_note, new_len, "new", &p->text.new,
		    error);
	if (result == 0)
		result = judge_log(log, p, out_verdict, error);
	if (result == 0 && *out_verdict == TALLY_CONSISTENT)
		result = write_text(p, out_text, out_len, error);
	tally_published_note_wipe(&published);
	tally_sys_free(p);
	return result;
}

/* ---- judging ---------------------------------------------------------- */

static bool
holds(struct tally_hasher *hasher, const struct tally_consistency_text *text,
    struct tally_consistency_proof *out)
{
	const struct tally_checkpoint *old = &text->old.checkpoint;
	const struct tally_checkpoint *new = &text->new.checkpoint;
	struct tally_hash empty;

	out->verdict = TALLY_PROOF_BROKEN;
	if (strcmp(old->origin, new->origin) != 0) {
		out->detail = "the checkpoints are those of two logs";
		return false;
	}
	out->detail = "the path does not lead from the old root to the new one";
	if (old->size > new->size)
		return false;
	if (old->size > 0)
		return tally_consistency_check(hasher, old->size, new->size,
		    text->path.hash, text->path.len, &old->root, &new->root);
	empty = tally_hash_bytes(hasher, "", 0);
	return text->path.len == 0 && tally_hash_equal(&old->root, &empty);
}

/* The new root by all of the trust, the old one by keys and policy. */
static enum tally_proof_verdict
judge_both(const struct tally_trusted *trusted,
    const struct tally_consistency_text *text)
{
	struct tally_trust no_root = *trusted->trust;
	struct tally_trusted others = *trusted;
	enum tally_proof_verdict new = tally_trusted_judge(trusted, &text->new);
	enum tally_proof_verdict old;

	no_root.root = NULL;
	others.trust = &no_root;
	old = tally_trusted_judge(&others, &text->old);
	return old == TALLY_PROOF_SIGNED || old == TALLY_PROOF_UNSIGNED ||
		new == TALLY_PROOF_FORGED
	    ? new
	    : old;
}

static const char *
detail_of(enum tally_proof_verdict verdict)
{
	switch (verdict) {
	case TALLY_PROOF_ROOT:
		return "the log with the root that was given goes on from the"
		       " old one";
	case TALLY_PROOF_UNSIGNED:
		return "nobody vouches for the roots";
	case TALLY_PROOF_OTHER_ROOT:
		return "the proof is for another root";
	case TALLY_PROOF_SIGNED:
		return "both are signed, and the new one goes on from the old"
		       " one";
	case TALLY_PROOF_OTHER_KEY:
		return "nobody who is trusted signed both";
	case TALLY_PROOF_FORGED:
		return "a signature under a trusted key does not hold";
	case TALLY_PROOF_RETIRED:
		return "the key that signed was retired, and no cosignature or"
		       " timestamp is older";
	default:
		return NULL;
	}
}

int
tally_consistency_judge(const char *text, size_t len,
    const struct tally_trust *trust, struct tally_consistency_proof *out,
    struct tally_error *error)
{
	struct tally_consistency_text *proof = tally_sys_alloc(sizeof(*proof));
	struct tally_trusted trusted = { 0 };
	struct tally_hasher hasher = { 0 };
	int result = proof == NULL ? TALLY_E_MEMORY
				   : tally_hasher_open(&hasher);

	memset(out, 0, sizeof(*out));
	if (result != 0)
		(void)tally_fail_memory(error);
	if (result == 0)
		result = tally_trusted_take(&hasher, trust, &trusted, error);
	if (result == 0)
		result = tally_consistency_text_parse(text, len, proof, error);
	if (result == 0) {
		const struct tally_checkpoint *new = &proof->new.checkpoint;

		memcpy(out->origin, new->origin, sizeof(out->origin));
		out->old_size = proof->old.checkpoint.size;
		out->old_root = proof->old.checkpoint.root;
		out->size = new->size;
		out->root = new->root;
		out->has_signatures = proof->old.is_signed &&
		    proof->new.is_signed;
		if (holds(&hasher, proof, out)) {
			out->verdict = judge_both(&trusted, proof);
			out->detail = detail_of(out->verdict);
		}
		result = tally_trusted_could(&hasher, out->verdict, error);
	}
	tally_trusted_wipe(&trusted);
	tally_hasher_close(&hasher);
	tally_sys_free(proof);
	return result;
}
