/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher that stays: the root that it puts into the heads record is that
 * of the heads as anybody can compute it from the log, whatever was appended
 * in between, and whoever else published.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tally/publish.h>

#include "core/tree.h"
#include "log/headtree.h"

#define PLACE_ORIGIN "example.org/unit"
#include "place.h"

static struct tally_signer *signer, *second; /* of the log's origin */
static char register_dir[192];

static int
begin(void **state)
{
	char vkey[TALLY_VKEY_TEXT_SIZE], key[192];
	struct place *place;

	if (setup(state) != 0)
		return -1;
	place = *state;
	(void)snprintf(key, sizeof(key), "%s/key", place->top);
	(void)snprintf(register_dir, sizeof(register_dir), "%s/register",
	    place->top);
	if (tally_key_generate(key, PLACE_ORIGIN, NULL, vkey, &place->error) !=
	    0)
		return -1;
	return tally_signer_load(key, NULL, &signer, &place->error);
}

static int
end(void **state)
{
	tally_signer_free(signer);
	return teardown(state);
}

static struct tally_publisher *
publisher_of(struct place *place, struct tally_log *log,
    struct tally_signer *const *by)
{
	const struct tally_publish_options how = {
		.signers = by, .signers_len = 1, .register_dir = register_dir
	};
	struct tally_publisher *publisher;

	if (tally_publisher_open(log, &how, &publisher, &place->error) != 0)
		fail_msg("publisher: %s", place->error.message);
	return publisher;
}

static struct tally_publisher *
must_publisher(struct place *place, struct tally_log *log)
{
	return publisher_of(place, log, &signer);
}

/* One record for each of the chains [from, to). */
static void
touch(struct place *place, struct tally_log *log, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char name[32];
		struct tally_append request = {
			.chain = name, .event = "{}", .event_len = 2
		};

		request.chain_len = (size_t)snprintf(name, sizeof(name),
		    "org/\"%u\"", i);
		if (tally_log_append(log, &request, 1, TALLY_BUFFERED, NULL,
			&place->error) != 0)
			fail_msg("append: %s", place->error.message);
	}
}

/* ---- the heads, by the document ---------------------------------------- */

struct naive {
	struct tally_hasher hasher;
	struct tally_frontier frontier;
};

static int
take_head(void *arg, const struct tally_head *head)
{
	struct naive *naive = arg;
	char leaf[1024], escaped[600], hex[TALLY_HASH_TEXT_SIZE];
	struct tally_hash hash;
	size_t len = 0;

	if (strcmp(head->chain, TALLY_HEADS_CHAIN) == 0)
		return 0;
	for (size_t i = 0; i < head->chain_len; i++) {
		if (head->chain[i] == '"')
			escaped[len++] = '\\';
		escaped[len++] = head->chain[i];
	}
	tally_hash_format(&head->hash, hex);
	len = (size_t)snprintf(leaf, sizeof(leaf),
	    "{\"chain\":\"%.*s\",\"hash\":\"%s\",\"seq\":%llu}", (int)len,
	    escaped, hex, (unsigned long long)head->seq);
	hash = tally_hash_leaf(&naive->hasher, leaf, len);
	tally_frontier_append(&naive->hasher, &naive->frontier, &hash);
	return 0;
}

/* The event that the heads record must have if the log goes no further. */
static void
expect_event(struct place *place, struct tally_log *log, char out[256])
{
	struct naive naive;
	struct tally_stat stat;
	struct tally_hash root;
	char hex[TALLY_HASH_TEXT_SIZE];

	assert_int_equal(tally_hasher_open(&naive.hasher), 0);
	tally_frontier_init(&naive.frontier);
	assert_int_equal(tally_log_heads(log, take_head, &naive, &place->error),
	    0);
	assert_int_equal(tally_log_stat(log, &stat, &place->error), 0);
	root = tally_frontier_root(&naive.hasher, &naive.frontier);
	tally_hash_format(&root, hex);
	(void)snprintf(out, 256,
	    "{\"chains\":%llu,\"root\":\"%s\",\"size\":%llu}",
	    (unsigned long long)naive.frontier.size, hex,
	    (unsigned long long)stat.size);
	tally_hasher_close(&naive.hasher);
}

