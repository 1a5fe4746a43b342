/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The witnesses of a policy (c2sp.org/tlog-policy): each that has an address
 * is asked; delivered is a checkpoint when the policy holds.  The cosignatures
 * go into public/checkpoint.  Read back is what the witnesses show.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tally/witness.h>

#include "outside/ask.h"
#include "outside/fail.h"
#include "outside/http.h"
#include "outside/members.h"
#include "outside/sink.h"

#define NOTE_MAX ((size_t)1 << 16)

struct witnesses {
	char *text; /* of the policy */
	size_t text_len;
	char *ca;
	struct tally_policy policy;
	uint64_t known_size[TALLY_POLICY_MEMBERS_MAX];
};

static int
witnesses_open(struct tally_sink *sink, const json_t *config,
    struct tally_error *error)
{
	struct witnesses *own = calloc(1, sizeof(*own));
	struct tally_hasher hasher = { 0 };
	const char *path = NULL;
	int result;

	if (own == NULL)
		return tally_outside_fail_memory(error);
	sink->own = own;
	result = tally_sink_text(sink, config, "policy", true, &path, error);
	if (result == 0)
		result = tally_sink_text_dup(sink, config, "ca", false,
		    &own->ca, error);
	if (result == 0)
		result = tally_member_slurp(path, TALLY_POLICY_TEXT_MAX,
		    &own->text, &own->text_len, error);
	if (result == 0 && tally_hasher_open(&hasher) != 0)
		result = tally_outside_fail_memory(error);
	if (result == 0)
		result = tally_policy_parse(&hasher, own->text, own->text_len,
		    &own->policy, error);
	tally_hasher_close(&hasher);
	return result;
}

static void
witnesses_close(struct tally_sink *sink)
{
	struct witnesses *own = sink->own;

	free(own->text);
	free(own->ca);
	free(own);
}

/* The address of a witness, without a slash at its end; NULL: it has none. */
static char *
url_of(const struct witnesses *own, size_t i, const char *behind)
{
	const struct tally_policy_word *url = &own->policy.members[i].url;
	size_t len = url->len, room;
	char *out;

	if (own->policy.members[i].is_group || len == 0)
		return NULL;
	while (len > 0 && own->text[url->at + len - 1] == '/')
		len--;
	room = len + strlen(behind) + 1;
	out = malloc(room);
	if (out != NULL)
		(void)snprintf(out, room, "%.*s%s", (int)len,
		    own->text + url->at, behind);
	return out;
}

/* ---- sending ---------------------------------------------------------- */

struct round {
	struct tally_sink *sink;
	struct tally_checkpoint checkpoint;
	char note[NOTE_MAX];        /* with the cosignatures so far */
	size_t asked_len, note_len; /* without, and with them */
	unsigned failures, ahead;
	enum tally_ask_against worst;
	struct tally_error first; /* failure, of the worst */
};

/* One witness; its failure is remembered, and the next one is asked. */
static void
ask_one(struct round *round, size_t i)
{
	struct witnesses *own = round->sink->own;
	char line[TALLY_SIGNATURE_LINE_MAX];
	struct tally_error error = { 0 };
	struct tally_ask ask = { .options = round->sink->options,
		.origin_hash = round->sink->origin_hash,
		.ca = own->ca,
		.vkey = &own->policy.members[i].vkey,
		.note = round->note,
		.note_len = round->asked_len,
		.checkpoint = &round->checkpoint,
		.known_size = own->known_size[i] };
	char *url = url_of(own, i, "");
	size_t len;
	int result;

	if (url == NULL)
		return;
	ask.url = url;
	result = tally_witness_ask(&ask, line, &len, &error);
	own->known_size[i] = ask.known_size;
	free(url);
	if (result == 0 && round->note_len + len <= NOTE_MAX) {
		memcpy(round->note + round->note_len, line, len);
		round->note_len += len;
		return;
	}
	if (result == TALLY_END) {
		round->ahead++;
		return;
	}
	/* A log that is not what went out is worse than a server that is
	 * down. */
	if (round->failures++ == 0 || ask.against > round->worst) {
		round->first = error;
		round->worst = ask.against;
	}
}

