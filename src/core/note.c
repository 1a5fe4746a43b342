/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/json.h"
#include "core/note.h"
#include "core/text.h"

#define ID_SIZE 4
#define TIME_SIZE 8
#define COSIGNATURE_HEAD "cosignature/v1\ntime "

static const char dash[] = "\xe2\x80\x94 ";

/* ---- names and keys --------------------------------------------------- */

/* White space as Unicode has it, of the characters from U+0080 on. */
static bool
is_wide_space(const uint8_t *at, size_t len)
{
	static const char *const spaces[] = { "\xc2\x85", "\xc2\xa0",
		"\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
		"\xe2\x81\x9f", "\xe3\x80\x80" };
	size_t i;

	/* U+2000 to U+200A */
	if (len == 3 && at[0] == 0xe2 && at[1] == 0x80 && at[2] <= 0x8a)
		return true;
	for (i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		if (strlen(spaces[i]) == len && memcmp(spaces[i], at, len) == 0)
			return true;
	}
	return false;
}

bool
tally_key_name_is_legal(const char *name, size_t len)
{
	const uint8_t *at = (const uint8_t *)name, *end = at + len;

	if (len == 0 || len > TALLY_KEY_NAME_MAX)
		return false;
	while (at < end) {
		const uint8_t *next = at + 1;

		if (*at <= 0x20 || *at == 0x7f || *at == '+')
			return false;
		if (*at >= 0x80) {
			next = tally_utf8_next(at, end);
			if (next == NULL ||
			    is_wide_space(at, (size_t)(next - at)))
				return false;
			/* U+0080 to U+009F */
			if (at[0] == 0xc2 && at[1] < 0xa0)
				return false;
		}
		at = next;
	}
	return true;
}

static uint32_t
get_id(const uint8_t bytes[ID_SIZE])
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	    (uint32_t)bytes[2] << 8 | bytes[3];
}

static void
put_id(uint32_t id, uint8_t out[ID_SIZE])
{
	out[0] = (uint8_t)(id >> 24);
	out[1] = (uint8_t)(id >> 16);
	out[2] = (uint8_t)(id >> 8);
	out[3] = (uint8_t)id;
}

void
tally_vkey_init(struct tally_hasher *hasher, const char *name, size_t len,
    enum tally_vkey_type type, const uint8_t key[TALLY_SIGN_PUBLIC_SIZE],
    struct tally_vkey *out)
{
	uint8_t kind[2] = { '\n', (uint8_t)type };
	struct tally_hash hash;

	memset(out, 0, sizeof(*out));
	memcpy(out->name, name, len);
	out->name_len = len;
	out->type = type;
	memcpy(out->key, key, sizeof(out->key));
	tally_hash_begin(hasher);
	tally_hash_add(hasher, name, len);
	tally_hash_add(hasher, kind, sizeof(kind));
	tally_hash_add(hasher, key, TALLY_SIGN_PUBLIC_SIZE);
	hash = tally_hash_end(hasher);
	out->id = get_id(hash.b);
}

int
tally_vkey_parse(struct tally_hasher *hasher, const char *text, size_t len,
    struct tally_vkey *out)
{
	const char *plus = len == 0 ? NULL : memchr(text, '+', len);
	size_t name_len = plus == NULL ? 0 : (size_t)(plus - text);
	uint8_t id[ID_SIZE], blob[1 + TALLY_SIGN_PUBLIC_SIZE];
	size_t rest = len - name_len, got;
	int result;

	if (plus == NULL || !tally_key_name_is_legal(text, name_len) ||
	    rest < 11 || plus[9] != '+' ||
	    tally_hex_parse(plus + 1, 8, true, id, sizeof(id)) != 0)
		return TALLY_E_FORMAT;
	result = tally_base64_parse(plus + 10, rest - 10, blob, sizeof(blob),
	    &got);
	/* Longer keys are of types that we do not know. */
	if (result == TALLY_E_LIMIT)
		return TALLY_E_VERSION;
	if (result != 0)
		return TALLY_E_FORMAT;
	if (blob[0] != TALLY_VKEY_ED25519 && blob[0] != TALLY_VKEY_COSIGNATURE)
		return TALLY_E_VERSION;
	if (got != sizeof(blob))
		return TALLY_E_FORMAT;
	tally_vkey_init(hasher, text, name_len, (enum tally_vkey_type)blob[0],
	    blob + 1, out);
	if (tally_hasher_failed(hasher))
		return TALLY_E_BUG;
	return out->id == get_id(id) ? 0 : TALLY_E_FORMAT;
}

