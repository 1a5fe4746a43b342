/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/keyring.h"

void
tally_keyring_init(struct tally_keyring *ring, const char *origin)
{
	size_t len = strlen(origin);

	memset(ring, 0, sizeof(*ring));
	if (len > TALLY_KEY_NAME_MAX)
		len = TALLY_KEY_NAME_MAX;
	memcpy(ring->origin, origin, len);
}

static struct tally_ring_key *
find(struct tally_keyring *ring, const struct tally_vkey *vkey)
{
	for (size_t i = 0; i < ring->len; i++) {
		if (tally_vkey_equal(&ring->key[i].vkey, vkey))
			return &ring->key[i];
	}
	return NULL;
}

const struct tally_ring_key *
tally_keyring_find(const struct tally_keyring *ring,
    const struct tally_vkey *vkey)
{
	for (size_t i = 0; i < ring->len; i++) {
		if (tally_vkey_equal(&ring->key[i].vkey, vkey))
			return &ring->key[i];
	}
	return NULL;
}

/* Does the key sign this log at all? */
static bool
is_ours(const struct tally_keyring *ring, const struct tally_vkey *vkey)
{
	return vkey->type == TALLY_VKEY_ED25519 &&
	    strcmp(vkey->name, ring->origin) == 0;
}

static struct tally_ring_key *
add(struct tally_keyring *ring, const struct tally_vkey *vkey)
{
	struct tally_ring_key *key;

	if (ring->len == TALLY_KEYRING_MAX)
		return NULL;
	key = &ring->key[ring->len++];
	memset(key, 0, sizeof(*key));
	key->vkey = *vkey;
	return key;
}

int
tally_keyring_give(struct tally_keyring *ring, const struct tally_vkey *vkey)
{
	struct tally_ring_key *key = find(ring, vkey);

	if (!is_ours(ring, vkey))
		return TALLY_END;
	if (key == NULL)
		key = add(ring, vkey);
	if (key == NULL)
		return TALLY_E_LIMIT;
	key->is_given = true;
	return 0;
}

/* The key that signed it, or NULL with the reason. */
static struct tally_ring_key *
find_signer(struct tally_keyring *ring, const struct tally_order *order,
    const char *event, size_t len, const char **out_detail)
{
	struct tally_ring_key *key;

	*out_detail = "no key that was given, and none that such a key"
		      " introduced, signed this order; if the log had another"
		      " key before, give that one, too";
	for (size_t i = 0; i < ring->len; i++) {
		key = &ring->key[i];
		if (key->vkey.id != order->by)
			continue;
		if (!tally_order_is_signed(order, event, len, ring->origin,
			&key->vkey)) {
			*out_detail = "the signature of this order does not"
				      " hold";
			continue;
		}
		if (!key->is_retired)
			return key;
		*out_detail = "this order was signed with a key that was"
			      " retired before";
	}
	return NULL;
}

/* The first order counts: a later one must not make the key younger. */
static void
retire(struct tally_ring_key *key, const struct tally_order_place *place)
{
	if (key->is_retired)
		return;
	key->is_retired = true;
	key->seq = place->seq;
	key->retired_us = place->time_us;
}

/* An order about a key that is signed as it should be. */
static enum tally_order_verdict
apply(struct tally_keyring *ring, struct tally_hasher *hasher,
    const struct tally_order_place *place, const struct tally_order *order,
    struct tally_ring_key *signer, const char **out_detail)
{
	enum tally_key_order_change change;
	struct tally_ring_key *key;
	struct tally_vkey vkey;

	*out_detail = "this order is signed, and of a form that is not known"
		      " here";
	if (tally_key_order_parse(hasher, order, &change, &vkey) != 0 ||
	    !is_ours(ring, &vkey))
		return TALLY_ORDER_NOT_KNOWN;
	key = find(ring, &vkey);
	if (change == TALLY_KEY_ORDER_RETIRE) {
		/* A key that nobody knew retires as well. */
		if (key == NULL)
			key = add(ring, &vkey);
		if (key == NULL)
			return TALLY_ORDER_NOT_KNOWN;
		retire(key, place);
		return TALLY_ORDER_HOLDS;
	}
	if (key != NULL && key->is_retired) {
		*out_detail = "this order introduces a key that was retired"
			      " before";
		return TALLY_ORDER_FORGED;
	}
	if (key == NULL) {
		key = add(ring, &vkey);
		if (key == NULL)
			return TALLY_ORDER_NOT_KNOWN;
		key->seq = place->seq;
	}
	if (change == TALLY_KEY_ORDER_ROTATE)
		retire(signer, place);
	return TALLY_ORDER_HOLDS;
}

enum tally_order_verdict
tally_keyring_take(struct tally_keyring *ring, struct tally_hasher *hasher,
    const struct tally_order_place *place, const char *event, size_t len,
    const char **out_detail)
{
	struct tally_ring_key *signer;
	struct tally_order order;

	if (tally_order_kind(event, len) == TALLY_ORDER_NONE)
		return TALLY_ORDER_IS_NONE;
	if (tally_order_parse(event, len, &order) != 0) {
		*out_detail = "this order is not signed as orders are";
		return TALLY_ORDER_FORGED;
	}
	if (!tally_hash_equal(&order.after, &place->prev)) {
		*out_detail = "this order was signed for another place";
		return TALLY_ORDER_FORGED;
	}
	if (ring->len == 0) {
		*out_detail = "no key was given to judge this order by";
		return TALLY_ORDER_NO_KEY;
	}
	signer = find_signer(ring, &order, event, len, out_detail);
	if (signer == NULL)
		return TALLY_ORDER_FORGED;
	return order.kind == TALLY_ORDER_KEY
	    ? apply(ring, hasher, place, &order, signer, out_detail)
	    : TALLY_ORDER_HOLDS;
}