static int
judge_round(struct round *round, struct tally_error *error)
{
	const struct witnesses *own = round->sink->own;
	struct tally_note note;

	/* A claim may be a lie, and spoils no quorum silently. */
	if (round->worst != TALLY_ASK_NOTHING)
		return tally_fail(error,
		    round->worst == TALLY_ASK_BREAK ? TALLY_E_DAMAGED
						    : TALLY_E_IO,
		    "%s", round->first.message);
	if (tally_note_parse(round->note, round->note_len, &note) != 0)
		return tally_fail(error, TALLY_E_FORMAT,
		    "the cosigned checkpoint is none");
	switch (tally_policy_check(&own->policy, &note, &round->checkpoint)) {
	case TALLY_POLICY_HOLDS:
		return TALLY_OK;
	case TALLY_POLICY_NO_LOG:
		return tally_fail(error, TALLY_E_USAGE,
		    "the policy of the sink \"%s\" does not name the log's key",
		    round->sink->name);
	case TALLY_POLICY_NO_QUORUM:
		/* A later one is cosigned, which holds all of this one. */
		if (round->failures == 0 && round->ahead > 0)
			return TALLY_OK;
		return tally_fail(error, TALLY_E_IO,
		    "too few witnesses cosigned: %s",
		    round->failures > 0 ? round->first.message
					: "the others have no address");
	case TALLY_POLICY_SPOILED:
		break;
	}
	return tally_fail(error, TALLY_E_FORMAT,
	    "a signature of the cosigned checkpoint does not hold");
}

static int
cosign(struct round *round, struct tally_error *error)
{
	const struct tally_outside_options *options = round->sink->options;
	int result;

	if (options->log_dir == NULL || round->note_len == round->asked_len)
		return TALLY_OK;
	result = tally_publish_cosign(options->log_dir, round->note,
	    round->note_len, error);
	/* A newer one is public: it will be cosigned itself. */
	return result == TALLY_END ? TALLY_OK : result;
}

static int
witnesses_send(struct tally_sink *sink, const struct tally_sink_line *line,
    struct tally_error *error)
{
	const struct tally_dispatch *dispatch = line->dispatch;
	struct witnesses *own = sink->own;
	struct round *round;
	struct tally_note note;
	int result;

	if (dispatch->part != dispatch->parts)
		return TALLY_OK;
	round = calloc(1, sizeof(*round));
	if (round == NULL)
		return tally_outside_fail_memory(error);
	round->sink = sink;
	round->asked_len = round->note_len = dispatch->note_len;
	if (dispatch->note_len > NOTE_MAX ||
	    tally_note_parse(dispatch->note, dispatch->note_len, &note) != 0 ||
	    tally_checkpoint_parse(note.text.at, note.text.len,
		&round->checkpoint) != 0) {
		free(round);
		return tally_fail(error, TALLY_E_FORMAT,
		    "what is to be cosigned is no checkpoint");
	}
	memcpy(round->note, dispatch->note, dispatch->note_len);
	for (size_t i = 0; i < own->policy.members_len; i++)
		ask_one(round, i);
	/* What was given is kept, although it may be too few; and another
	 * history is told although that cannot be. */
	result = cosign(round, error);
	if (result == 0 || round->worst == TALLY_ASK_BREAK)
		result = judge_round(round, error);
	free(round);
	return result;
}

/* ---- reading ---------------------------------------------------------- */

static int
witnesses_read(struct tally_sink *sink, uint64_t since, tally_sink_line_fn *fn,
    void *arg, struct tally_error *error)
{
	const struct witnesses *own = sink->own;
	char behind[TALLY_HASH_TEXT_SIZE + sizeof("//checkpoint")];
	int result = TALLY_OK, worst = TALLY_OK;

	(void)since;
	(void)snprintf(behind, sizeof(behind), "/%s/checkpoint",
	    sink->origin_hash);
	/* One that is down hides nothing of what the others saw. */
	for (size_t i = 0; i < own->policy.members_len; i++) {
		char *url = url_of(own, i, behind);
		struct tally_http http = { .method = "GET",
			.url = url,
			.ca = own->ca,
			.reply_max = NOTE_MAX };

		if (url == NULL)
			continue;
		result = tally_http_perform(&http, error);
		if (result == 0 && http.status == 200 && http.reply_len > 0)
			result = fn(arg, http.reply, http.reply_len);
		else if (result == 0 && http.status != 404)
			result = tally_http_refused(&http, error);
		if (worst == TALLY_OK)
			worst = result;
		tally_http_wipe(&http);
		free(url);
	}
	return worst;
}

const struct tally_sink_kind tally_sink_witnesses = {
	.type = "witnesses",
	.open = witnesses_open,
	.send = witnesses_send,
	.read = witnesses_read,
	.close = witnesses_close,
};
