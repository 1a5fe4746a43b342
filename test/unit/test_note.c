/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed notes, keys and checkpoints: test/vectors/notes.json, and every bit
 * of a note of our own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/checkpoint.h"
#include "guard.h"
#include "vectors.h"

static struct tally_hasher hasher;
static struct guard guard;
static json_t *vectors;

static int
open_all(void **state)
{
	(void)state;
	guard_open(&guard, TALLY_NOTE_MAX + 4096);
	vectors = vectors_own("notes.json");
	return tally_hasher_open(&hasher);
}

static int
close_all(void **state)
{
	(void)state;
	tally_hasher_close(&hasher);
	json_decref(vectors);
	guard_close(&guard);
	return 0;
}

/* A text of a vector, flush against the end of its memory. */
static const char *
put(json_t *object, const char *name, size_t *out_len)
{
	json_t *text = json_object_get(object, name);

	*out_len = json_string_length(text);
	return guard_put(&guard, json_string_value(text), *out_len);
}

static struct tally_vkey
key_of(size_t i)
{
	json_t *text = json_array_get(json_object_get(vectors, "keys"), i);
	struct tally_vkey vkey;

	assert_int_equal(tally_vkey_parse(&hasher, json_string_value(text),
			     json_string_length(text), &vkey),
	    0);
	return vkey;
}

static void
test_note__published_keys(void **state)
{
	char again[TALLY_VKEY_TEXT_MAX];
	struct tally_vkey vkey;
	json_t *text;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(vectors, "keys"), i, text) {
		vkey = key_of(i);
		assert_int_equal(vkey.type, TALLY_VKEY_ED25519);
		assert_int_equal(tally_vkey_format(&vkey, again),
		    json_string_length(text));
		assert_string_equal(again, json_string_value(text));
	}
	assert_true(i >= 2);
}

static void
test_note__good(void **state)
{
	struct tally_note note;
	struct tally_vkey vkey;
	const char *text;
	json_t *item;
	size_t i, len;

	(void)state;
	json_array_foreach(json_object_get(vectors, "good"), i, item) {
		text = put(item, "note", &len);
		vkey = key_of((size_t)json_integer_value(json_object_get(item,
		    "key")));
		assert_int_equal(tally_note_parse(text, len, &note), 0);
		assert_int_equal(tally_note_check(&note, &vkey, NULL),
		    json_is_true(json_object_get(item, "signed"))
			? TALLY_SIGNED
			: TALLY_UNSIGNED);
	}
	assert_true(i >= 4);
	/* The last one is split at its last empty line. */
	assert_int_equal(note.text.len, 5);
}

/* The published cosignature: its id, its time, its length. */
static void
test_note__published_cosignature(void **state)
{
	json_t *item = json_array_get(json_object_get(vectors, "good"), 2);
	struct tally_note_signature signature;
	struct tally_checkpoint checkpoint;
	struct tally_note note;
	size_t len, cursor = 0;
	const char *text = put(item, "note", &len);
	uint64_t time = 0;
	int i;

	(void)state;
	assert_int_equal(tally_note_parse(text, len, &note), 0);
	assert_int_equal(note.signatures, 2);
	assert_int_equal(tally_note_next(&note, &cursor, &signature), 0);
	assert_int_equal(tally_note_next(&note, &cursor, &signature), 0);
	assert_int_equal(signature.id, 0x8d66cf3f);
	assert_int_equal(signature.len, 72);
	for (i = 0; i < 8; i++)
		time = time << 8 | signature.bytes[i];
	assert_int_equal(time, 1679315147);
	assert_int_equal(tally_note_next(&note, &cursor, &signature),
	    TALLY_END);
	assert_int_equal(tally_checkpoint_parse(note.text.at, note.text.len,
			     &checkpoint),
	    0);
	assert_string_equal(checkpoint.origin, "example.com/behind-the-sofa");
	assert_int_equal(checkpoint.size, 20852163);
	assert_false(checkpoint.extended);
}

static void
test_note__wrong(void **state)
{
	struct tally_vkey vkey = key_of(0);
	struct tally_note note;
	const char *text;
	json_t *item;
	size_t i, len;

	(void)state;
	json_array_foreach(json_object_get(vectors, "wrong"), i, item) {
		text = put(item, "note", &len);
		assert_int_equal(tally_note_parse(text, len, &note), 0);
		if (tally_note_check(&note, &vkey, NULL) !=
		    TALLY_SIGNED_WRONGLY)
			fail_msg("%s", vectors_text(item, "why"));
	}
	assert_true(i >= 3);
}

static void
test_note__malformed(void **state)
{
	struct tally_note note;
	const char *text;
	json_t *item;
	size_t i, len;

	(void)state;
	json_array_foreach(json_object_get(vectors, "malformed"), i, item) {
		text = put(item, "note", &len);
		if (tally_note_parse(text, len, &note) != TALLY_E_FORMAT)
			fail_msg("%s", vectors_text(item, "why"));
	}
	assert_true(i >= 20);
	text = guard_put(&guard, "te\xffxt\n\n\xe2\x80\x94 x AAAAAAA=\n", 20);
	assert_int_equal(tally_note_parse(text, 20, &note), TALLY_E_FORMAT);
}

