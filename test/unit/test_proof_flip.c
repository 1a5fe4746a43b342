/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What travels, with every bit of it turned: a proof, a bundle, a proof of
 * consistency, a checkpoint and the tiles of it.  None holds any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tally/bundle.h>
#include <tally/proof.h>
#include <tally/publish.h>

#include "core/checkpoint.h"
#include "core/note.h"
#include "core/tree.h"
#include "log/sys.h"

#define PLACE_ORIGIN "example.org/unit"
#include "place.h"

#define RECORDS 300
#define TEXT_MAX 65536

static struct place *place;
static char vkey[TALLY_VKEY_TEXT_SIZE];
static const char *const vkeys[] = { vkey };
static const struct tally_trust trust = { .vkeys = vkeys, .vkeys_len = 1 };
static struct tally_log *opened;
static char text[TEXT_MAX], old_note[TEXT_MAX];
static size_t text_len, old_len;

static void
must(int result)
{
	if (result != 0)
		fail_msg("%d, %s", result, place->error.message);
}

static void
append(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char name[16];
		struct tally_append request = {
			.chain = name, .event = "{\"a\":\"x\"}", .event_len = 9
		};

		request.chain_len = (size_t)snprintf(name, sizeof(name), "c%u",
		    i % 100);
		must(tally_log_append(opened, &request, 1, TALLY_BUFFERED, NULL,
		    &place->error));
	}
}

static size_t
read_public(const char *name, void *out, size_t room)
{
	char path[256];
	FILE *file;
	size_t len;

	(void)snprintf(path, sizeof(path), "%s/public/%s", place->dir, name);
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("there is no %s", path);
	len = fread(out, 1, room, file);
	(void)fclose(file);
	return len;
}

static void
publish(struct tally_signer *signer)
{
	struct tally_signer *const signers[] = { signer };
	const struct tally_publish_options how = { .signers = signers,
		.signers_len = 1 };
	struct tally_publisher *publisher;
	struct tally_published_checkpoint out;

	must(tally_publisher_open(opened, &how, &publisher, &place->error));
	must(tally_publisher_publish(publisher, &out, &place->error));
	assert_int_equal(out.verdict, TALLY_PUBLISH_SIGNED);
	free(out.note);
	tally_publisher_close(publisher);
}

static int
begin(void **state)
{
	struct tally_signer *signer;
	char key[192];

	if (setup(state) != 0)
		return -1;
	place = *state;
	(void)snprintf(key, sizeof(key), "%s/key", place->top);
	must(tally_key_generate(key, PLACE_ORIGIN, NULL, vkey, &place->error));
	must(tally_signer_load(key, NULL, &signer, &place->error));
	opened = must_open(place);
	append(0, 20);
	publish(signer);
	old_len = read_public("checkpoint", old_note, sizeof(old_note));
	append(20, RECORDS - 3);
	publish(signer);
	tally_signer_free(signer);
	return 0;
}

static int
end(void **state)
{
	must_close(opened);
	return teardown(state);
}

/* holds says whether the text does, by the key alone. */
static void
turn_every_bit(bool (*holds)(void))
{
	assert_true(holds());
	for (size_t i = 0; i < 8 * text_len; i++) {
		text[i / 8] ^= (char)(1 << i % 8);
		if (holds())
			fail_msg("bit %zu of byte %zu, line \"%.60s\"", i % 8,
			    i / 8, text + i / 8);
		text[i / 8] ^= (char)(1 << i % 8);
	}
	assert_true(holds());
}

/* ---- the texts ---------------------------------------------------------- */

static bool
proof_holds(void)
{
	struct tally_proof proof;
	bool holds = tally_proof_judge(text, text_len, &trust, &proof, NULL) ==
		0 &&
	    proof.verdict == TALLY_PROOF_SIGNED;

	tally_proof_wipe(&proof);
	return holds;
}

static void
test_proof_flip__proof(void **state)
{
	char *made;

	(void)state;
	must(tally_log_prove(opened, "c7", 2, 2, &made, &text_len,
	    &place->error));
	assert_true(text_len < sizeof(text));
	memcpy(text, made, text_len);
	free(made);
	turn_every_bit(proof_holds);
}

static int
give(void *arg, void *bytes, size_t room, size_t *out_len)
{
	size_t *at = arg;

	*out_len = text_len - *at < room ? text_len - *at : room;
	memcpy(bytes, text + *at, *out_len);
	*at += *out_len;
	return 0;
}

static int
take(void *arg, const void *bytes, size_t len)
{
	(void)arg;
	assert_true(len <= sizeof(text) - text_len);
	memcpy(text + text_len, bytes, len);
	text_len += len;
	return 0;
}

static bool
bundle_holds(void)
{
	struct tally_bundle bundle;
	size_t at = 0;

	return tally_bundle_judge(give, &at, &trust, &bundle, NULL) == 0 &&
	    bundle.verdict == TALLY_PROOF_SIGNED;
}

