/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors: test/vectors/records.json and hostile-lines.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/record.h"
#include "core/text.h"
#include "guard.h"
#include "vectors.h"

static struct tally_hasher hasher;
static struct guard guard;
static json_t *file;

static int
open_all(void **state)
{
	(void)state;
	guard_open(&guard, 8192);
	file = vectors_own("records.json");
	return tally_hasher_open(&hasher);
}

static int
close_all(void **state)
{
	(void)state;
	guard_close(&guard);
	json_decref(file);
	tally_hasher_close(&hasher);
	return 0;
}

static json_t *
records(void)
{
	return json_object_get(file, "records");
}

/* The names and the fields of a vector as the encoder wants them. */
struct built {
	struct tally_header header;
	char chain[TALLY_CHAIN_TEXT_MAX];
	char id[TALLY_ID_TEXT_MAX];
	bool has_salt;
	uint8_t salt[TALLY_SALT_SIZE];
	const char *event;
};

static void
build(json_t *vector, struct built *out)
{
	const char *chain = vectors_text(vector, "chain");
	const char *id = vectors_text(vector, "id");
	const char *salt = vectors_text(vector, "salt");
	struct tally_header *header = &out->header;
	const char *what;

	memset(out, 0, sizeof(*out));
	assert_int_equal(tally_name_escape(chain, strlen(chain),
			     TALLY_CHAIN_MAX, out->chain, &header->chain_len,
			     &what),
	    0);
	header->chain = out->chain;
	if (id != NULL)
		assert_int_equal(tally_name_escape(id, strlen(id), TALLY_ID_MAX,
				     out->id, &header->id_len, &what),
		    0);
	header->id = out->id;
	header->digest = vectors_hash(vectors_text(vector, "digest"));
	header->prev = vectors_hash(vectors_text(vector, "prev"));
	header->seq = (uint64_t)json_integer_value(json_object_get(vector,
	    "seq"));
	header->time_us = json_integer_value(json_object_get(vector,
	    "time_us"));
	out->has_salt = salt != NULL;
	if (salt != NULL)
		assert_int_equal(tally_hex_parse(salt, strlen(salt), true,
				     out->salt, TALLY_SALT_SIZE),
		    0);
	out->event = vectors_text(vector, "event");
}

static void
assert_same_header(const struct tally_header *a, const struct tally_header *b)
{
	assert_int_equal(a->chain_len, b->chain_len);
	assert_memory_equal(a->chain, b->chain, b->chain_len);
	assert_int_equal(a->id_len, b->id_len);
	if (b->id_len > 0)
		assert_memory_equal(a->id, b->id, b->id_len);
	assert_true(tally_hash_equal(&a->digest, &b->digest));
	assert_true(tally_hash_equal(&a->prev, &b->prev));
	assert_true(a->seq == b->seq);
	assert_true(a->time_us == b->time_us);
}

static void
test_record__encodes_the_vectors(void **state)
{
	char header[TALLY_HEADER_MAX], line[8192];
	struct tally_hash hash, digest;
	struct built built;
	const char *want;
	size_t i, len;
	json_t *vector;

	(void)state;
	assert_true(json_array_size(records()) >= 12);
	json_array_foreach(records(), i, vector) {
		build(vector, &built);
		want = vectors_text(vector, "header");
		len = tally_header_encode(&built.header, header);
		assert_int_equal(len, strlen(want));
		assert_memory_equal(header, want, len);
		hash = tally_hash_leaf(&hasher, header, len);
		digest = vectors_hash(vectors_text(vector, "hash"));
		assert_true(tally_hash_equal(&hash, &digest));
		if (built.event == NULL)
			continue;
		digest = tally_hash_commitment(&hasher,
		    built.has_salt ? built.salt : NULL, built.event,
		    strlen(built.event));
		assert_true(tally_hash_equal(&digest, &built.header.digest));
		len = tally_line_encode(header, len, &hash,
		    built.has_salt ? built.salt : NULL, built.event,
		    strlen(built.event), line);
		want = vectors_text(vector, "line");
		assert_int_equal(len, strlen(want));
		assert_memory_equal(line, want, len);
	}
}

static void
assert_body(const struct tally_line *line, json_t *vector,
    const struct built *built)
{
	const char *source = vectors_text(vector, "source");
	char plain[TALLY_CHAIN_MAX + 1];
	size_t len;

	if (built->event != NULL) {
		assert_int_equal(line->body, TALLY_BODY_EVENT);
		assert_int_equal(line->event_len, strlen(built->event));
		assert_memory_equal(line->event, built->event, line->event_len);
		assert_int_equal(line->has_salt, built->has_salt);
		assert_memory_equal(line->salt, built->salt, TALLY_SALT_SIZE);
		return;
	}
	assert_false(line->has_salt);
	if (source == NULL) {
		assert_int_equal(line->body, TALLY_BODY_ERASED);
		assert_null(line->event);
		assert_int_equal(line->order_seq,
		    json_integer_value(json_object_get(vector, "order")));
		return;
	}
	assert_int_equal(line->body, TALLY_BODY_ELSEWHERE);
	assert_int_equal(tally_name_unescape(line->event, line->event_len,
			     TALLY_CHAIN_MAX, plain, &len),
	    0);
	assert_string_equal(plain, source);
}