static void
test_note__bad_keys(void **state)
{
	struct tally_vkey vkey;
	const char *text;
	json_t *item;
	size_t i, len;
	int result;

	(void)state;
	json_array_foreach(json_object_get(vectors, "bad_keys"), i, item) {
		text = put(item, "key", &len);
		result = tally_vkey_parse(&hasher, text, len, &vkey);
		if (result != TALLY_E_FORMAT && result != TALLY_E_VERSION)
			fail_msg("%s", vectors_text(item, "why"));
	}
	assert_true(i >= 10);
}

static void
test_note__bad_texts(void **state)
{
	struct tally_checkpoint checkpoint;
	const char *text;
	json_t *item;
	size_t i, len;

	(void)state;
	json_array_foreach(json_object_get(vectors, "bad_texts"), i, item) {
		text = put(item, "text", &len);
		if (tally_checkpoint_parse(text, len, &checkpoint) !=
		    TALLY_E_FORMAT)
			fail_msg("%s", vectors_text(item, "why"));
	}
	assert_true(i >= 15);
}

/* RFC 8032, section 7.1, tests 1 to 3. */
static void
test_note__ed25519_of_the_rfc(void **state)
{
	static const struct {
		const char *seed, *key, *message, *signature;
	} known[] = {
		{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae"
		  "7f60",
		    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f7"
		    "07511a",
		    "",
		    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522"
		    "4901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246551"
		    "41438e7a100b" },
		{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8"
		  "a6fb",
		    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12a"
		    "f4660c",
		    "72",
		    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223eb"
		    "db69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d"
		    "291612bb0c00" },
		{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b44"
		  "58f7",
		    "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548"
		    "908025",
		    "af82",
		    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db"
		    "5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027"
		    "beceea1ec40a" },
	};
	uint8_t seed[32], key[32], want_key[32], message[2];
	uint8_t signature[64], want[64];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		len = strlen(known[i].message) / 2;
		assert_int_equal(tally_hex_parse(known[i].seed, 64, true, seed,
				     32),
		    0);
		assert_int_equal(tally_hex_parse(known[i].key, 64, true,
				     want_key, 32),
		    0);
		assert_int_equal(tally_hex_parse(known[i].signature, 128, true,
				     want, 64),
		    0);
		assert_int_equal(tally_hex_parse(known[i].message, 2 * len,
				     true, message, len),
		    0);
		assert_int_equal(tally_sign_public(seed, key), 0);
		assert_memory_equal(key, want_key, sizeof(key));
		assert_int_equal(tally_sign_make(seed, message, len, signature),
		    0);
		assert_memory_equal(signature, want, sizeof(want));
		assert_true(tally_sign_check(key, message, len, signature));
		signature[63] ^= 0x20;
		assert_false(tally_sign_check(key, message, len, signature));
	}
	tally_sign_wipe(seed, sizeof(seed));
	memset(key, 0, sizeof(key));
	assert_memory_equal(seed, key, sizeof(seed));
}

/* ---- one of our own --------------------------------------------------- */

static const uint8_t own_seed[32] = { 1, 2, 3 };

static struct tally_vkey
own_key(enum tally_vkey_type type)
{
	struct tally_vkey vkey;
	uint8_t key[32];

	assert_int_equal(tally_sign_public(own_seed, key), 0);
	tally_vkey_init(&hasher, "example.org/audit", 17, type, key, &vkey);
	return vkey;
}

static size_t
own_note(enum tally_vkey_type type, char *out)
{
	struct tally_checkpoint checkpoint = {
		.origin = "example.org/audit", .origin_len = 17, .size = 5751
	};
	struct tally_vkey vkey = own_key(type);
	size_t text_len, line_len;

	checkpoint.root = tally_hash_bytes(&hasher, "root", 4);
	text_len = tally_checkpoint_format(&checkpoint, out);
	assert_int_equal(tally_note_sign(&vkey, own_seed, 1795773600, out,
			     text_len, out + text_len + 1, &line_len),
	    0);
	out[text_len] = '\n';
	return text_len + 1 + line_len;
}