/* Publishes, and holds the heads record against what is expected. */
static void
publish(struct place *place, struct tally_log *log,
    struct tally_publisher *publisher)
{
	struct tally_find find = { .by = TALLY_KEY_INDEX };
	struct tally_published_checkpoint out;
	struct tally_cursor *cursor;
	struct tally_record record;
	char expected[256];

	expect_event(place, log, expected);
	if (tally_publisher_publish(publisher, &out, &place->error) != 0)
		fail_msg("publish: %s", place->error.message);
	assert_int_equal(out.verdict, TALLY_PUBLISH_SIGNED);
	assert_non_null(out.note);
	free(out.note);
	find.index = out.size - 1;
	assert_int_equal(tally_cursor_open(log, NULL, &cursor, &place->error),
	    0);
	assert_int_equal(tally_cursor_find(cursor, &find, &record,
			     &place->error),
	    0);
	assert_string_equal(record.chain, TALLY_HEADS_CHAIN);
	assert_int_equal(record.event_len, strlen(expected));
	assert_memory_equal(record.event, expected, record.event_len);
	tally_cursor_close(cursor);
}

/* Nothing is new, but for who signs. */
static void
publish_current(struct place *place, struct tally_publisher *publisher)
{
	struct tally_published_checkpoint out;

	if (tally_publisher_publish(publisher, &out, &place->error) != 0)
		fail_msg("publish: %s", place->error.message);
	assert_true(out.verdict <= TALLY_PUBLISH_CURRENT);
	free(out.note);
}

/* ---- tests -------------------------------------------------------------- */

static void
test_publisher__stays(void **state)
{
	struct place *place = *state;
	struct tally_log *log = must_open(place);
	struct tally_publisher *publisher = must_publisher(place, log);
	struct tally_published_checkpoint out;

	/* From one chain to many; each size of the tree on the way. */
	for (unsigned n = 1; n <= 70; n++) {
		touch(place, log, n - 1, n);
		publish(place, log, publisher);
	}
	for (unsigned n = 0; n < 70; n++) {
		touch(place, log, n, n + 1 + n % 3);
		publish(place, log, publisher);
	}
	touch(place, log, 0, 1000);
	publish(place, log, publisher);
	assert_int_equal(tally_publisher_publish(publisher, &out,
			     &place->error),
	    0);
	assert_int_equal(out.verdict, TALLY_PUBLISH_CURRENT);
	free(out.note);
	tally_publisher_close(publisher);
	must_close(log);
}

/*
 * What lies at a path may be another "public" by the next time: put back by
 * something that keeps no empty folders, as git and many a backup; and another
 * publisher came in between, and was killed.
 */
static void
test_publisher__public_replaced(void **state)
{
	struct place *place = *state;
	struct tally_log *log = must_open(place);
	struct tally_publisher *publisher = must_publisher(place, log);

	touch(place, log, 0, 3);
	publish(place, log, publisher);
	assert_int_equal(shell("rmdir '%s/public/tile/.new'", place->dir), 0);
	touch(place, log, 0, 3);
	publish(place, log, publisher);
	assert_int_equal(shell("echo left >'%s/public/tile/.new/99.new'",
			     place->dir),
	    0);
	touch(place, log, 0, 3);
	publish(place, log, publisher);
	assert_int_equal(shell("! ls '%s/public/tile/.new' | grep .",
			     place->dir),
	    0);
	/* Without all of it, it begins anew. */
	assert_int_equal(shell("rm -r '%s/public'", place->dir), 0);
	touch(place, log, 0, 3);
	publish(place, log, publisher);
	tally_publisher_close(publisher);
	must_close(log);
}

/* Two publishers by turns: each takes up what the other left. */
static void
test_publisher__two(void **state)
{
	struct place *place = *state;
	struct tally_log *log[2] = { must_open(place), must_open(place) };
	struct tally_publisher *publisher[2];

	for (int i = 0; i < 2; i++)
		publisher[i] = must_publisher(place, log[i]);
	for (unsigned n = 0; n < 40; n++) {
		touch(place, log[n % 2], n * 3, n * 5 + 1);
		publish(place, log[n % 3 == 0], publisher[n % 3 == 0]);
	}
	for (int i = 0; i < 2; i++) {
		tally_publisher_close(publisher[i]);
		must_close(log[i]);
	}
}

