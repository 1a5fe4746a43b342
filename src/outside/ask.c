/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include <tally/proof.h>

#include "core/witness.h"
#include "outside/ask.h"
#include "outside/fail.h"
#include "outside/http.h"
#include "outside/shown.h"

#define PATH "/add-checkpoint"
#define SHOWN "/checkpoint"
#define SIZE_TYPE "text/x.tlog.size"
#define REPLY_MAX ((size_t)1 << 16)
#define CLAIM_MAX 128
#define TRIES 3

enum {
	OK = 200,
	CONFLICT = 409,
	UNPROVEN = 422,
};

/* ---- evidence --------------------------------------------------------- */

/* The address, with a path behind it; NULL: out of memory. */
static char *
join(const char *url, const char *path)
{
	size_t room = strlen(url) + strlen(path) + 1;
	char *out = malloc(room);

	if (out != NULL)
		(void)snprintf(out, room, "%s%s", url, path);
	return out;
}

/* Is it the witness's own, beyond what it is asked for? */
static bool
is_ahead(const struct tally_ask *ask, const struct tally_http *http,
    const struct tally_shown *shown)
{
	struct tally_note note;

	return shown->verdict == TALLY_SHOWN_AGREES &&
	    shown->size > ask->checkpoint->size &&
	    tally_note_parse(http->reply, http->reply_len, &note) == 0 &&
	    tally_note_check(&note, ask->vkey, NULL) == TALLY_SIGNED;
}

/* With a checkpoint that the log's own key signed; who says it, is claim. */
static int
accuse(struct tally_ask *ask, const char *claim,
    const struct tally_shown *shown, struct tally_error *error)
{
	ask->against = TALLY_ASK_BREAK;
	return tally_fail(error, TALLY_E_DAMAGED,
	    "%s a checkpoint of size %llu that the log's key signed: %s", claim,
	    (unsigned long long)shown->size, shown->detail);
}

static int
judge_shown(struct tally_ask *ask, const char *claim,
    const struct tally_http *http, struct tally_error *error)
{
	char shows[TALLY_KEY_NAME_MAX + CLAIM_MAX];
	struct tally_shown shown;
	int result = tally_shown_judge(ask->options, http->reply,
	    http->reply_len, &shown, error);

	if (result != 0)
		return result;
	if (is_ahead(ask, http, &shown)) {
		ask->against = TALLY_ASK_NOTHING;
		return TALLY_END;
	}
	if (shown.verdict == TALLY_SHOWN_BREAK) {
		(void)snprintf(shows, sizeof(shows),
		    "the witness \"%s\" %s, and shows", ask->vkey->name, claim);
		return accuse(ask, shows, &shown, error);
	}
	return tally_fail(error, TALLY_E_IO,
	    "the witness \"%s\" %s, and shows no evidence of that: what is at"
	    " \"%s\" %s",
	    ask->vkey->name, claim, http->url,
	    shown.verdict == TALLY_SHOWN_AGREES
		? "agrees with the log"
		: "is no checkpoint that the log's key signed");
}

/* What the witness claims by its answer, it must be able to show. */
static int
look_for_evidence(struct tally_ask *ask, const char *claim,
    struct tally_error *error)
{
	char path[sizeof("/") + TALLY_HASH_TEXT_SIZE + sizeof(SHOWN)], *url;
	struct tally_http http = {
		.method = "GET", .ca = ask->ca, .reply_max = REPLY_MAX
	};
	struct tally_error why = { 0 };
	int result;

	ask->against = TALLY_ASK_CLAIM;
	(void)snprintf(path, sizeof(path), "/%s" SHOWN, ask->origin_hash);
	http.url = url = join(ask->url, path);
	if (url == NULL)
		return tally_outside_fail_memory(error);
	result = tally_http_perform(&http, &why);
	if (result == 0 && http.status != OK)
		result = tally_http_refused(&http, &why);
	if (result == 0)
		result = judge_shown(ask, claim, &http, error);
	else
		result = tally_fail(error, TALLY_E_IO,
		    "the witness \"%s\" %s, and shows no evidence of that:"
		    " %s",
		    ask->vkey->name, claim, why.message);
	tally_http_wipe(&http);
	free(url);
	return result;
}

/* ---- asking ----------------------------------------------------------- */

/* The queue may hold anything; what the log's key signed is evidence. */
static int
judge_own(struct tally_ask *ask, struct tally_error *error)
{
	struct tally_shown shown;
	int result = tally_shown_judge(ask->options, ask->note, ask->note_len,
	    &shown, error);

	if (result == 0 && shown.verdict == TALLY_SHOWN_BREAK)
		return accuse(ask, "the queue holds", &shown, error);
	if (result == 0)
		result = tally_fail(error, TALLY_E_IO,
		    "the log is shorter than the checkpoint in the queue, which"
		    " its key did not sign; remove the queue");
	return result;
}

/* The request from the size that the witness has. */
static int
make_body(struct tally_ask *ask, char **out, size_t *out_len,
    struct tally_error *error)
{
	struct tally_consistency proof = { 0 };
	char *body;
	size_t len;
	int result = TALLY_OK;

	if (ask->checkpoint->size > 0)
		result = tally_log_consistency(ask->options->log,
		    ask->known_size, ask->checkpoint->size, &proof, error);
	if (result == TALLY_END)
		result = judge_own(ask, error);
	if (result != 0)
		return result;
	body = malloc(TALLY_WITNESS_HEAD_MAX + ask->note_len);
	if (body == NULL)
		return tally_outside_fail_memory(error);
	len = tally_witness_request_head(ask->known_size, proof.path,
	    proof.path_len, body);
	memcpy(body + len, ask->note, ask->note_len);
	*out = body;
	*out_len = len + ask->note_len;
	return TALLY_OK;
}