static void
test_note__what_we_write_is_read(void **state)
{
	static const enum tally_vkey_type types[] = { TALLY_VKEY_ED25519,
		TALLY_VKEY_COSIGNATURE };
	struct tally_checkpoint checkpoint;
	char text[1024], again[TALLY_VKEY_TEXT_MAX];
	struct tally_vkey vkey, read;
	struct tally_note note;
	uint64_t time;
	size_t i, len;

	(void)state;
	for (i = 0; i < 2; i++) {
		vkey = own_key(types[i]);
		len = tally_vkey_format(&vkey, again);
		assert_int_equal(tally_vkey_parse(&hasher, again, len, &read),
		    0);
		assert_true(tally_vkey_equal(&vkey, &read));
		len = own_note(types[i], text);
		assert_int_equal(tally_note_parse(text, len, &note), 0);
		assert_int_equal(tally_note_check(&note, &vkey, &time),
		    TALLY_SIGNED);
		assert_true(time == (i == 0 ? 0 : 1795773600));
		vkey = own_key(types[1 - i]);
		assert_int_equal(tally_note_check(&note, &vkey, NULL),
		    TALLY_UNSIGNED);
		assert_int_equal(tally_checkpoint_parse(note.text.at,
				     note.text.len, &checkpoint),
		    0);
		assert_int_equal(checkpoint.size, 5751);
	}
}

/* Whichever bit is turned, the note holds for nobody. */
static void
test_note__every_bit_counts(void **state)
{
	static const enum tally_vkey_type types[] = { TALLY_VKEY_ED25519,
		TALLY_VKEY_COSIGNATURE };
	struct tally_note note;
	struct tally_vkey vkey;
	char text[1024];
	size_t t, i, len;

	(void)state;
	for (t = 0; t < 2; t++) {
		vkey = own_key(types[t]);
		len = own_note(types[t], text);
		for (i = 0; i < 8 * len; i++) {
			text[i / 8] ^= (char)(1 << i % 8);
			if (tally_note_parse(text, len, &note) == 0 &&
			    tally_note_check(&note, &vkey, NULL) ==
				TALLY_SIGNED)
				fail_msg("bit %zu", i);
			text[i / 8] ^= (char)(1 << i % 8);
		}
		for (i = 0; i < len; i++)
			assert_int_equal(tally_note_parse(guard_put(&guard,
							      text, i),
					     i, &note),
			    TALLY_E_FORMAT);
	}
}

static void
test_note__bounds(void **state)
{
	static const char line[] = "\xe2\x80\x94 x AAAAAAA=\n";
	const size_t line_len = sizeof(line) - 1;
	char *text = guard_low(&guard), out[TALLY_SIGNATURE_LINE_MAX];
	struct tally_vkey vkey = own_key(TALLY_VKEY_COSIGNATURE);
	struct tally_note note;
	char name[257];
	size_t i, len;

	(void)state;
	memcpy(text, "t\n\n", 3);
	for (i = 0; i <= TALLY_NOTE_SIGNATURES_MAX; i++)
		memcpy(text + 3 + i * line_len, line, line_len);
	len = 3 + TALLY_NOTE_SIGNATURES_MAX * line_len;
	assert_int_equal(tally_note_parse(text, len, &note), 0);
	assert_int_equal(note.signatures, TALLY_NOTE_SIGNATURES_MAX);
	assert_int_equal(tally_note_parse(text, len + line_len, &note),
	    TALLY_E_FORMAT);

	memset(text, 'x', TALLY_NOTE_MAX + 1);
	memcpy(text + TALLY_NOTE_MAX - line_len - 2, "\n\n", 2);
	memcpy(text + TALLY_NOTE_MAX - line_len, line, line_len);
	assert_int_equal(tally_note_parse(text, TALLY_NOTE_MAX, &note), 0);
	assert_int_equal(tally_note_parse(text + 1, TALLY_NOTE_MAX - 1, &note),
	    0);
	memcpy(text + TALLY_NOTE_MAX - line_len - 1, "\n\n", 2);
	memcpy(text + TALLY_NOTE_MAX + 1 - line_len, line, line_len);
	assert_int_equal(tally_note_parse(text, TALLY_NOTE_MAX + 1, &note),
	    TALLY_E_FORMAT);

	memset(text, 'x', TALLY_COSIGNED_MAX + 1);
	assert_int_equal(tally_note_sign(&vkey, own_seed, 1, text,
			     TALLY_COSIGNED_MAX, out, &len),
	    0);
	assert_int_equal(tally_note_sign(&vkey, own_seed, 1, text,
			     TALLY_COSIGNED_MAX + 1, out, &len),
	    TALLY_E_LIMIT);
	assert_int_equal(tally_note_sign(&vkey, own_seed,
			     (uint64_t)INT64_MAX + 1, text, 1, out, &len),
	    TALLY_E_LIMIT);

	memset(name, 'n', sizeof(name));
	assert_true(tally_key_name_is_legal(name, TALLY_KEY_NAME_MAX));
	assert_false(tally_key_name_is_legal(name, TALLY_KEY_NAME_MAX + 1));
}

#define TEST(name) cmocka_unit_test(test_note__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(published_keys),
		TEST(good),
		TEST(published_cosignature),
		TEST(wrong),
		TEST(malformed),
		TEST(bad_keys),
		TEST(bad_texts),
		TEST(ed25519_of_the_rfc),
		TEST(what_we_write_is_read),
		TEST(every_bit_counts),
		TEST(bounds),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
