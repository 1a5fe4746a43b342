/* SPDX-License-Identifier: Apache-2.0 */
#include "log/sealorder.h"
#include "core/record.h"
#include "log/fail.h"
#include "log/key.h"
#include "log/order.h"
#include "log/seal.h"
#include "log/wait.h"

#define OWN_CHAIN "tally:log"
#define OWN_LEN (sizeof(OWN_CHAIN) - 1)

/* Order lock held. */
static const struct tally_chain_head *
own_head(const struct tally_log *log)
{
	const struct tally_chain *chain = tally_state_chain(log->state,
	    tally_key_chain(&log->state->shared->seed, OWN_CHAIN, OWN_LEN),
	    OWN_CHAIN, OWN_LEN);

	return chain == NULL ? NULL : tally_state_head(log->state, chain);
}

/* Order lock held. */
static int
seal(struct tally_log *log, tally_order_make_fn *make, void *arg,
    struct tally_receipt *out, struct tally_error *error)
{
	char event[TALLY_ORDER_EVENT_MAX];
	const struct tally_chain_head *head;
	size_t len = 0;
	int result;

	do
		result = tally_order_roll(log,
		    TALLY_LINE_MAX(TALLY_ORDER_EVENT_MAX), error);
	while (result == TALLY_PARTIAL);
	if (result != 0)
		return result;
	head = own_head(log);
	if (head == NULL)
		return tally_fail(error, TALLY_E_DAMAGED,
		    "the log has no record of its own");
	result = make(arg, &head->hash, event, &len, error);
	if (result == 0)
		result = tally_seal_own(log, event, len, error);
	if (result != 0)
		return result;
	head = own_head(log);
	if (out != NULL && head != NULL) {
		out->index = head->index;
		out->seq = head->seq;
		out->hash = head->hash;
		out->time_us = head->time_us;
		out->repeated = false;
	}
	return TALLY_OK;
}

int
tally_seal_order(struct tally_log *log, tally_order_make_fn *make, void *arg,
    struct tally_receipt *out, struct tally_error *error)
{
	struct tally_target target = { 0 };
	int result = tally_order_begin(log, error);

	if (result != 0)
		return result;
	result = seal(log, make, arg, out, error);
	if (result == 0)
		tally_target_set(log, 1, &target);
	tally_order_end(log);
	if (result == 0)
		result = tally_sync_wait(log, &target, error);
	return result;
}