static long
tree_file(struct place *place, const char *mode, FILE **out)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/index/headtree", place->dir);
	*out = fopen(path, mode);
	assert_non_null(*out);
	assert_int_equal(fseek(*out, 0, SEEK_END), 0);
	return ftell(*out);
}

/* One checkpoint, by a publisher that ends then. */
static void
publish_once(struct place *place, struct tally_log *log)
{
	struct tally_publisher *publisher = must_publisher(place, log);

	publish(place, log, publisher);
	tally_publisher_close(publisher);
}

/* Each takes the tree over that the one before it saved. */
static void
test_publisher__saved(void **state)
{
	struct place *place = *state;
	struct tally_log *log = must_open(place);
	FILE *file;

	for (unsigned n = 0; n < 60; n++) {
		touch(place, log, n * 2 / 3, n + 1);
		publish_once(place, log);
	}
	/* One leaf for each of the 61 chains, and what is above. */
	assert_int_equal(tree_file(place, "r", &file),
	    40 + (61 + 30 + 15 + 7 + 3 + 1) * 32);
	(void)fclose(file);
	must_close(log);
}

/* A byte that was changed in what was saved changes no root. */
static void
test_publisher__saved_and_changed(void **state)
{
	struct place *place = *state;
	struct tally_log *log = must_open(place);
	long len = 40 + 17 * 32, step = 7;
	FILE *file;
	int byte;

	touch(place, log, 0, 17);
	publish_once(place, log);
	for (long at = 0; at < len; at += step) {
		len = tree_file(place, "r+", &file);
		assert_int_equal(fseek(file, at, SEEK_SET), 0);
		byte = fgetc(file);
		assert_int_equal(fseek(file, at, SEEK_SET), 0);
		assert_int_not_equal(fputc(byte ^ 0x10, file), EOF);
		assert_int_equal(fclose(file), 0);
		touch(place, log, (unsigned)at % 17, (unsigned)at % 19 + 1);
		touch(place, log, 0, 1);
		publish_once(place, log);
	}
	/* Cut, empty, and not there. */
	for (len -= 33; len >= 0; len -= 100) {
		assert_int_equal(shell("truncate -s %ld '%s/index/headtree'",
				     len, place->dir),
		    0);
		touch(place, log, 3, 5);
		publish_once(place, log);
	}
	assert_int_equal(shell("rm '%s/index/headtree'", place->dir), 0);
	touch(place, log, 3, 5);
	publish_once(place, log);
	must_close(log);
}

/* A key that is retired while the publisher stays signs nothing more, whether
 * the order is among the new records or another publisher passed it. */
static void
test_publisher__key_retired(void **state)
{
	struct place *place = *state;
	struct tally_log *log = must_open(place);
	struct tally_publisher *publisher[2];
	struct tally_published_checkpoint out;
	char key[192], vkey[TALLY_VKEY_TEXT_SIZE], next[TALLY_VKEY_TEXT_SIZE];

	publisher[0] = must_publisher(place, log);
	touch(place, log, 0, 3);
	publish(place, log, publisher[0]);
	(void)snprintf(key, sizeof(key), "%s/next", place->top);
	assert_int_equal(tally_key_generate(key, PLACE_ORIGIN, NULL, next,
			     &place->error),
	    0);
	assert_int_equal(tally_key_order(log, signer, TALLY_KEY_ADD, next, NULL,
			     &place->error),
	    0);
	assert_int_equal(tally_signer_load(key, NULL, &second, &place->error),
	    0);
	publisher[1] = publisher_of(place, log, &second);
	(void)snprintf(key, sizeof(key), "%s/key", place->top);
	assert_int_equal(tally_key_show(key, vkey, NULL, &place->error), 0);
	touch(place, log, 0, 300);
	publish(place, log, publisher[1]);
	publish_current(place, publisher[0]);
	/* The second one passes the order, the first one comes after it. */
	assert_int_equal(tally_key_order(log, second, TALLY_KEY_RETIRE, vkey,
			     NULL, &place->error),
	    0);
	publish(place, log, publisher[1]);
	touch(place, log, 0, 5);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tally_publisher_publish(publisher[0], &out,
				     &place->error),
		    TALLY_E_USAGE);
		assert_non_null(strstr(place->error.message,
		    " was retired by tally:log 3, and signs nothing any"
		    " more"));
	}
	/* And among the new records; it is the last one. */
	assert_int_equal(tally_key_order(log, second, TALLY_KEY_RETIRE, next,
			     NULL, &place->error),
	    TALLY_E_USAGE);
	assert_int_equal(tally_key_order(log, second, TALLY_KEY_RETIRE_LAST,
			     next, NULL, &place->error),
	    0);
	assert_int_equal(tally_publisher_publish(publisher[1], &out,
			     &place->error),
	    TALLY_E_USAGE);
	for (int i = 0; i < 2; i++)
		tally_publisher_close(publisher[i]);
	tally_signer_free(second);
	must_close(log);
}

