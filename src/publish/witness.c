/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A witness: what it answers (doc/design/witness.md).
 *
 * 1. Read, compare and replace happen under one lock, from the disk: neither a
 *    thread nor another process stands in between.
 * 2. The note is on stable storage before its cosignature leaves.
 * 3. The time of a cosignature is never before that of the last one.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <tally/witness.h>

#include "core/tree.h"
#include "core/witness.h"
#include "log/fail.h"
#include "log/sys.h"
#include "publish/signer.h"
#include "publish/witness_state.h"

#define PLAIN "text/plain; charset=utf-8"

struct tally_witness {
	struct tally_witness_state state;
	struct tally_signer *const *signers;
	size_t signers_len;
	pthread_mutex_t mutex; /* over the state, hasher included */
};

/* ---- answers ---------------------------------------------------------- */

static int
answer(struct tally_witness_answer *out, unsigned status, const char *what)
{
	out->status = status;
	out->type = PLAIN;
	out->body_len = strlen(what);
	memcpy(out->body, what, out->body_len);
	return TALLY_OK;
}

static int
answer_size(struct tally_witness_answer *out, uint64_t size)
{
	out->status = 409;
	out->type = "text/x.tlog.size";
	out->body_len = tally_decimal_format(size, out->body);
	out->body[out->body_len++] = '\n';
	return TALLY_OK;
}

/* Does the request extend the last checkpoint? */
static bool
extends(struct tally_witness *w, const struct tally_witness_entry *entry,
    const struct tally_witness_request *request)
{
	const struct tally_checkpoint *next = &request->checkpoint;
	const struct tally_checkpoint *last = &entry->last;
	struct tally_hash empty = tally_hash_bytes(&w->state.hasher, "", 0);

	if (next->size == 0 && !tally_hash_equal(&next->root, &empty))
		return false;
	if (last->size == next->size)
		return request->proof_len == 0 &&
		    tally_hash_equal(&last->root, &next->root);
	if (last->size == 0)
		return request->proof_len == 0;
	return tally_consistency_check(&w->state.hasher, last->size, next->size,
	    request->proof, request->proof_len, &last->root, &next->root);
}

/* The clock's, but not before our last cosignature. */
static uint64_t
time_after(const struct tally_witness *w, const char *last, size_t len)
{
	uint64_t now = (uint64_t)tally_sys_time_us() / 1000000, time;
	struct tally_note note;

	if (tally_note_parse(last, len, &note) != 0)
		return now;
	for (size_t i = 0; i < w->signers_len; i++) {
		if (tally_note_check(&note, &w->signers[i]->vkey, &time) ==
			TALLY_SIGNED &&
		    time > now)
			now = time;
	}
	return now;
}

/* Cosigns, persists, answers: in this order. */
static int
cosign(struct tally_witness *w, const struct tally_witness_entry *entry,
    const struct tally_witness_request *request, uint64_t time,
    struct tally_witness_answer *out, struct tally_error *error)
{
	const struct tally_span *text = &request->note.text;
	char *note = tally_sys_alloc(TALLY_WITNESS_NOTE_MAX);
	size_t len = request->note_text.len, line;
	int result = TALLY_OK;

	if (note == NULL)
		return tally_fail_memory(error);
	memcpy(note, request->note_text.at, len);
	out->body_len = 0;
	for (size_t i = 0; i < w->signers_len && result == 0; i++) {
		result = tally_note_sign(&w->signers[i]->vkey,
		    w->signers[i]->seed, time, text->at, text->len,
		    out->body + out->body_len, &line);
		out->body_len += result == 0 ? line : 0;
	}
	memcpy(note + len, out->body, out->body_len);
	if (result != 0)
		(void)tally_fail(error, result, "libcrypto cannot sign");
	else
		result = tally_witness_state_put(&w->state, entry, note,
		    len + out->body_len, error);
	tally_sys_free(note);
	out->status = 200;
	out->type = PLAIN;
	return result;
}

static int
judge(struct tally_witness *w, const struct tally_witness_request *request,
    char *text, struct tally_witness_answer *out, struct tally_error *error)
{
	const struct tally_checkpoint *next = &request->checkpoint;
	struct tally_witness_entry entry;
	size_t len;
	int result = tally_witness_state_find(&w->state, next->origin,
	    next->origin_len, &entry, error);

	if (result == 0)
		result = tally_witness_state_keys(&w->state, &entry, error);
	if (result == TALLY_END)
		return answer(out, 404, "the log is not known here\n");
	if (result != 0)
		return result;
	if (!tally_witness_is_signed(&entry, &request->note))
		return answer(out, 403, "no known key of the log signed it\n");
	if (request->old_size > next->size)
		return answer(out, 400, "old is larger than the checkpoint\n");
	result = tally_witness_state_last(&w->state, &entry, text, &len, error);
	if (result != 0)
		return result;
	if (request->old_size != entry.last.size)
		return answer_size(out, entry.last.size);
	if (!extends(w, &entry, request))
		return answer(out, 422,
		    "it is not proven to extend the last checkpoint\n");
	return cosign(w, &entry, request, time_after(w, text, len), out, error);
}

