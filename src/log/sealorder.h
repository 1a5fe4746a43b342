/* SPDX-License-Identifier: Apache-2.0 */
/* Appending an order to tally:log: it is signed for its place, so its place is
 * held while it is signed. */
#ifndef TALLY_LOG_SEALORDER_H
#define TALLY_LOG_SEALORDER_H

#include "core/orders.h"
#include "log/handle.h"

/*
 * Makes the event of an order behind the record prev of tally:log: text of at
 * most TALLY_ORDER_EVENT_MAX bytes.  Called under the order lock.
 */
typedef int
tally_order_make_fn(void *arg, const struct tally_hash *prev, char *out,
    size_t *out_len, struct tally_error *error);

/* The record is durable when it returns; *out may be NULL. */
TALLY_MUST_CHECK int
tally_seal_order(struct tally_log *log, tally_order_make_fn *make, void *arg,
    struct tally_receipt *out, struct tally_error *error);

#endif
