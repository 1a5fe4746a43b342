/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed notes (c2sp.org/signed-note): a text, an empty line, signature lines.
 *
 *     <text, which ends in a line feed>
 *     <empty line>
 *     -- <key name> <base64 of: key id (4), signature>   (the -- is U+2014)
 *
 * A vkey is a key for checking, as text: <name>+<key id>+<base64 of: type (1),
 * key>.  We check Ed25519 (type 1) and Ed25519 cosignatures (type 4,
 * c2sp.org/tlog-cosignature); others are keys that nobody here knows.
 *
 * 1. A note is split at its last empty line; its text may hold others.
 * 2. A signature is its key's if name and id are; a known key's signature that
 *    does not hold spoils the note, an unknown key's says nothing.
 * 3. Nothing is accepted that would be written differently: base64 and
 *    numbers are canonical.
 */
#ifndef TALLY_CORE_NOTE_H
#define TALLY_CORE_NOTE_H

#include "core/hash.h"
#include "core/sign.h"

#define TALLY_NOTE_MAX ((size_t)1 << 20) /* bytes of a whole note */
#define TALLY_NOTE_SIGNATURES_MAX 64
#define TALLY_NOTE_BLOB_MAX 8192 /* bytes of key id and signature */
#define TALLY_KEY_NAME_MAX 255
#define TALLY_COSIGNED_MAX 4096 /* bytes of a text that is cosigned */

/* No vkey of ours is longer, NUL included. */
#define TALLY_VKEY_TEXT_MAX (TALLY_KEY_NAME_MAX + 1 + 8 + 1 + 44 + 1)

/* No signature line of ours is longer, line feed included. */
#define TALLY_SIGNATURE_LINE_MAX (3 + 1 + TALLY_KEY_NAME_MAX + 1 + 104 + 1)

/* A piece of somebody else's text. */
struct tally_span {
	const char *at;
	size_t len;
};

enum tally_vkey_type {
	TALLY_VKEY_ED25519 = 1,
	TALLY_VKEY_COSIGNATURE = 4,
};

struct tally_vkey {
	char name[TALLY_KEY_NAME_MAX + 1];
	size_t name_len;
	uint32_t id;
	enum tally_vkey_type type;
	uint8_t key[TALLY_SIGN_PUBLIC_SIZE];
};

/* A note taken apart; it views the caller's bytes. */
struct tally_note {
	struct tally_span text;  /* with its last line feed: what is signed */
	struct tally_span lines; /* the signature lines */
	size_t signatures;
};

struct tally_note_signature {
	struct tally_span name;
	uint32_t id;
	size_t len; /* behind the id */
	uint8_t bytes[TALLY_NOTE_BLOB_MAX];
};

/* Not empty, UTF-8, at most TALLY_KEY_NAME_MAX bytes, no white space of
 * Unicode, no control character, no '+'.  Origins are such names. */
bool
tally_key_name_is_legal(const char *name, size_t len);

/* The vkey of a public key; name must be legal. */
void
tally_vkey_init(struct tally_hasher *hasher, const char *name, size_t len,
    enum tally_vkey_type type, const uint8_t key[TALLY_SIGN_PUBLIC_SIZE],
    struct tally_vkey *out);

/* Returns 0; TALLY_E_FORMAT, also for an id that is not the key's;
 * TALLY_E_VERSION for a type that we do not know. */
TALLY_MUST_CHECK int
tally_vkey_parse(struct tally_hasher *hasher, const char *text, size_t len,
    struct tally_vkey *out);

/* Writes text and NUL; returns the length. */
size_t
tally_vkey_format(const struct tally_vkey *vkey, char out[TALLY_VKEY_TEXT_MAX]);

bool
tally_vkey_equal(const struct tally_vkey *a, const struct tally_vkey *b);

/* Every signature line is looked at.  Returns 0 or TALLY_E_FORMAT. */
TALLY_MUST_CHECK int
tally_note_parse(const char *note, size_t len, struct tally_note *out);

/* The signatures one by one, *cursor first 0.  Returns 0 or TALLY_END. */
TALLY_MUST_CHECK int
tally_note_next(const struct tally_note *note, size_t *cursor,
    struct tally_note_signature *out);

enum tally_signed {
	TALLY_UNSIGNED = 0,   /* it has no signature of that key */
	TALLY_SIGNED,         /* it has, and it holds */
	TALLY_SIGNED_WRONGLY, /* it has one that does not hold */
};

/*
 * Has the key signed the note?  out_time gets a cosignature's time in seconds
 * (the latest of several), else 0; it may be NULL.
 */
enum tally_signed
tally_note_check(const struct tally_note *note, const struct tally_vkey *vkey,
    uint64_t *out_time);

/*
 * Writes the signature line of a text that ends in a line feed; time is that
 * of a cosignature.  Returns 0; TALLY_E_LIMIT if the text is too long to be
 * cosigned; TALLY_E_MEMORY.
 */
TALLY_MUST_CHECK int
tally_note_sign(const struct tally_vkey *vkey,
    const uint8_t seed[TALLY_SIGN_SEED_SIZE], uint64_t time, const char *text,
    size_t len, char out[TALLY_SIGNATURE_LINE_MAX], size_t *out_len);

#endif