static int
post(struct tally_ask *ask, struct tally_http *http, struct tally_error *error)
{
	char *url = join(ask->url, PATH), *body = NULL;
	size_t body_len = 0;
	int result = make_body(ask, &body, &body_len, error);

	if (url == NULL && result == 0)
		result = tally_outside_fail_memory(error);
	if (result == 0) {
		http->method = "POST";
		http->url = url;
		http->body = body;
		http->body_len = body_len;
		http->ca = ask->ca;
		http->reply_max = REPLY_MAX;
		result = tally_http_header(&http->headers, "Content-Type",
		    "text/plain; charset=utf-8", error);
	}
	if (result == 0)
		result = tally_http_perform(http, error);
	curl_slist_free_all(http->headers);
	http->headers = NULL;
	/* The request is done; only its address is looked at again. */
	http->url = ask->url;
	http->body = NULL;
	free(url);
	free(body);
	return result;
}

/* The first line of the reply that is this witness's, and holds. */
static int
take_line(const struct tally_ask *ask, const struct tally_http *http,
    char out[TALLY_SIGNATURE_LINE_MAX], size_t *out_len,
    struct tally_error *error)
{
	const char *at = http->reply, *end = at + http->reply_len;
	char *note = malloc(ask->note_len + TALLY_SIGNATURE_LINE_MAX);
	int result = TALLY_E_IO;

	if (note == NULL)
		return tally_outside_fail_memory(error);
	memcpy(note, ask->note, ask->note_len);
	while (at < end && result != 0) {
		const char *feed = memchr(at, '\n', (size_t)(end - at));
		size_t len = feed == NULL ? 0 : (size_t)(feed - at) + 1;
		struct tally_note parsed;

		if (len == 0)
			break;
		if (len <= TALLY_SIGNATURE_LINE_MAX) {
			memcpy(note + ask->note_len, at, len);
			if (tally_note_parse(note, ask->note_len + len,
				&parsed) == 0 &&
			    tally_note_check(&parsed, ask->vkey, NULL) ==
				TALLY_SIGNED) {
				memcpy(out, at, len);
				*out_len = len;
				result = TALLY_OK;
			}
		}
		at += len;
	}
	free(note);
	if (result != 0)
		return tally_fail(error, TALLY_E_IO,
		    "\"%s\" answers with no cosignature of \"%s\" that holds",
		    ask->url, ask->vkey->name);
	return TALLY_OK;
}

/* 409: the size that the witness has; 0 if it is worth another request. */
static int
take_size(struct tally_ask *ask, const struct tally_http *http,
    struct tally_error *error)
{
	size_t len = http->reply_len;
	char claim[CLAIM_MAX];
	uint64_t size;

	if (strncmp(http->type, SIZE_TYPE, sizeof(SIZE_TYPE) - 1) != 0 ||
	    len == 0 || http->reply[len - 1] != '\n' ||
	    tally_decimal_parse(http->reply, len - 1, TALLY_CHECKPOINT_SIZE_MAX,
		&size) != 0)
		return look_for_evidence(ask,
		    "saw another root at this size, or answers 409 without a"
		    " size",
		    error);
	if (size > ask->checkpoint->size) {
		(void)snprintf(claim, sizeof(claim),
		    "says that it saw size %llu, and the checkpoint has %llu",
		    (unsigned long long)size,
		    (unsigned long long)ask->checkpoint->size);
		return look_for_evidence(ask, claim, error);
	}
	ask->known_size = size;
	return TALLY_OK;
}

/*
 * 409 to the last request, too; asked: from which size that one was.  Who has
 * the very size that he was asked from saw another root there: nothing else is
 * left of what a witness answers 409 to.
 */
static int
give_up(struct tally_ask *ask, uint64_t asked, struct tally_error *error)
{
	char claim[CLAIM_MAX];

	if (ask->known_size != asked)
		return tally_fail(error, TALLY_E_BUSY,
		    "others ask the witness \"%s\" all the time",
		    ask->vkey->name);
	(void)snprintf(claim, sizeof(claim),
	    "refuses to go on from size %llu, which it says that it has",
	    (unsigned long long)asked);
	return look_for_evidence(ask, claim, error);
}

int
tally_witness_ask(struct tally_ask *ask, char out[TALLY_SIGNATURE_LINE_MAX],
    size_t *out_len, struct tally_error *error)
{
	uint64_t asked = 0;
	bool again = true;
	int result = TALLY_OK;

	ask->against = TALLY_ASK_NOTHING;
	if (ask->known_size > ask->checkpoint->size)
		ask->known_size = 0;
	for (int i = 0; i < TRIES && again && result == 0; i++) {
		struct tally_http http = { 0 };

		again = false;
		asked = ask->known_size;
		result = post(ask, &http, error);
		if (result == 0 && http.status == OK)
			result = take_line(ask, &http, out, out_len, error);
		else if (result == 0 && http.status == CONFLICT)
			again = (result = take_size(ask, &http, error)) == 0;
		else if (result == 0 && http.status == UNPROVEN)
			result = look_for_evidence(ask,
			    "says that it saw other records than the log has",
			    error);
		else if (result == 0)
			result = tally_http_refused(&http, error);
		tally_http_wipe(&http);
	}
	if (result == 0 && again)
		result = give_up(ask, asked, error);
	if (result == 0)
		ask->known_size = ask->checkpoint->size;
	return result;
}
