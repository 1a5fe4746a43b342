/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing dispatches.  Members are in the order of their names, without white
 * space, and heads in that of their chains, so that one checkpoint always
 * makes the same bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <tally/dispatch.h>

#include "core/checkpoint.h"
#include "core/sign.h"
#include "log/fail.h"
#include "log/handle.h"
#include "publish/changed.h"
#include "publish/dispatch.h"
#include "publish/signer.h"

/* Every byte of a name may become two. */
#define HEAD_MAX (2 * TALLY_CHAIN_MAX + TALLY_HASH_TEXT_SIZE + 64)
/* Part numbers, signature, and the words around. */
#define REST_MAX 384
#define NOTE_MAX ((size_t)1 << 14)
#define SIGNATURE_BASE64 88

struct making {
	const struct tally_signer *signer;
	tally_dispatch_fn *fn;
	void *arg;
	uint64_t since;
	uint32_t part, parts;
	size_t begin; /* bytes before the first head, in every part */
	size_t len;
	char line[TALLY_DISPATCH_MAX];
};

static void
put(struct making *m, const char *text, size_t len)
{
	memcpy(m->line + m->len, text, len);
	m->len += len;
}

static void
put_word(struct making *m, const char *word)
{
	put(m, word, strlen(word));
}

/* A string of JSON; names and notes hold no control character but the line
 * feed. */
static size_t
string_size(const char *text, size_t len)
{
	size_t size = len + 2;

	for (size_t i = 0; i < len; i++)
		size += text[i] == '"' || text[i] == '\\' || text[i] == '\n';
	return size;
}

static void
put_string(struct making *m, const char *text, size_t len)
{
	m->line[m->len++] = '"';
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"' || text[i] == '\\' || text[i] == '\n')
			m->line[m->len++] = '\\';
		m->line[m->len++] = text[i] == '\n' ? 'n' : text[i];
	}
	m->line[m->len++] = '"';
}

static void
put_head(struct making *m, const struct tally_changed_head *head)
{
	char hash[TALLY_HASH_TEXT_SIZE], seq[32];

	tally_hash_format(&head->hash, hash);
	if (m->len > m->begin)
		put_word(m, ",");
	put_word(m, "{\"chain\":");
	put_string(m, head->chain, head->chain_len);
	put_word(m, ",\"hash\":\"");
	put_word(m, hash);
	(void)snprintf(seq, sizeof(seq), "\",\"seq\":%" PRIu64 "}", head->seq);
	put_word(m, seq);
}

/* The object is done: signature, line feed, out. */
static int
finish_part(struct making *m, struct tally_error *error)
{
	const size_t domain = sizeof(TALLY_DISPATCH_DOMAIN) - 1;
	const size_t before = sizeof(TALLY_DISPATCH_BEGIN) - 1;
	uint8_t signature[TALLY_SIGN_SIZE];
	char numbers[96], text[SIGNATURE_BASE64];
	char *message;
	int result;

	m->part++;
	(void)snprintf(numbers, sizeof(numbers),
	    "],\"part\":%" PRIu32 ",\"parts\":%" PRIu32 ",\"since\":%" PRIu64
	    "}",
	    m->part, m->parts, m->since);
	put_word(m, numbers);
	message = tally_sys_alloc(domain + m->len);
	if (message == NULL)
		return tally_fail_memory(error);
	memcpy(message, TALLY_DISPATCH_DOMAIN, domain);
	memcpy(message + domain, m->line + before, m->len - before);
	result = tally_sign_make(m->signer->seed, message,
	    domain + m->len - before, signature);
	tally_sys_free(message);
	if (result != 0)
		return tally_fail(error, result, "libcrypto cannot sign");
	tally_base64_format(signature, sizeof(signature), text);
	put_word(m, TALLY_DISPATCH_MIDDLE);
	put(m, text, tally_base64_size(sizeof(signature)));
	put_word(m, TALLY_DISPATCH_END "\n");
	result = m->fn(m->arg, m->line, m->len, m->part, m->parts);
	m->len = m->begin;
	return result;
}

/* Is there no room for another head? */
static bool
is_full(const struct making *m)
{
	return m->len + HEAD_MAX + REST_MAX > TALLY_DISPATCH_MAX;
}

/* Once through the heads; fn NULL only counts the parts. */
static int
walk(struct making *m, const struct tally_changed *changed, bool count,
    struct tally_error *error)
{
	int result = TALLY_OK;

	m->len = m->begin;
	for (size_t i = 0; i < changed->count && result == 0; i++) {
		if (is_full(m) && count) {
			m->parts++;
			m->len = m->begin;
		} else if (is_full(m)) {
			result = finish_part(m, error);
		}
		if (result == 0)
			put_head(m, &changed->slot[i]);
	}
	if (count)
		m->parts++;
	else if (result == 0)
		result = finish_part(m, error);
	return result;
}

static int
check_note(const struct tally_log *log, const struct tally_signer *signer,
    const char *note, size_t len, uint64_t since, struct tally_checkpoint *out,
    struct tally_error *error)
{
	enum tally_signed found;
	struct tally_note parsed;

	if (len > NOTE_MAX || string_size(note, len) > 2 * NOTE_MAX ||
	    tally_note_parse(note, len, &parsed) != 0 ||
	    tally_checkpoint_parse(parsed.text.at, parsed.text.len, out) != 0)
		return tally_fail(error, TALLY_E_FORMAT,
		    "what is to go out is no checkpoint");
	/* Whoever can replace public/checkpoint: we do not vouch for it. */
	found = tally_note_check(&parsed, &signer->vkey, NULL);
	if (found != TALLY_SIGNED && !tally_sign_works())
		return tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	if (found != TALLY_SIGNED)
		return tally_fail(error, TALLY_E_USAGE,
		    "the checkpoint is not signed by the key \"%s\"; nothing"
		    " goes out",
		    signer->vkey.name);
	if (strcmp(out->origin, log->identity.origin) != 0 || since > out->size)
		return tally_fail(error, TALLY_E_USAGE,
		    "the checkpoint is of \"%s\", size %llu, and the log is"
		    " \"%s\", from %llu on",
		    out->origin, (unsigned long long)out->size,
		    log->identity.origin, (unsigned long long)since);
	return TALLY_OK;
}

int
tally_dispatch_make(struct tally_log *log, struct tally_signer *signer,
    const char *note, size_t note_len, uint64_t since, tally_dispatch_fn *fn,
    void *arg, struct tally_error *error)
{
	struct tally_changed changed = { 0 };
	struct tally_checkpoint checkpoint;
	struct making *m;
	int result = check_note(log, signer, note, note_len, since, &checkpoint,
	    error);

	if (result != 0)
		return result;
	m = tally_sys_alloc(sizeof(*m));
	if (m == NULL)
		return tally_fail_memory(error);
	m->signer = signer;
	m->fn = fn;
	m->arg = arg;
	m->since = since;
	put_word(m, TALLY_DISPATCH_BEGIN "{\"checkpoint\":");
	put_string(m, note, note_len);
	put_word(m, ",\"heads\":[");
	m->begin = m->len;
	result = tally_changed_read(log, since, checkpoint.size, &changed,
	    error);
	tally_changed_sort(&changed);
	if (result == 0)
		result = walk(m, &changed, true, error);
	if (result == 0)
		result = walk(m, &changed, false, error);
	tally_changed_wipe(&changed);
	tally_sys_free(m);
	return result;
}
