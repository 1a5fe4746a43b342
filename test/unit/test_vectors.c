/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors that come with the format, outside of this tree (see
 * vectors.h): tally.json, made by the format's authors.  Without it these
 * tests are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/event.h"
#include "core/record.h"
#include "core/text.h"
#include "core/tree.h"
#include "vectors.h"

static struct tally_hasher hasher;
static json_t *tally;

static int
open_hasher(void **state)
{
	(void)state;
	return tally_hasher_open(&hasher);
}

static int
close_hasher(void **state)
{
	(void)state;
	tally_hasher_close(&hasher);
	return 0;
}

static void
assert_hash(struct tally_hash hash, const char *want)
{
	char text[TALLY_HASH_TEXT_SIZE];

	tally_hash_format(&hash, text);
	assert_string_equal(text, want);
}

/* ---- tally.json ------------------------------------------------------- */

static void
judge_record(json_t *vector)
{
	const char *text = vectors_text(vector, "line");
	const char *event = vectors_text(vector, "event");
	const char *id = vectors_text(vector, "id");
	struct tally_event_name names[64];
	struct tally_event_room room = { names, 64 };
	char header[TALLY_HEADER_MAX], again[4096], name[256];
	struct tally_line line;
	size_t len;

	assert_int_equal(tally_line_decode(text, strlen(text), &line), 0);
	assert_true(tally_line_holds(&hasher, &line));
	assert_int_equal(tally_event_check(line.event, line.event_len,
			     TALLY_EVENT_DEFAULT, &room),
	    0);
	assert_hash(line.hash, vectors_text(vector, "hash"));
	assert_hash(line.header.digest, vectors_text(vector, "digest"));
	assert_hash(line.header.prev, vectors_text(vector, "prev"));
	assert_int_equal(line.event_len, strlen(event));
	assert_memory_equal(line.event, event, line.event_len);
	assert_int_equal(line.header.seq,
	    json_integer_value(json_object_get(vector, "seq")));
	assert_int_equal(tally_name_unescape(line.header.chain,
			     line.header.chain_len, TALLY_CHAIN_MAX, name,
			     &len),
	    0);
	assert_string_equal(name, vectors_text(vector, "chain"));
	assert_int_equal(line.header.id_len != 0, id != NULL);
	if (id != NULL) {
		assert_int_equal(tally_name_unescape(line.header.id,
				     line.header.id_len, TALLY_ID_MAX, name,
				     &len),
		    0);
		assert_string_equal(name, id);
	}
	tally_time_format(line.header.time_us, name);
	assert_string_equal(name, vectors_text(vector, "time"));
	len = tally_header_encode(&line.header, header);
	assert_int_equal(len, strlen(vectors_text(vector, "header")));
	assert_memory_equal(header, vectors_text(vector, "header"), len);
	len = tally_line_encode(header, len, &line.hash,
	    line.has_salt ? line.salt : NULL, event, strlen(event), again);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(again, text, len);
}

static void
test_vectors__records(void **state)
{
	json_t *vector;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(tally, "records"), i, vector)
		judge_record(vector);
	assert_true(i >= 5);
}

static int
node(void *arg, unsigned height, uint64_t position, struct tally_hash *out)
{
	const struct tally_hash *leaves = arg;
	struct tally_hash left, right;

	if (height == 0) {
		*out = leaves[position];
		return 0;
	}
	if (node(arg, height - 1, 2 * position, &left) != 0 ||
	    node(arg, height - 1, 2 * position + 1, &right) != 0)
		return -1;
	*out = tally_hash_node(&hasher, &left, &right);
	return 0;
}

static void
assert_proof(const struct tally_hash *proof, size_t len, json_t *want)
{
	json_t *hash;
	size_t i;

	assert_int_equal(len, json_array_size(want));
	json_array_foreach(want, i, hash)
		assert_hash(proof[i], json_string_value(hash));
}

static void
test_vectors__tree(void **state)
{
	json_t *item;
	json_t *tree = json_object_get(tally, "tree");
	struct tally_hash leaves[8], root, proof[TALLY_PROOF_MAX];
	struct tally_tree_source source = { node, leaves };
	size_t i, len;

	(void)state;
	json_array_foreach(json_object_get(tally, "records"), i, item)
		leaves[i] = vectors_hash(vectors_text(item, "hash"));
	json_array_foreach(json_object_get(tree, "roots"), i, item) {
		assert_int_equal(tally_tree_root(&hasher, &source, i, &root),
		    0);
		assert_hash(root, json_string_value(item));
	}
	assert_int_equal(i, 6);
	assert_int_equal(tally_inclusion_prove(&hasher, &source, 2, 5, proof,
			     &len),
	    0);
	assert_proof(proof, len, json_object_get(tree, "inclusion_2_of_5"));
	assert_int_equal(tally_consistency_prove(&hasher, &source, 3, 5, proof,
			     &len),
	    0);
	assert_proof(proof, len, json_object_get(tree, "consistency_3_to_5"));
}

/* The last record of each chain, as leaf data of section 8. */
static void
test_vectors__heads_root(void **state)
{
	json_t *chain, *record;
	json_t *tree = json_object_get(tally, "tree");
	json_t *records = json_object_get(tally, "records");
	struct tally_frontier frontier;
	struct tally_hash leaf;
	struct tally_line line;
	const char *text, *last;
	char data[1024], hash[TALLY_HASH_TEXT_SIZE];
	size_t i, k;
	int len;

	(void)state;
	tally_frontier_init(&frontier);
	json_array_foreach(json_object_get(tree, "heads_order"), i, chain) {
		last = NULL;
		json_array_foreach(records, k, record) {
			if (json_equal(json_object_get(record, "chain"), chain))
				last = vectors_text(record, "line");
		}
		assert_non_null(last);
		text = last;
		assert_int_equal(tally_line_decode(text, strlen(text), &line),
		    0);
		tally_hash_format(&line.hash, hash);
		len = snprintf(data, sizeof(data),
		    "{\"chain\":\"%.*s\",\"hash\":\"%s\",\"seq\":%u}",
		    (int)line.header.chain_len, line.header.chain, hash,
		    (unsigned)line.header.seq);
		leaf = tally_hash_leaf(&hasher, data, (size_t)len);
		tally_frontier_append(&hasher, &frontier, &leaf);
	}
	assert_hash(tally_frontier_root(&hasher, &frontier),
	    vectors_text(tree, "heads_root"));
}

static void
test_vectors__row_event(void **state)
{
	json_t *row = json_object_get(tally, "pg_row");
	const char *event = vectors_text(row, "event");
	struct tally_event_name names[64];
	struct tally_event_room room = { names, 64 };

	(void)state;
	assert_int_equal(tally_event_check(event, strlen(event),
			     TALLY_EVENT_DEFAULT, &room),
	    0);
	assert_hash(tally_hash_commitment(&hasher, NULL, event, strlen(event)),
	    vectors_text(row, "digest"));
}

#define TEST(name) cmocka_unit_test(test_vectors__##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records),
		TEST(tree),
		TEST(heads_root),
		TEST(row_event),
	};
	int failed = 0;

	tally = vectors_shared("tally.json", 0);
	/* cmocka 1.1.5 writes "not ok" for a test that was skipped. */
	if (tally == NULL)
		printf("1..0 # SKIP the vectors of the format are absent\n");
	else
		failed = cmocka_run_group_tests(tests, open_hasher,
		    close_hasher);
	json_decref(tally);
	return failed;
}
