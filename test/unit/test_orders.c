/* SPDX-License-Identifier: Apache-2.0 */
/* Orders and the keys that may sign them: every byte counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/keyring.h"

#include "guard.h"

#define ORIGIN "example.org/\"unit\""
#define KEYS 4

static struct tally_hasher hasher;
static uint8_t seed[KEYS][TALLY_SIGN_SEED_SIZE];
static struct tally_vkey vkey[KEYS];
static struct tally_order_place place = { .seq = 7, .time_us = 1000 };

static int
setup(void **state)
{
	uint8_t key[TALLY_SIGN_PUBLIC_SIZE];

	(void)state;
	if (tally_hasher_open(&hasher) != 0)
		return -1;
	memset(place.prev.b, 0xab, sizeof(place.prev.b));
	for (int i = 0; i < KEYS; i++) {
		memset(seed[i], i + 1, sizeof(seed[i]));
		if (tally_sign_public(seed[i], key) != 0)
			return -1;
		tally_vkey_init(&hasher, ORIGIN, sizeof(ORIGIN) - 1,
		    TALLY_VKEY_ED25519, key, &vkey[i]);
	}
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	tally_hasher_close(&hasher);
	return 0;
}

/* An order by key i about key j, for the place. */
static size_t
order(int i, enum tally_key_order_change change, int j,
    char out[TALLY_ORDER_EVENT_MAX])
{
	char rest[TALLY_KEY_ORDER_MAX];
	struct tally_order order = {
		.kind = TALLY_ORDER_KEY, .after = place.prev, .by = vkey[i].id
	};
	size_t len;

	order.rest.at = rest;
	order.rest.len = tally_key_order_format(change, &vkey[j], rest);
	assert_int_equal(tally_order_format(&order, ORIGIN, seed[i], out, &len),
	    0);
	return len;
}

static enum tally_order_verdict
take(struct tally_keyring *ring, const char *event, size_t len)
{
	const char *detail = NULL;
	enum tally_order_verdict verdict = tally_keyring_take(ring, &hasher,
	    &place, event, len, &detail);

	if (verdict > TALLY_ORDER_HOLDS)
		assert_non_null(detail);
	return verdict;
}

static void
ring_of(struct tally_keyring *ring, int key)
{
	tally_keyring_init(ring, ORIGIN);
	assert_int_equal(tally_keyring_give(ring, &vkey[key]), 0);
}

static void
test_orders__keys_come_and_go(void **state)
{
	struct tally_keyring ring;
	char event[TALLY_ORDER_EVENT_MAX];
	size_t len;

	(void)state;
	ring_of(&ring, 0);
	len = order(1, TALLY_KEY_ORDER_ADD, 2, event);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_FORGED);
	len = order(0, TALLY_KEY_ORDER_ADD, 1, event);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_HOLDS);
	len = order(1, TALLY_KEY_ORDER_ROTATE, 2, event);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_HOLDS);
	assert_true(tally_keyring_find(&ring, &vkey[1])->is_retired);
	assert_int_equal(tally_keyring_find(&ring, &vkey[1])->seq, 7);
	/* One that is retired signs nothing, and does not come back. */
	len = order(1, TALLY_KEY_ORDER_ADD, 3, event);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_FORGED);
	len = order(0, TALLY_KEY_ORDER_ADD, 1, event);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_FORGED);
	len = order(2, TALLY_KEY_ORDER_RETIRE, 0, event);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_HOLDS);
	assert_true(tally_keyring_find(&ring, &vkey[0])->is_given);
	len = order(0, TALLY_KEY_ORDER_ADD, 3, event);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_FORGED);
	/* One retires before anybody introduced it. */
	len = order(2, TALLY_KEY_ORDER_RETIRE, 3, event);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_HOLDS);
	len = order(2, TALLY_KEY_ORDER_ADD, 3, event);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_FORGED);
	/* Once more does not make it a key that signed for longer. */
	place.seq = 9;
	place.time_us += 1000000;
	len = order(2, TALLY_KEY_ORDER_RETIRE, 3, event);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_HOLDS);
	place.seq = 7;
	place.time_us -= 1000000;
	assert_int_equal(tally_keyring_find(&ring, &vkey[3])->seq, 7);
	assert_int_equal(tally_keyring_find(&ring, &vkey[3])->retired_us,
	    place.time_us);
}