/* ---- locking ---------------------------------------------------------- */

static int
lock(struct tally_witness *w, struct tally_error *error)
{
	int result;

	(void)pthread_mutex_lock(&w->mutex);
	result = tally_witness_state_lock(&w->state, error);
	if (result != 0)
		(void)pthread_mutex_unlock(&w->mutex);
	return result;
}

static void
unlock(struct tally_witness *w)
{
	tally_witness_state_unlock(&w->state);
	(void)pthread_mutex_unlock(&w->mutex);
}

/* ---- the calls -------------------------------------------------------- */

/* A body that is a request, under the lock. */
static int
add(struct tally_witness *w, const struct tally_witness_request *request,
    struct tally_witness_answer *out, struct tally_error *error)
{
	char *text = tally_sys_alloc(TALLY_WITNESS_NOTE_MAX);
	int result;

	if (text == NULL)
		return tally_fail_memory(error);
	result = lock(w, error);
	if (result == 0) {
		result = judge(w, request, text, out, error);
		unlock(w);
	}
	tally_sys_free(text);
	return result;
}

int
tally_witness_add(struct tally_witness *w, const char *body, size_t len,
    struct tally_witness_answer *out, struct tally_error *error)
{
	struct tally_witness_request *request;
	int result;

	if (len > TALLY_WITNESS_REQUEST_MAX)
		return answer(out, 413, "the request is too long\n");
	request = tally_sys_alloc(sizeof(*request));
	if (request == NULL)
		return tally_fail_memory(error);
	if (tally_witness_request_parse(body, len, request) != 0 ||
	    request->note.text.len > TALLY_COSIGNED_MAX)
		result = answer(out, 400,
		    "it is no request to add a checkpoint\n");
	else
		result = add(w, request, out, error);
	tally_sys_free(request);
	return result;
}

int
tally_witness_latest(struct tally_witness *w, const char *origin_hash,
    char **out_note, size_t *out_len, struct tally_error *error)
{
	struct tally_witness_entry entry;
	char *text;
	int result;

	if (strlen(origin_hash) != TALLY_HASH_TEXT_SIZE - 1 ||
	    strspn(origin_hash, "0123456789abcdef") != TALLY_HASH_TEXT_SIZE - 1)
		return TALLY_END;
	memcpy(entry.hash, origin_hash, sizeof(entry.hash));
	text = malloc(TALLY_WITNESS_NOTE_MAX);
	if (text == NULL)
		return tally_fail_memory(error);
	result = lock(w, error);
	if (result == 0) {
		result = tally_witness_state_keys(&w->state, &entry, error);
		if (result == 0)
			result = tally_witness_state_last(&w->state, &entry,
			    text, out_len, error);
		/* It carries our cosignature: as good as an answer. */
		if (result == 0)
			result = tally_witness_state_settle(&w->state, error);
		unlock(w);
	}
	/* The empty tree that the state began with was signed by nobody. */
	if (result == 0 && memcmp(text + *out_len - 2, "\n\n", 2) == 0)
		result = TALLY_END;
	if (result == 0)
		*out_note = text;
	else
		free(text);
	return result;
}

static int
check_signers(struct tally_signer *const *signers, size_t len,
    struct tally_error *error)
{
	if (len == 0 || len > TALLY_WITNESS_SIGNERS_MAX)
		return tally_fail(error, TALLY_E_USAGE,
		    "a witness has 1 to %d keys", TALLY_WITNESS_SIGNERS_MAX);
	for (size_t i = 0; i < len; i++) {
		if (signers[i]->vkey.type != TALLY_VKEY_COSIGNATURE)
			return tally_fail(error, TALLY_E_USAGE,
			    "the key \"%s\" is not one that cosigns; make one"
			    " for the witness",
			    signers[i]->vkey.name);
	}
	return TALLY_OK;
}

int
tally_witness_open(const char *dir, struct tally_signer *const *signers,
    size_t signers_len, struct tally_witness **out, struct tally_error *error)
{
	struct tally_witness *w;
	int result = check_signers(signers, signers_len, error);

	if (result != 0)
		return result;
	w = tally_sys_alloc(sizeof(*w));
	if (w == NULL)
		return tally_fail_memory(error);
	w->signers = signers;
	w->signers_len = signers_len;
	w->state.dir = -1;
	if (pthread_mutex_init(&w->mutex, NULL) != 0) {
		tally_sys_free(w);
		return tally_fail_memory(error);
	}
	result = tally_witness_state_open(dir, &w->state, error);
	if (result == 0)
		*out = w;
	else
		tally_witness_close(w);
	return result;
}

void
tally_witness_close(struct tally_witness *w)
{
	if (w == NULL)
		return;
	tally_witness_state_close(&w->state);
	(void)pthread_mutex_destroy(&w->mutex);
	tally_sys_free(w);
}
