/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a log: those that a verifier was given, and what the orders in
 * tally:log made of them.
 *
 * 1. Trust never starts from the log: an order counts if a key signed it that
 *    was given, or that an order that counts introduced.
 * 2. A key that was retired signs no order behind that; it is not introduced
 *    again.
 * 3. Orders are taken in the order of tally:log, each once.
 */
#ifndef TALLY_CORE_KEYRING_H
#define TALLY_CORE_KEYRING_H

#include "core/orders.h"

#define TALLY_KEYRING_MAX 64 /* keys of one log, in all its life */

struct tally_ring_key {
	struct tally_vkey vkey;
	bool is_given;
	bool is_retired;
	uint64_t seq; /* of the order that retired it, else introduced it */
	int64_t retired_us; /* what the clock said then */
};

struct tally_keyring {
	char origin[TALLY_KEY_NAME_MAX + 1];
	struct tally_ring_key key[TALLY_KEYRING_MAX];
	size_t len;
};

/* Where an order stands. */
struct tally_order_place {
	uint64_t seq;
	struct tally_hash prev;
	int64_t time_us;
};

void
tally_keyring_init(struct tally_keyring *ring, const char *origin);

/* A key that is trusted from outside.  Returns 0, TALLY_END if it is named
 * after another log or signs none, or TALLY_E_LIMIT. */
TALLY_MUST_CHECK int
tally_keyring_give(struct tally_keyring *ring, const struct tally_vkey *vkey);

/* NULL if the ring does not have it. */
const struct tally_ring_key *
tally_keyring_find(const struct tally_keyring *ring,
    const struct tally_vkey *vkey);

enum tally_order_verdict {
	TALLY_ORDER_IS_NONE = 0, /* an event that is no order */
	TALLY_ORDER_HOLDS,
	TALLY_ORDER_FORGED,    /* nobody who may signed it, here */
	TALLY_ORDER_NO_KEY,    /* no key was given to judge it by */
	TALLY_ORDER_NOT_KNOWN, /* signed, and of a form that is not known */
};

/*
 * Judges the event of a record of tally:log; an order about a key that holds
 * changes the ring.  *out_detail: a sentence, static, unless it is no order or
 * holds.
 */
enum tally_order_verdict
tally_keyring_take(struct tally_keyring *ring, struct tally_hasher *hasher,
    const struct tally_order_place *place, const char *event, size_t len,
    const char **out_detail);

#endif
