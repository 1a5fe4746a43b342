/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders: the records of tally:log that change what a verifier accepts
 * (doc/format.md, section 8).
 *
 *     {"<kind>":{"after":"<64 hex>","by":"<8 hex>",…},"sig":"<128 hex>"}
 *
 * after is the hash of the record before it in tally:log, so that an order
 * that was signed once holds in one place only; by is the id of the key that
 * signed; sig is over "tally-order/v1\n<origin>\n" and the event without sig.
 */
#ifndef TALLY_CORE_ORDERS_H
#define TALLY_CORE_ORDERS_H

#include "core/note.h"

/* No order's event is longer. */
#define TALLY_ORDER_EVENT_MAX ((size_t)16 << 10)

enum tally_order_kind {
	TALLY_ORDER_NONE = 0, /* an event that is no order */
	TALLY_ORDER_KEY,
	TALLY_ORDER_ERASED,
	TALLY_ORDER_PRUNED,
	TALLY_ORDER_RESTORED,
};

struct tally_order {
	enum tally_order_kind kind;
	struct tally_hash after;
	uint32_t by;
	struct tally_span rest; /* of the members, from the ',' behind by on */
	uint8_t signature[TALLY_SIGN_SIZE];
};

/* By the name of its first member alone. */
enum tally_order_kind
tally_order_kind(const char *event, size_t len);

/* Takes an order apart; out views event.  Returns 0, or TALLY_E_FORMAT if it
 * is none that could be signed. */
TALLY_MUST_CHECK int
tally_order_parse(const char *event, size_t len, struct tally_order *out);

/* Is it the key's signature of the order that was parsed from event? */
bool
tally_order_is_signed(const struct tally_order *order, const char *event,
    size_t len, const char *origin, const struct tally_vkey *vkey);

/*
 * Writes and signs an order; kind, after, by and rest of it are read.
 * Returns 0; TALLY_E_LIMIT if it is too long; TALLY_E_MEMORY.
 */
TALLY_MUST_CHECK int
tally_order_format(const struct tally_order *order, const char *origin,
    const uint8_t seed[TALLY_SIGN_SEED_SIZE], char out[TALLY_ORDER_EVENT_MAX],
    size_t *out_len);

enum tally_key_order_change {
	TALLY_KEY_ORDER_ADD,
	TALLY_KEY_ORDER_ROTATE, /* added, and the key that signs is retired */
	TALLY_KEY_ORDER_RETIRE,
};

/* rest of an order about a key.  No NUL; returns the length. */
#define TALLY_KEY_ORDER_MAX 768
size_t
tally_key_order_format(enum tally_key_order_change change,
    const struct tally_vkey *vkey, char out[TALLY_KEY_ORDER_MAX]);

/* Exactly what format writes.  Returns 0 or TALLY_E_FORMAT. */
TALLY_MUST_CHECK int
tally_key_order_parse(struct tally_hasher *hasher,
    const struct tally_order *order, enum tally_key_order_change *out_change,
    struct tally_vkey *out_vkey);

/* What an order to erase says of one record. */
struct tally_erased_place {
	const char *chain; /* escaped */
	size_t chain_len;
	struct tally_hash hash;
	uint64_t index, seq;
};

/* One of its records.  No NUL; returns the length. */
#define TALLY_ERASED_PLACE_MAX 768
size_t
tally_erased_place_format(const struct tally_erased_place *place,
    char out[TALLY_ERASED_PLACE_MAX]);

/* Is the record among those that the order to erase names? */
bool
tally_order_names(const struct tally_order *order,
    const struct tally_erased_place *place);

#endif