static void
test_record__decodes_the_vectors(void **state)
{
	struct tally_line line;
	struct tally_hash hash;
	struct built built;
	const char *text;
	size_t i, len;
	json_t *vector;

	(void)state;
	json_array_foreach(records(), i, vector) {
		build(vector, &built);
		text = vectors_text(vector, "line");
		len = strlen(text);
		text = guard_put(&guard, text, len);
		memset(&line, 0xa5, sizeof(line));
		assert_int_equal(tally_line_decode(text, len, &line), 0);
		assert_same_header(&line.header, &built.header);
		assert_ptr_equal(line.header_text, text);
		assert_int_equal(line.header_len,
		    strlen(vectors_text(vector, "header")) - 1);
		hash = vectors_hash(vectors_text(vector, "hash"));
		assert_true(tally_hash_equal(&line.hash, &hash));
		assert_body(&line, vector, &built);
		assert_true(tally_line_holds(&hasher, &line));
	}
}

static void
test_record__refuses_hostile_lines(void **state)
{
	json_t *hostile = vectors_own("hostile-lines.json"), *vector;
	struct tally_line line;
	uint8_t bytes[4096];
	const char *hex;
	size_t i, len;
	int r;

	(void)state;
	json_array_foreach(json_object_get(hostile, "lines"), i, vector) {
		hex = vectors_text(vector, "hex");
		len = strlen(hex) / 2;
		assert_true(len <= sizeof(bytes));
		assert_int_equal(tally_hex_parse(hex, strlen(hex), true, bytes,
				     len),
		    0);
		r = tally_line_decode(guard_put(&guard, bytes, len), len,
		    &line);
		if (r != TALLY_E_FORMAT)
			fail_msg("accepted: %s",
			    vectors_text(vector, "reason"));
	}
	assert_true(i >= 100);
	json_decref(hostile);
}

/*
 * No prefix is a line; with a line feed put behind it, it is one only where
 * the event ends early by chance, and then it does not hold.
 */
static void
test_record__no_prefix_holds(void **state)
{
	struct tally_line line;
	const char *text;
	char *cut;
	size_t i, len, whole;
	json_t *vector;

	(void)state;
	json_array_foreach(records(), i, vector) {
		text = vectors_text(vector, "line");
		whole = strlen(text);
		for (len = 0; len < whole; len++) {
			cut = guard_put(&guard, text, len);
			assert_int_equal(tally_line_decode(cut, len, &line),
			    TALLY_E_FORMAT);
			if (len == whole - 1)
				continue;
			cut = guard_high(&guard, len + 1);
			memcpy(cut, text, len);
			cut[len] = '\n';
			if (tally_line_decode(cut, len + 1, &line) == 0)
				assert_false(tally_line_holds(&hasher, &line));
		}
	}
}

/* What decodes is what encoding its fields gives, byte for byte. */
static void
assert_canonical(const char *text, size_t len, const struct tally_line *line)
{
	char header[TALLY_HEADER_MAX], again[8192];
	size_t header_len, again_len;

	header_len = tally_header_encode(&line->header, header);
	assert_int_equal(header_len, line->header_len + 1);
	assert_memory_equal(header, text, line->header_len);
	if (line->body != TALLY_BODY_EVENT)
		return;
	again_len = tally_line_encode(header, header_len, &line->hash,
	    line->has_salt ? line->salt : NULL, line->event, line->event_len,
	    again);
	assert_int_equal(again_len, len);
	assert_memory_equal(again, text, len);
}

/* Where a change may leave a line that holds: behind hash, if it is gone. */
static bool
may_hold(const struct tally_line *line, size_t at)
{
	size_t bound = line->header_len + strlen(",\"hash\":\"") + 64;

	return line->body != TALLY_BODY_EVENT && at > bound;
}

/* Any byte of any line changed to any other: refused, or does not hold. */
static void
test_record__any_changed_byte_shows(void **state)
{
	struct tally_line line;
	const char *text;
	char *changed;
	size_t i, at, len;
	json_t *vector;
	int c;

	(void)state;
	json_array_foreach(records(), i, vector) {
		text = vectors_text(vector, "line");
		len = strlen(text);
		changed = guard_high(&guard, len);
		memcpy(changed, text, len);
		for (at = 0; at < len; at++) {
			for (c = 1; c < 256; c++) {
				changed[at] = (char)(text[at] ^ c);
				if (tally_line_decode(changed, len, &line))
					continue;
				assert_canonical(changed, len, &line);
				if (!may_hold(&line, at))
					assert_false(tally_line_holds(&hasher,
					    &line));
			}
			changed[at] = text[at];
		}
	}
}

