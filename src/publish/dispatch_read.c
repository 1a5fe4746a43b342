/* SPDX-License-Identifier: Apache-2.0 */
/* Taking dispatches apart, judging who signed them. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <tally/dispatch.h>

#include "core/checkpoint.h"
#include "core/sign.h"
#include "log/fail.h"
#include "log/sys.h"
#include "publish/dispatch.h"

#define PARTS_MAX UINT32_MAX
#define SIGNATURE_BASE64 88
#define BEGIN_LEN (sizeof(TALLY_DISPATCH_BEGIN) - 1)
#define MIDDLE_LEN (sizeof(TALLY_DISPATCH_MIDDLE) - 1)
#define END_LEN (sizeof(TALLY_DISPATCH_END) - 1)
#define BEHIND_LEN (MIDDLE_LEN + SIGNATURE_BASE64 + END_LEN)

/* What lies in tally_dispatch.storage. */
struct storage {
	json_t *object; /* NULL: a bare checkpoint, in note */
	char *note;
	struct tally_outside_head *heads;
};

/* The pieces of a line, by their fixed places. */
struct pieces {
	const char *object;
	size_t object_len;
	uint8_t signature[TALLY_SIGN_SIZE];
};

static int
refuse(struct tally_error *error)
{
	return tally_fail(error, TALLY_E_FORMAT,
	    "it is neither a dispatch nor a checkpoint");
}

static bool
cut(const char *text, size_t len, struct pieces *out)
{
	const char *behind;
	size_t got;

	if (len < BEGIN_LEN + 2 + BEHIND_LEN)
		return false;
	behind = text + len - BEHIND_LEN;
	if (memcmp(text, TALLY_DISPATCH_BEGIN, BEGIN_LEN) != 0 ||
	    memcmp(behind, TALLY_DISPATCH_MIDDLE, MIDDLE_LEN) != 0 ||
	    memcmp(text + len - END_LEN, TALLY_DISPATCH_END, END_LEN) != 0 ||
	    tally_base64_parse(behind + MIDDLE_LEN, SIGNATURE_BASE64,
		out->signature, sizeof(out->signature), &got) != 0 ||
	    got != TALLY_SIGN_SIZE)
		return false;
	out->object = text + BEGIN_LEN;
	out->object_len = (size_t)(behind - out->object);
	return true;
}

/* ---- members ---------------------------------------------------------- */

static bool
take_count(const json_t *object, const char *name, uint64_t max, uint64_t *out)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static bool
take_head(const json_t *value, struct tally_outside_head *out)
{
	const json_t *chain = json_object_get(value, "chain");
	const json_t *hash = json_object_get(value, "hash");

	if (!json_is_string(chain) || !json_is_string(hash) ||
	    json_string_length(chain) == 0 ||
	    json_string_length(chain) > TALLY_CHAIN_MAX ||
	    tally_hash_parse(json_string_value(hash), json_string_length(hash),
		&out->hash) != 0 ||
	    !take_count(value, "seq", TALLY_SEQ_MAX, &out->seq) ||
	    out->seq == 0)
		return false;
	out->chain = json_string_value(chain);
	out->chain_len = json_string_length(chain);
	return true;
}

static int
take_heads(const json_t *object, struct storage *storage,
    struct tally_dispatch *out)
{
	const json_t *heads = json_object_get(object, "heads");
	size_t count = json_array_size(heads);

	if (!json_is_array(heads))
		return TALLY_E_FORMAT;
	storage->heads = tally_sys_alloc((count + 1) * sizeof(*storage->heads));
	if (storage->heads == NULL)
		return TALLY_E_MEMORY;
	for (size_t i = 0; i < count; i++) {
		if (!take_head(json_array_get(heads, i), &storage->heads[i]))
			return TALLY_E_FORMAT;
	}
	out->heads = storage->heads;
	out->heads_len = count;
	return TALLY_OK;
}

static int
take_members(const json_t *object, struct storage *storage,
    struct tally_dispatch *out)
{
	const json_t *note = json_object_get(object, "checkpoint");
	uint64_t part, parts;

	if (json_object_size(object) != 5 || !json_is_string(note) ||
	    !take_count(object, "since", TALLY_CHECKPOINT_SIZE_MAX,
		&out->since) ||
	    !take_count(object, "parts", PARTS_MAX, &parts) ||
	    !take_count(object, "part", parts, &part) || part == 0)
		return TALLY_E_FORMAT;
	out->part = (uint32_t)part;
	out->parts = (uint32_t)parts;
	out->note = json_string_value(note);
	out->note_len = json_string_length(note);
	return take_heads(object, storage, out);
}

/* ---- signatures ------------------------------------------------------- */

static bool
signs_line(const struct tally_vkey *vkey, const struct pieces *pieces,
    char *message)
{
	const size_t domain = sizeof(TALLY_DISPATCH_DOMAIN) - 1;

	memcpy(message, TALLY_DISPATCH_DOMAIN, domain);
	memcpy(message + domain, pieces->object, pieces->object_len);
	return tally_sign_check(vkey->key, message, domain + pieces->object_len,
	    pieces->signature);
}

