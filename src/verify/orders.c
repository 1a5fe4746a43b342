/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/fail.h"
#include "log/sys.h"
#include "verify/judge.h"

#define ERASER_LINE_MAX (TALLY_LINE_MAX(TALLY_ORDER_EVENT_MAX))

int
tally_orders_init(struct tally_judge *judge)
{
	const struct tally_verify_options *options = judge->options;
	const char *origin = judge->snapshot->identity.origin;
	struct tally_keyring *ring = &judge->orders.ring;
	struct tally_vkey vkey;
	size_t i;
	int r;

	tally_keyring_init(ring, origin);
	for (i = 0; i < options->vkeys_len; i++) {
		r = tally_vkey_parse(&judge->scanner->hasher, options->vkeys[i],
		    strlen(options->vkeys[i]), &vkey);
		if (r == TALLY_E_BUG)
			return r;
		if (r != 0)
			return tally_fail(judge->error, TALLY_E_USAGE,
			    "\"%s\" is no key", options->vkeys[i]);
		r = tally_keyring_give(ring, &vkey);
		if (r == TALLY_E_LIMIT)
			return tally_fail(judge->error, TALLY_E_USAGE,
			    "too many keys");
	}
	if (options->vkeys_len > 0 && ring->len == 0)
		return tally_fail(judge->error, TALLY_E_USAGE,
		    "no key that was given is that of the log's origin, \"%s\"",
		    origin);
	return 0;
}

void
tally_orders_wipe(struct tally_judge *judge)
{
	tally_sys_free(judge->orders.eraser);
}

static void
tell(struct tally_judge *judge, enum tally_finding_kind kind,
    const struct tally_step *step, const char *detail)
{
	const struct tally_chain *c = &judge->chains.items[step->chain];
	const struct tally_notice notice = {
		.kind = kind,
		.chain = c->name,
		.chain_len = c->name_len,
		.seq = step->seq,
		.where = &step->where,
		.detail = detail,
	};

	/* It has its place, so the names of the segments count it. */
	tally_report_tell(judge->report, &notice);
}

/* ---- on the way ------------------------------------------------------- */

static int
keep_eraser(struct tally_judge *judge, const struct tally_step *step,
    bool is_judged)
{
	struct tally_orders *orders = &judge->orders;
	struct tally_eraser *more;
	size_t capacity = orders->capacity == 0 ? 64 : 2 * orders->capacity;

	if (orders->len == TALLY_ERASERS_MAX) {
		orders->too_many = true;
		return 0;
	}
	if (orders->len == orders->capacity) {
		more = tally_sys_realloc(orders->eraser,
		    capacity * sizeof(*more));
		if (more == NULL)
			return TALLY_E_MEMORY;
		orders->eraser = more;
		orders->capacity = capacity;
	}
	orders->eraser[orders->len].seq = step->seq;
	orders->eraser[orders->len].where = step->where;
	orders->eraser[orders->len++].is_judged = is_judged;
	return 0;
}

static void
note_retired(struct tally_judge *judge, const struct tally_step *step)
{
	struct tally_orders *orders = &judge->orders;
	size_t i;

	for (i = 0; i < orders->ring.len; i++) {
		if (orders->ring.key[i].is_retired &&
		    orders->ring.key[i].seq == step->seq)
			orders->retired_at[i] = step->where.index;
	}
}

int
tally_orders_take(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_step *step)
{
	const struct tally_order_place place = { .seq = step->seq,
		.prev = step->prev,
		.time_us = line->header.time_us };
	const char *detail = NULL;
	enum tally_order_verdict verdict = tally_keyring_take(
	    &judge->orders.ring, &judge->scanner->hasher, &place, line->event,
	    line->event_len, &detail);

	note_retired(judge, step);
	switch (verdict) {
	case TALLY_ORDER_IS_NONE:
		return 0;
	case TALLY_ORDER_FORGED:
		/* Not if nobody could judge. */
		if (!tally_sign_works() ||
		    tally_hasher_failed(&judge->scanner->hasher))
			return TALLY_E_BUG;
		tell(judge, TALLY_INSERTED, step, detail);
		return 0;
	case TALLY_ORDER_NOT_KNOWN:
		tell(judge, TALLY_NOT_JUDGED, step, detail);
		break;
	case TALLY_ORDER_NO_KEY:
		judge->orders.without_key = true;
		break;
	case TALLY_ORDER_HOLDS:
		break;
	}
	return tally_order_kind(line->event, line->event_len) ==
		TALLY_ORDER_ERASED
	    ? keep_eraser(judge, step, verdict == TALLY_ORDER_HOLDS)
	    : 0;
}

/* ---- erased lines ----------------------------------------------------- */

/* Does the order in that line name the record? */
static int
read_names(struct tally_judge *judge, const struct tally_eraser *eraser,
    const struct tally_erased_place *place, bool *out_names)
{
	uint64_t bytes = judge->snapshot->extents[eraser->where.extent].bytes;
	size_t len = ERASER_LINE_MAX;
	char *text = tally_sys_alloc(len);
	const char *feed = NULL;
	struct tally_order order;
	struct tally_line line;
	int r;

	*out_names = false;
	if (text == NULL)
		return TALLY_E_MEMORY;
	if (bytes - eraser->where.offset < len)
		len = (size_t)(bytes - eraser->where.offset);
	r = tally_source_read(&judge->source, eraser->where.extent,
	    eraser->where.offset, text, len, judge->error);
	if (r == 0)
		feed = memchr(text, '\n', len);
	if (feed != NULL &&
	    tally_line_decode(text, (size_t)(feed + 1 - text), &line) == 0 &&
	    line.body == TALLY_BODY_EVENT &&
	    tally_order_parse(line.event, line.event_len, &order) == 0)
		*out_names = tally_order_names(&order, place);
	tally_sys_free(text);
	return r;
}