/* A byte taken out or put in. */
static void
test_record__any_shift_shows(void **state)
{
	static const char extra[] = "\"\\ 0a,}{";
	struct tally_line line;
	const char *text;
	char *changed;
	size_t i, at, len, k;
	json_t *vector;

	(void)state;
	json_array_foreach(records(), i, vector) {
		text = vectors_text(vector, "line");
		len = strlen(text);
		for (at = 0; at < len; at++) {
			changed = guard_high(&guard, len - 1);
			memcpy(changed, text, at);
			memcpy(changed + at, text + at + 1, len - at - 1);
			if (tally_line_decode(changed, len - 1, &line) == 0 &&
			    !may_hold(&line, at))
				assert_false(tally_line_holds(&hasher, &line));
			for (k = 0; k < sizeof(extra) - 1; k++) {
				changed = guard_high(&guard, len + 1);
				memcpy(changed, text, at);
				changed[at] = extra[k];
				memcpy(changed + at + 1, text + at, len - at);
				if (tally_line_decode(changed, len + 1,
					&line) == 0 &&
				    !may_hold(&line, at))
					assert_false(tally_line_holds(&hasher,
					    &line));
			}
		}
	}
}

/* Hash, digest and salt are each of them judged. */
static void
test_record__holds_judges_each_part(void **state)
{
	const char *text = vectors_text(json_array_get(records(), 2), "line");
	struct tally_line line, other;

	(void)state;
	assert_int_equal(tally_line_decode(text, strlen(text), &line), 0);
	assert_true(line.has_salt);
	assert_true(tally_line_holds(&hasher, &line));
	assert_true(tally_line_event_holds(&hasher, &line));
	other = line;
	other.hash.b[31] ^= 1;
	assert_false(tally_line_holds(&hasher, &other));
	assert_true(tally_line_event_holds(&hasher, &other));
	other = line;
	other.salt[0] ^= 1;
	assert_false(tally_line_event_holds(&hasher, &other));
	other = line;
	other.has_salt = false;
	assert_false(tally_line_event_holds(&hasher, &other));
	other = line;
	other.header.digest.b[0] ^= 0x80;
	assert_false(tally_line_event_holds(&hasher, &other));
	other = line;
	other.event_len--;
	assert_false(tally_line_event_holds(&hasher, &other));
}

/* A hasher that failed vouches for nothing, not even for zeros. */
static void
test_record__failed_hasher_holds_nothing(void **state)
{
	const char *text = vectors_text(json_array_get(records(), 0), "line");
	struct tally_hasher failed;
	struct tally_line line;

	(void)state;
	assert_int_equal(tally_hasher_open(&failed), 0);
	failed.failed = true;
	assert_int_equal(tally_line_decode(text, strlen(text), &line), 0);
	assert_false(tally_line_holds(&failed, &line));
	memset(&line.hash, 0, sizeof(line.hash));
	memset(&line.header.digest, 0, sizeof(line.header.digest));
	assert_false(tally_line_holds(&failed, &line));
	assert_false(tally_line_event_holds(&failed, &line));
	tally_hasher_close(&failed);
}

/* The longest of everything fits what the header promises. */
static void
test_record__bounds_are_enough(void **state)
{
	char chain[TALLY_CHAIN_TEXT_MAX], id[TALLY_ID_TEXT_MAX];
	char header[TALLY_HEADER_MAX];
	char line[TALLY_HEADER_MAX + TALLY_LINE_EXTRA + 2];
	struct tally_header fields = {
		.chain = chain,
		.chain_len = sizeof(chain),
		.id = id,
		.id_len = sizeof(id),
		.seq = TALLY_SEQ_MAX,
		.time_us = INT64_C(253402300799999999),
	};
	uint8_t salt[TALLY_SALT_SIZE];
	struct tally_line decoded;
	size_t len;

	(void)state;
	memset(chain, '\\', sizeof(chain));
	memset(id, '\\', sizeof(id));
	memset(salt, 0xff, sizeof(salt));
	len = tally_header_encode(&fields, header);
	assert_true(len <= TALLY_HEADER_MAX);
	len = tally_line_encode(header, len, &fields.digest, salt, "{}", 2,
	    line);
	assert_true(len <= sizeof(line));
	assert_true(len <= TALLY_LINE_MAX(2));
	assert_int_equal(tally_line_decode(guard_put(&guard, line, len), len,
			     &decoded),
	    0);
	assert_same_header(&decoded.header, &fields);
}

#define TEST(name) cmocka_unit_test(test_record__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(encodes_the_vectors),
		TEST(decodes_the_vectors),
		TEST(refuses_hostile_lines),
		TEST(no_prefix_holds),
		TEST(any_changed_byte_shows),
		TEST(any_shift_shows),
		TEST(holds_judges_each_part),
		TEST(failed_hasher_holds_nothing),
		TEST(bounds_are_enough),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