static void
test_proof_flip__bundle(void **state)
{
	const struct tally_bundle_range range = { .chain = "c7",
		.chain_len = 2 };

	(void)state;
	text_len = 0;
	must(tally_log_bundle(opened, &range, take, NULL, &place->error));
	turn_every_bit(bundle_holds);
}

static bool
extension_holds(void)
{
	struct tally_consistency_proof proof;

	return tally_consistency_judge(text, text_len, &trust, &proof, NULL) ==
	    0 &&
	    proof.verdict == TALLY_PROOF_SIGNED;
}

static void
test_proof_flip__consistency(void **state)
{
	enum tally_consistency_verdict verdict;
	char *made;

	(void)state;
	must(tally_log_prove_consistency(opened, old_note, old_len, NULL, 0,
	    &verdict, &made, &text_len, &place->error));
	assert_int_equal(verdict, TALLY_CONSISTENT);
	memcpy(text, made, text_len);
	free(made);
	turn_every_bit(extension_holds);
}

static bool
checkpoint_holds(void)
{
	struct tally_checkpoint checkpoint;
	struct tally_hasher hasher;
	struct tally_note note;
	struct tally_vkey key;
	bool holds;

	assert_int_equal(tally_hasher_open(&hasher), 0);
	assert_int_equal(tally_vkey_parse(&hasher, vkey, strlen(vkey), &key),
	    0);
	holds = tally_note_parse(text, text_len, &note) == 0 &&
	    tally_checkpoint_parse(note.text.at, note.text.len, &checkpoint) ==
		0 &&
	    tally_note_check(&note, &key, NULL) == TALLY_SIGNED;
	tally_hasher_close(&hasher);
	return holds;
}

static void
test_proof_flip__checkpoint(void **state)
{
	(void)state;
	text_len = read_public("checkpoint", text, sizeof(text));
	turn_every_bit(checkpoint_holds);
}

/* ---- tiles -------------------------------------------------------------- */

static struct tally_hasher hasher;
static uint8_t tile[3][256 * TALLY_HASH_SIZE]; /* level 0: two; level 1 */
static struct tally_hash root;
static uint64_t size;

/* As whoever computes the root from a full tile and the partial ones does. */
static bool
tiles_lead_to_root(void)
{
	struct tally_frontier frontier;
	struct tally_hash hash;

	tally_frontier_init(&frontier);
	for (uint64_t i = 0; i < size; i++) {
		memcpy(hash.b, tile[i / 256] + i % 256 * TALLY_HASH_SIZE,
		    TALLY_HASH_SIZE);
		tally_frontier_append(&hasher, &frontier, &hash);
		if (i != 255)
			continue;
		/* The tile above says the same. */
		hash = tally_frontier_root(&hasher, &frontier);
		if (memcmp(hash.b, tile[2], TALLY_HASH_SIZE) != 0)
			return false;
	}
	hash = tally_frontier_root(&hasher, &frontier);
	return tally_hash_equal(&hash, &root);
}

static void
test_proof_flip__tiles(void **state)
{
	struct tally_checkpoint checkpoint;
	struct tally_note note;
	char name[64];

	(void)state;
	assert_int_equal(tally_hasher_open(&hasher), 0);
	text_len = read_public("checkpoint", text, sizeof(text));
	assert_int_equal(tally_note_parse(text, text_len, &note), 0);
	assert_int_equal(tally_checkpoint_parse(note.text.at, note.text.len,
			     &checkpoint),
	    0);
	root = checkpoint.root;
	size = checkpoint.size;
	assert_true(size > 256 && size < 512);
	for (unsigned t = 0; t < 3; t++) {
		if (t == 1)
			(void)snprintf(name, sizeof(name), "tile/0/001.p/%u",
			    (unsigned)size - 256);
		else
			(void)snprintf(name, sizeof(name), "%s",
			    t == 0 ? "tile/0/000" : "tile/1/000.p/1");
		text_len = read_public(name, tile[t], sizeof(tile[t]));
		assert_int_equal(text_len,
		    (t == 0          ? 256
			    : t == 1 ? size - 256
				     : 1) *
			TALLY_HASH_SIZE);
	}
	assert_true(tiles_lead_to_root());
	for (uint64_t i = 0; i < size + 1; i++) {
		uint8_t *hash = i == size
		    ? tile[2]
		    : tile[i / 256] + i % 256 * TALLY_HASH_SIZE;

		for (unsigned bit = 0; bit < 256; bit++) {
			hash[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (tiles_lead_to_root())
				fail_msg("hash %u, bit %u", (unsigned)i, bit);
			hash[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
	tally_hasher_close(&hasher);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proof_flip__proof),
		cmocka_unit_test(test_proof_flip__bundle),
		cmocka_unit_test(test_proof_flip__consistency),
		cmocka_unit_test(test_proof_flip__checkpoint),
		cmocka_unit_test(test_proof_flip__tiles),
	};

	return cmocka_run_group_tests_name("flip", tests, begin, end);
}