/* Whatever is changed or cut off, it does not hold; nor elsewhere. */
static void
test_orders__every_byte(void **state)
{
	struct tally_keyring ring, before;
	char event[TALLY_ORDER_EVENT_MAX], *flush;
	struct guard guard;
	size_t len;

	(void)state;
	ring_of(&ring, 0);
	before = ring;
	len = order(0, TALLY_KEY_ORDER_ADD, 1, event);
	for (size_t at = 0; at < len; at++) {
		for (int bit = 0; bit < 8; bit++) {
			event[at] ^= (char)(1 << bit);
			assert_int_not_equal(take(&ring, event, len),
			    TALLY_ORDER_HOLDS);
			event[at] ^= (char)(1 << bit);
		}
	}
	guard_open(&guard, len);
	for (size_t n = 0; n < len; n++) {
		flush = guard_put(&guard, event, n);
		assert_int_not_equal(take(&ring, flush, n), TALLY_ORDER_HOLDS);
	}
	guard_close(&guard);
	assert_memory_equal(&ring, &before, sizeof(ring));
	place.prev.b[31] ^= 1;
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_FORGED);
	place.prev.b[31] ^= 1;
	memcpy(ring.origin, "example.org/other", sizeof("example.org/other"));
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_FORGED);
	ring = before;
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_HOLDS);
}

static void
test_orders__without_a_key(void **state)
{
	struct tally_keyring ring;
	char event[TALLY_ORDER_EVENT_MAX];
	size_t len = order(0, TALLY_KEY_ORDER_ADD, 1, event);

	(void)state;
	tally_keyring_init(&ring, ORIGIN);
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_NO_KEY);
	place.prev.b[0] ^= 1;
	assert_int_equal(take(&ring, event, len), TALLY_ORDER_FORGED);
	place.prev.b[0] ^= 1;
	assert_int_equal(take(&ring, "{\"key\":{}}", 10), TALLY_ORDER_FORGED);
	assert_int_equal(take(&ring, "{\"torn\":{}}", 11), TALLY_ORDER_IS_NONE);
	assert_int_equal(take(&ring, "", 0), TALLY_ORDER_IS_NONE);
}

/* What an order to erase names, it names with all four. */
static void
test_orders__names(void **state)
{
	struct tally_erased_place one = {
		.chain = "a\\\"b", .chain_len = 4, .index = 12, .seq = 3
	};
	struct tally_erased_place two = one;
	char rest[2048] = ",\"reason\":\"{\\\"chain\\\":\",\"records\":[";
	struct tally_order parsed = { .kind = TALLY_ORDER_ERASED };
	size_t len = strlen(rest);

	(void)state;
	two.seq = 4;
	two.index = 123;
	len += tally_erased_place_format(&one, rest + len);
	rest[len++] = ',';
	len += tally_erased_place_format(&two, rest + len);
	rest[len++] = ']';
	parsed.rest.at = rest;
	parsed.rest.len = len;
	assert_true(tally_order_names(&parsed, &one));
	assert_true(tally_order_names(&parsed, &two));
	one.index++;
	assert_false(tally_order_names(&parsed, &one));
	one.index--;
	one.hash.b[0] = 1;
	assert_false(tally_order_names(&parsed, &one));
	one.hash.b[0] = 0;
	one.chain_len = 3;
	assert_false(tally_order_names(&parsed, &one));
	one.chain_len = 4;
	parsed.kind = TALLY_ORDER_PRUNED;
	assert_false(tally_order_names(&parsed, &one));
}

static void
test_orders__limits(void **state)
{
	struct tally_keyring ring;
	struct tally_vkey other = vkey[0];
	static char rest[TALLY_ORDER_EVENT_MAX];
	char event[TALLY_ORDER_EVENT_MAX];
	struct tally_order big = { .kind = TALLY_ORDER_ERASED,
		.rest = { rest, sizeof(rest) - 511 } };
	size_t len;

	(void)state;
	tally_keyring_init(&ring, ORIGIN);
	other.type = TALLY_VKEY_COSIGNATURE;
	assert_int_equal(tally_keyring_give(&ring, &other), TALLY_END);
	other = vkey[0];
	other.name[0] = 'x';
	assert_int_equal(tally_keyring_give(&ring, &other), TALLY_END);
	for (int i = 0; i < TALLY_KEYRING_MAX; i++) {
		other = vkey[0];
		other.key[0] = (uint8_t)i;
		assert_int_equal(tally_keyring_give(&ring, &other), 0);
		assert_int_equal(tally_keyring_give(&ring, &other), 0);
	}
	other.key[1] ^= 1;
	assert_int_equal(tally_keyring_give(&ring, &other), TALLY_E_LIMIT);
	assert_int_equal(tally_order_format(&big, ORIGIN, seed[0], event, &len),
	    TALLY_E_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders__keys_come_and_go),
		cmocka_unit_test(test_orders__every_byte),
		cmocka_unit_test(test_orders__without_a_key),
		cmocka_unit_test(test_orders__names),
		cmocka_unit_test(test_orders__limits),
	};

	return cmocka_run_group_tests_name("orders", tests, setup, teardown);
}
