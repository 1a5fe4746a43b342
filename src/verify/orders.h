/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders (core/orders.h) in a verification: each is judged when its turn in
 * tally:log comes; lines that were erased are held against the orders that
 * they name by the second walk, since an order comes after what it erases.
 */
#ifndef TALLY_VERIFY_ORDERS_H
#define TALLY_VERIFY_ORDERS_H

#include "core/keyring.h"
#include "verify/bytes.h"
#include "verify/chains.h"

struct tally_judge;
struct tally_line;
struct tally_step;

/* Orders to erase that are kept in mind; of more, lines are not judged. */
#define TALLY_ERASERS_MAX 65536

/* An order to erase that is no forgery. */
struct tally_eraser {
	uint64_t seq;
	struct tally_where where; /* of its line */
	bool is_judged;           /* there was a key to judge it by */
};

struct tally_orders {
	struct tally_keyring ring;
	/* Of each key: so many records stood before the order that retired it,
	 * if one did. */
	uint64_t retired_at[TALLY_KEYRING_MAX];
	struct tally_eraser *eraser; /* ascending by seq */
	size_t len, capacity;
	bool too_many;
	bool without_key; /* an order could not be judged for want of a key */
};

/* Takes the keys of the options.  TALLY_E_USAGE if one is none, or if none is
 * of this log. */
TALLY_MUST_CHECK int
tally_orders_init(struct tally_judge *judge);

void
tally_orders_wipe(struct tally_judge *judge);

/* A record of tally:log with its event. */
TALLY_MUST_CHECK int
tally_orders_take(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_step *step);

/* An erased line (step has its hash) that names the order seq. */
TALLY_MUST_CHECK int
tally_orders_judge_erased(struct tally_judge *judge, uint64_t seq,
    const struct tally_step *step);

/* For the file of an interrupted verification. */
void
tally_orders_put(struct tally_bytes *out, const struct tally_judge *judge);

/* TALLY_E_FORMAT, also by in->failed. */
TALLY_MUST_CHECK int
tally_orders_get(struct tally_bytes_reader *in, struct tally_judge *judge);

#endif