/* Among several keys each is asked for. */
static void
test_publisher__one_of_several_retired(void **state)
{
	struct place *place = *state;
	struct tally_log *log = must_open(place);
	struct tally_signer *both[2] = { signer, NULL };
	struct tally_publish_options how = {
		.signers = both, .signers_len = 2, .register_dir = register_dir
	};
	struct tally_published_checkpoint out;
	struct tally_publisher *publisher;
	char key[192], next[TALLY_VKEY_TEXT_SIZE];

	(void)snprintf(key, sizeof(key), "%s/next", place->top);
	assert_int_equal(tally_key_generate(key, PLACE_ORIGIN, NULL, next,
			     &place->error),
	    0);
	assert_int_equal(tally_signer_load(key, NULL, &both[1], &place->error),
	    0);
	assert_int_equal(tally_key_order(log, signer, TALLY_KEY_ADD, next, NULL,
			     &place->error),
	    0);
	for (int stays = 0; stays < 2; stays++) {
		assert_int_equal(tally_publisher_open(log, &how, &publisher,
				     &place->error),
		    0);
		touch(place, log, 0, 3);
		publish(place, log, publisher);
		if (stays == 0)
			tally_publisher_close(publisher);
	}
	assert_int_equal(tally_key_order(log, signer, TALLY_KEY_RETIRE, next,
			     NULL, &place->error),
	    0);
	/* One that has heard of it on the way, and one that asks. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(tally_publisher_publish(publisher, &out,
				     &place->error),
		    TALLY_E_USAGE);
		assert_non_null(strstr(place->error.message,
		    " was retired by tally:log 3, and signs nothing any"
		    " more"));
		tally_publisher_close(publisher);
		assert_int_equal(tally_publisher_open(log, &how, &publisher,
				     &place->error),
		    0);
	}
	tally_publisher_close(publisher);
	how.signers_len = 1;
	assert_int_equal(tally_publisher_open(log, &how, &publisher,
			     &place->error),
	    0);
	touch(place, log, 0, 3);
	publish(place, log, publisher);
	tally_publisher_close(publisher);
	tally_signer_free(both[1]);
	must_close(log);
}

static void
test_publisher__refused(void **state)
{
	struct place *place = *state;
	const struct tally_open_options reading = { .read_only = true };
	struct tally_publish_options how = { .signers = &signer };
	struct tally_publisher *publisher;
	struct tally_log *log = must_open(place);

	assert_int_equal(tally_publisher_open(log, &how, &publisher,
			     &place->error),
	    TALLY_E_USAGE);
	assert_string_equal(place->error.message,
	    "the key's name is \"\", and the log's origin \"" PLACE_ORIGIN
	    "\"; they must be one");
	must_close(log);
	how.signers_len = 1;
	assert_int_equal(tally_log_open(place->dir, &reading, &log,
			     &place->error),
	    0);
	assert_int_equal(tally_publisher_open(log, &how, &publisher,
			     &place->error),
	    TALLY_E_USAGE);
	assert_string_equal(place->error.message,
	    "the log is open for reading, and a checkpoint adds a record");
	must_close(log);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_publisher__stays, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_publisher__public_replaced,
		    begin, end),
		cmocka_unit_test_setup_teardown(test_publisher__two, begin,
		    end),
		cmocka_unit_test_setup_teardown(test_publisher__saved, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    test_publisher__saved_and_changed, begin, end),
		cmocka_unit_test_setup_teardown(test_publisher__key_retired,
		    begin, end),
		cmocka_unit_test_setup_teardown(
		    test_publisher__one_of_several_retired, begin, end),
		cmocka_unit_test_setup_teardown(test_publisher__refused, begin,
		    end),
	};

	return cmocka_run_group_tests_name("publisher", tests, NULL, NULL);
}