size_t
tally_vkey_format(const struct tally_vkey *vkey, char out[TALLY_VKEY_TEXT_MAX])
{
	uint8_t id[ID_SIZE], blob[1 + TALLY_SIGN_PUBLIC_SIZE];
	size_t len = vkey->name_len;

	put_id(vkey->id, id);
	blob[0] = (uint8_t)vkey->type;
	memcpy(blob + 1, vkey->key, sizeof(vkey->key));
	memcpy(out, vkey->name, len);
	out[len++] = '+';
	tally_hex_format(id, sizeof(id), out + len);
	len += 2 * sizeof(id);
	out[len++] = '+';
	tally_base64_format(blob, sizeof(blob), out + len);
	len += tally_base64_size(sizeof(blob));
	out[len] = '\0';
	return len;
}

bool
tally_vkey_equal(const struct tally_vkey *a, const struct tally_vkey *b)
{
	return a->type == b->type && a->name_len == b->name_len &&
	    memcmp(a->name, b->name, a->name_len) == 0 &&
	    memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

/* ---- notes ------------------------------------------------------------ */

/* UTF-8 without control characters below U+0020 but line feeds. */
static bool
is_note_text(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if ((uint8_t)text[i] < 0x20 && text[i] != '\n')
			return false;
	}
	return tally_is_utf8(text, len);
}

/* One signature line, without its line feed. */
static int
parse_signature(const char *line, size_t len, struct tally_note_signature *out)
{
	const size_t dash_len = sizeof(dash) - 1;
	uint8_t blob[TALLY_NOTE_BLOB_MAX];
	const char *space;
	size_t got;

	if (len <= dash_len || memcmp(line, dash, dash_len) != 0)
		return TALLY_E_FORMAT;
	line += dash_len;
	len -= dash_len;
	space = memchr(line, ' ', len);
	if (space == NULL)
		return TALLY_E_FORMAT;
	out->name.at = line;
	out->name.len = (size_t)(space - line);
	if (!tally_key_name_is_legal(line, out->name.len))
		return TALLY_E_FORMAT;
	len -= out->name.len + 1;
	if (tally_base64_parse(space + 1, len, blob, sizeof(blob), &got) != 0 ||
	    got <= ID_SIZE)
		return TALLY_E_FORMAT;
	out->id = get_id(blob);
	out->len = got - ID_SIZE;
	memcpy(out->bytes, blob + ID_SIZE, out->len);
	return 0;
}

int
tally_note_next(const struct tally_note *note, size_t *cursor,
    struct tally_note_signature *out)
{
	const char *line = note->lines.at + *cursor, *feed;

	if (*cursor >= note->lines.len)
		return TALLY_END;
	feed = memchr(line, '\n', note->lines.len - *cursor);
	if (feed == NULL)
		return TALLY_E_FORMAT;
	*cursor += (size_t)(feed - line) + 1;
	return parse_signature(line, (size_t)(feed - line), out);
}

int
tally_note_parse(const char *note, size_t len, struct tally_note *out)
{
	struct tally_note_signature signature;
	size_t at = len, cursor = 0;
	int result;

	if (len < 3 || len > TALLY_NOTE_MAX || note[len - 1] != '\n' ||
	    !is_note_text(note, len))
		return TALLY_E_FORMAT;
	/* at: behind the last empty line */
	while (at >= 2 && !(note[at - 1] == '\n' && note[at - 2] == '\n'))
		at--;
	if (at < 3 || at == len)
		return TALLY_E_FORMAT;
	out->text.at = note;
	out->text.len = at - 1;
	out->lines.at = note + at;
	out->lines.len = len - at;
	out->signatures = 0;
	while ((result = tally_note_next(out, &cursor, &signature)) == 0) {
		if (++out->signatures > TALLY_NOTE_SIGNATURES_MAX)
			return TALLY_E_FORMAT;
	}
	return result == TALLY_END ? 0 : result;
}