/* What one key says; line: of the line, if it signed the checkpoint. */
static enum tally_signed
judge_key(const struct tally_vkey *vkey, const struct pieces *pieces,
    const struct tally_note *note, char *message, bool *out_line)
{
	enum tally_signed found = tally_note_check(note, vkey, NULL);

	if (found == TALLY_SIGNED &&
	    (pieces->object == NULL || signs_line(vkey, pieces, message)))
		*out_line = true;
	return found;
}

/* Of the keys that signed the checkpoint, one must have signed the line. */
static int
judge(const struct pieces *pieces, const struct tally_note *note,
    const char *const *vkeys, size_t vkeys_len, struct tally_dispatch *out,
    struct tally_error *error)
{
	size_t room = sizeof(TALLY_DISPATCH_DOMAIN) + pieces->object_len;
	bool is_note = false, is_line = false, is_wrong = false;
	struct tally_hasher hasher;
	struct tally_vkey vkey;
	char *message = tally_sys_alloc(room);
	int result = tally_hasher_open(&hasher);

	if (result != 0 || message == NULL)
		result = tally_fail_memory(error);
	for (size_t i = 0; i < vkeys_len && result == 0; i++) {
		if (tally_vkey_parse(&hasher, vkeys[i], strlen(vkeys[i]),
			&vkey) != 0)
			result = tally_fail(error, TALLY_E_USAGE,
			    "\"%s\" is no key", vkeys[i]);
		else if (vkey.type == TALLY_VKEY_ED25519 &&
		    strcmp(vkey.name, out->origin) == 0)
			switch (judge_key(&vkey, pieces, note, message,
			    &is_line)) {
			case TALLY_SIGNED:
				is_note = true;
				break;
			case TALLY_SIGNED_WRONGLY:
				is_wrong = true;
				break;
			case TALLY_UNSIGNED:
				break;
			}
	}
	out->verdict = TALLY_DISPATCH_OTHER_KEY;
	if (is_wrong || (is_note && !is_line))
		out->verdict = TALLY_DISPATCH_FORGED;
	else if (is_note)
		out->verdict = TALLY_DISPATCH_SIGNED;
	/* Nobody is called a forger for want of memory. */
	if (result == 0 && out->verdict != TALLY_DISPATCH_SIGNED &&
	    !tally_sign_works())
		result = tally_fail(error, TALLY_E_BUG, "libcrypto failed");
	tally_hasher_close(&hasher);
	tally_sys_free(message);
	return result;
}

/* ---- the calls -------------------------------------------------------- */

static int
take_checkpoint(struct tally_dispatch *out, struct tally_note *note,
    struct tally_error *error)
{
	struct tally_checkpoint checkpoint;

	if (tally_note_parse(out->note, out->note_len, note) != 0 ||
	    tally_checkpoint_parse(note->text.at, note->text.len,
		&checkpoint) != 0 ||
	    out->since > checkpoint.size)
		return refuse(error);
	memcpy(out->origin, checkpoint.origin, checkpoint.origin_len + 1);
	out->size = checkpoint.size;
	out->root = checkpoint.root;
	return TALLY_OK;
}

static int
parse(const char *text, size_t len, struct pieces *pieces,
    struct storage *storage, struct tally_dispatch *out,
    struct tally_error *error)
{
	json_error_t why;
	int result;

	if (len == 0 || text[0] != '{') {
		storage->note = tally_sys_alloc(len + 1);
		if (storage->note == NULL)
			return tally_fail_memory(error);
		memcpy(storage->note, text, len);
		out->note = storage->note;
		out->note_len = len;
		return TALLY_OK;
	}
	if (text[len - 1] == '\n')
		len--;
	if (!cut(text, len, pieces))
		return refuse(error);
	storage->object = json_loadb(pieces->object, pieces->object_len,
	    JSON_REJECT_DUPLICATES, &why);
	/* No memory is no reason to call a line somebody else's. */
	if (storage->object == NULL &&
	    json_error_code(&why) == json_error_out_of_memory)
		return tally_fail_memory(error);
	result = take_members(storage->object, storage, out);
	if (result == TALLY_E_MEMORY)
		return tally_fail_memory(error);
	return result == 0 ? TALLY_OK : refuse(error);
}

int
tally_dispatch_parse(const char *text, size_t len, const char *const *vkeys,
    size_t vkeys_len, struct tally_dispatch *out, struct tally_error *error)
{
	struct storage *storage;
	struct pieces pieces = { 0 };
	struct tally_note note;
	int result;

	memset(out, 0, sizeof(*out));
	storage = tally_sys_alloc(sizeof(*storage));
	if (storage == NULL)
		return tally_fail_memory(error);
	out->storage = storage;
	result = len > TALLY_NOTE_MAX
	    ? refuse(error)
	    : parse(text, len, &pieces, storage, out, error);
	if (result == 0)
		result = take_checkpoint(out, &note, error);
	if (result == 0)
		result = judge(&pieces, &note, vkeys, vkeys_len, out, error);
	if (result != 0)
		tally_dispatch_wipe(out);
	return result;
}

void
tally_dispatch_wipe(struct tally_dispatch *dispatch)
{
	struct storage *storage = dispatch->storage;

	if (storage != NULL) {
		json_decref(storage->object);
		tally_sys_free(storage->note);
		tally_sys_free(storage->heads);
		tally_sys_free(storage);
	}
	memset(dispatch, 0, sizeof(*dispatch));
}