int
tally_orders_judge_erased(struct tally_judge *judge, uint64_t seq,
    const struct tally_step *step)
{
	const struct tally_orders *orders = &judge->orders;
	const struct tally_chain *c = &judge->chains.items[step->chain];
	const struct tally_erased_place place = { .chain = c->name,
		.chain_len = c->name_len,
		.hash = step->hash,
		.index = step->where.index,
		.seq = step->seq };
	bool names = false;
	size_t i;
	int r;

	for (i = 0; i < orders->len; i++) {
		if (orders->eraser[i].seq != seq)
			continue;
		r = read_names(judge, &orders->eraser[i], &place, &names);
		if (r != 0)
			return r;
		if (names)
			break;
	}
	if (names && orders->eraser[i].is_judged)
		tell(judge, TALLY_ERASED, step,
		    "it was erased, by an order that names it");
	else if (names)
		tell(judge, TALLY_NOT_JUDGED, step,
		    "it was erased, and no key was given to judge the order"
		    " by");
	else if (judge->plan->only != NULL || orders->too_many)
		tell(judge, TALLY_NOT_JUDGED, step,
		    "it was erased, and its order was not looked for");
	else if (seq > judge->chains.items[judge->log_chain].seq)
		tell(judge, TALLY_CONTENT_ALTERED, step,
		    "it was erased, but its order is not there");
	else
		tell(judge, TALLY_CONTENT_ALTERED, step,
		    "it was erased, but what it names is no order to erase it");
	return 0;
}

/* ---- interrupted ------------------------------------------------------ */

void
tally_orders_put(struct tally_bytes *out, const struct tally_judge *judge)
{
	const struct tally_orders *orders = &judge->orders;
	char text[TALLY_VKEY_TEXT_MAX];
	size_t i;

	tally_bytes_put_u64(out, orders->ring.len);
	for (i = 0; i < orders->ring.len; i++) {
		const struct tally_ring_key *key = &orders->ring.key[i];

		tally_bytes_put_text(out, text,
		    tally_vkey_format(&key->vkey, text));
		tally_bytes_put_u64(out,
		    (uint64_t)key->is_given | (uint64_t)key->is_retired << 1);
		tally_bytes_put_u64(out, key->seq);
		tally_bytes_put_u64(out, (uint64_t)key->retired_us);
		tally_bytes_put_u64(out, orders->retired_at[i]);
	}
	tally_bytes_put_u64(out,
	    (uint64_t)orders->too_many | (uint64_t)orders->without_key << 1);
	tally_bytes_put_u64(out, orders->len);
	for (i = 0; i < orders->len; i++) {
		const struct tally_eraser *eraser = &orders->eraser[i];

		tally_bytes_put_u64(out, eraser->seq);
		tally_bytes_put_u64(out, eraser->where.index);
		tally_bytes_put_u64(out, eraser->where.offset);
		tally_bytes_put_u64(out, eraser->where.extent);
		tally_bytes_put_u64(out, eraser->is_judged);
	}
}

static int
get_ring(struct tally_bytes_reader *in, struct tally_judge *judge)
{
	struct tally_keyring *ring = &judge->orders.ring;
	uint64_t count = tally_bytes_get_max(in, TALLY_KEYRING_MAX), i, bits;

	ring->len = 0;
	for (i = 0; !in->failed && i < count; i++) {
		struct tally_ring_key *key = &ring->key[i];
		const char *text;
		size_t len;

		memset(key, 0, sizeof(*key));
		text = tally_bytes_get_text(in, &len);
		if (text == NULL ||
		    tally_vkey_parse(&judge->scanner->hasher, text, len,
			&key->vkey) != 0)
			return TALLY_E_FORMAT;
		bits = tally_bytes_get_max(in, 3);
		key->is_given = bits & 1;
		key->is_retired = bits >> 1 & 1;
		key->seq = tally_bytes_get_u64(in);
		key->retired_us = (int64_t)tally_bytes_get_u64(in);
		judge->orders.retired_at[i] = tally_bytes_get_u64(in);
		ring->len++;
	}
	return 0;
}

int
tally_orders_get(struct tally_bytes_reader *in, struct tally_judge *judge)
{
	struct tally_orders *orders = &judge->orders;
	uint64_t bits, count, i;
	struct tally_step step = { .seq = 0 };
	int r = get_ring(in, judge);

	bits = tally_bytes_get_max(in, 3);
	orders->too_many = bits & 1;
	orders->without_key = bits >> 1 & 1;
	count = tally_bytes_get_max(in, TALLY_ERASERS_MAX);
	for (i = 0; r == 0 && !in->failed && i < count; i++) {
		step.seq = tally_bytes_get_u64(in);
		step.where.index = tally_bytes_get_u64(in);
		step.where.offset = tally_bytes_get_u64(in);
		step.where.extent = (uint32_t)tally_bytes_get_max(in,
		    judge->snapshot->extents_len - 1);
		r = keep_eraser(judge, &step, tally_bytes_get_max(in, 1) != 0);
	}
	return r;
}