/* What a cosignature signs; 0 if the text is too long. */
static size_t
cosigned_message(uint64_t time, const char *text, size_t len,
    char out[sizeof(COSIGNATURE_HEAD) + TALLY_DECIMAL_MAX + TALLY_COSIGNED_MAX])
{
	size_t at = sizeof(COSIGNATURE_HEAD) - 1;

	if (len > TALLY_COSIGNED_MAX)
		return 0;
	memcpy(out, COSIGNATURE_HEAD, at);
	at += tally_decimal_format(time, out + at);
	out[at++] = '\n';
	memcpy(out + at, text, len);
	return at + len;
}

static bool
signature_holds(const struct tally_note *note, const struct tally_vkey *vkey,
    const struct tally_note_signature *signature, uint64_t *out_time)
{
	char message[sizeof(COSIGNATURE_HEAD) + TALLY_DECIMAL_MAX +
	    TALLY_COSIGNED_MAX];
	uint64_t time = 0;
	size_t len;
	int i;

	*out_time = 0;
	if (vkey->type == TALLY_VKEY_ED25519)
		return signature->len == TALLY_SIGN_SIZE &&
		    tally_sign_check(vkey->key, note->text.at, note->text.len,
			signature->bytes);
	if (signature->len != TIME_SIZE + TALLY_SIGN_SIZE)
		return false;
	for (i = 0; i < TIME_SIZE; i++)
		time = time << 8 | signature->bytes[i];
	len = cosigned_message(time, note->text.at, note->text.len, message);
	if (time > INT64_MAX || len == 0)
		return false;
	*out_time = time;
	return tally_sign_check(vkey->key, message, len,
	    signature->bytes + TIME_SIZE);
}

enum tally_signed
tally_note_check(const struct tally_note *note, const struct tally_vkey *vkey,
    uint64_t *out_time)
{
	enum tally_signed found = TALLY_UNSIGNED;
	struct tally_note_signature signature;
	uint64_t time, latest = 0;
	size_t cursor = 0;

	while (tally_note_next(note, &cursor, &signature) == 0) {
		if (signature.id != vkey->id ||
		    signature.name.len != vkey->name_len ||
		    memcmp(signature.name.at, vkey->name, vkey->name_len) != 0)
			continue;
		if (!signature_holds(note, vkey, &signature, &time))
			return TALLY_SIGNED_WRONGLY;
		found = TALLY_SIGNED;
		if (time > latest)
			latest = time;
	}
	if (out_time != NULL)
		*out_time = latest;
	return found;
}

int
tally_note_sign(const struct tally_vkey *vkey,
    const uint8_t seed[TALLY_SIGN_SEED_SIZE], uint64_t time, const char *text,
    size_t len, char out[TALLY_SIGNATURE_LINE_MAX], size_t *out_len)
{
	char message[sizeof(COSIGNATURE_HEAD) + TALLY_DECIMAL_MAX +
	    TALLY_COSIGNED_MAX];
	uint8_t blob[ID_SIZE + TIME_SIZE + TALLY_SIGN_SIZE];
	size_t at = ID_SIZE, message_len = len;
	int i, result;

	put_id(vkey->id, blob);
	if (vkey->type == TALLY_VKEY_COSIGNATURE) {
		message_len = cosigned_message(time, text, len, message);
		if (message_len == 0 || time > INT64_MAX)
			return TALLY_E_LIMIT;
		for (i = 0; i < TIME_SIZE; i++)
			blob[at++] = (uint8_t)(time >> (56 - 8 * i));
		text = message;
	}
	result = tally_sign_make(seed, text, message_len, blob + at);
	if (result != 0)
		return result;
	at += TALLY_SIGN_SIZE;
	memcpy(out, dash, sizeof(dash) - 1);
	*out_len = sizeof(dash) - 1;
	memcpy(out + *out_len, vkey->name, vkey->name_len);
	*out_len += vkey->name_len;
	out[(*out_len)++] = ' ';
	tally_base64_format(blob, at, out + *out_len);
	*out_len += tally_base64_size(at);
	out[(*out_len)++] = '\n';
	return 0;
}
