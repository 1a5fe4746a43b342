/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known from elsewhere: tally.json, the names of the segments, the
 * watermark, and the root and heads that the caller brought.
 */
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/text.h"
#include "verify/judge.h"

/* ---- before ----------------------------------------------------------- */

int
tally_outside_init(struct tally_judge *judge)
{
	const struct tally_outside_head *head;
	struct tally_chain *c;
	char name[TALLY_CHAIN_TEXT_MAX];
	uint64_t key;
	uint32_t chain;
	size_t i, len;
	const char *what;
	int r;

	for (i = 0; i < judge->options->heads_len; i++) {
		head = &judge->options->heads[i];
		if (head->seq == 0 || head->seq > TALLY_SEQ_MAX ||
		    tally_name_escape(head->chain, head->chain_len,
			TALLY_CHAIN_MAX, name, &len, &what) != 0)
			return tally_fail(judge->error, TALLY_E_USAGE,
			    "outside head %zu is no chain and seq", i);
		if (judge->plan->only != NULL &&
		    (len != judge->plan->only_len ||
			memcmp(name, judge->plan->only, len) != 0))
			continue;
		key = tally_chains_key(judge->chains.seed, name, len);
		chain = tally_chains_find(&judge->chains, name, len, key);
		r = 0;
		if (chain == TALLY_CHAIN_NONE)
			r = tally_chains_add(&judge->chains, name, len, key,
			    &chain);
		if (r != 0)
			return r;
		c = &judge->chains.items[chain];
		/* Of two heads of one chain the later one says more. */
		if (c->watch == 0 ||
		    judge->options->heads[c->watch - 1].seq < head->seq)
			c->watch = (uint32_t)i + 1;
		tally_barrier_set(judge, chain);
	}
	return 0;
}

/* ---- on the way ------------------------------------------------------- */

void
tally_outside_pass(struct tally_judge *judge, const struct tally_step *step)
{
	const struct tally_chain *c = &judge->chains.items[step->chain];
	const struct tally_outside_head *head = &judge->options
						     ->heads[c->watch - 1];

	if (step->seq != head->seq || step->wild ||
	    tally_hash_equal(&step->hash, &head->hash) ||
	    (step->has_alt && tally_hash_equal(&step->alt, &head->hash)))
		return;
	tally_tell_step(judge, TALLY_ROLLED_BACK, step,
	    "the outside head of its chain is another record");
}

void
tally_outside_first(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_where *where)
{
	const struct tally_identity *identity = &judge->snapshot->identity;
	struct tally_notice notice = {
		.kind = TALLY_CONTENT_ALTERED,
		.chain = line->header.chain,
		.chain_len = line->header.chain_len,
		.seq = 1,
		.where = where,
		.file = "tally.json",
		.detail = "tally.json and the first record of the log do not "
			  "name the same log",
	};
	char origin[2 * TALLY_ORIGIN_MAX];
	char event[2 * TALLY_ORIGIN_MAX + 128];
	const char *what;
	size_t len;
	int n;

	if (tally_name_escape(identity->origin, strlen(identity->origin),
		TALLY_ORIGIN_MAX, origin, &len, &what) != 0)
		len = 0;
	n = snprintf(event, sizeof(event),
	    "{\"created\":{\"format\":1,\"id\":\"%s\",\"origin\":\"%.*s\"}}",
	    identity->id, (int)len, origin);
	if (line->body != TALLY_BODY_EVENT || line->event_len != (size_t)n ||
	    memcmp(line->event, event, line->event_len) != 0)
		tally_report_tell(judge->report, &notice);
}

/* ---- at the end ------------------------------------------------------- */

static void
finish_first(struct tally_judge *judge)
{
	const struct tally_chain *c = &judge->chains.items[judge->log_chain];

	if (judge->plan->only != NULL || judge->size == 0)
		return;
	if (c->seq == 0 && !judge->log_begun) {
		judge->missing++;
		tally_tell_chain(judge, TALLY_MISSING, judge->log_chain, 1,
		    NULL, "the record that begins every log is not there");
	} else if (c->seq != 0 && judge->log_begun &&
	    judge->log_where.index != 0 &&
	    tally_report_breaks(judge->report) == 0)
		tally_tell_chain(judge, TALLY_REORDERED, judge->log_chain, 1,
		    &judge->log_where,
		    "the record that begins every log is not its first");
}

/* The segments' names count, too. */
static void
finish_bounds(struct tally_judge *judge)
{
	struct tally_where where = { 0 };
	struct tally_notice notice = { .where = &where, .no_index = true };
	int64_t rest = judge->shift;
	char detail[120];

	rest -= (int64_t)judge->missing;
	rest += (int64_t)judge->extra;
	if (rest == 0 || judge->bounds_len == 0 ||
	    (uint64_t)(rest < 0 ? -rest : rest) <= judge->moved)
		return;
	where.extent = judge->bounds[0].extent;
	notice.kind = rest > 0 ? TALLY_MISSING : TALLY_DAMAGED;
	snprintf(detail, sizeof(detail),
	    "by the names of the segments there are %llu records too %s "
	    "before this one",
	    (unsigned long long)(rest < 0 ? -rest : rest),
	    rest > 0 ? "few" : "many");
	notice.detail = detail;
	tally_report_tell(judge->report, &notice);
}

/*
 * Records that were durable once, by the log's own watermark.  Beside live
 * writers it may have been raised above the horizon that was taken first.
 */
static void
finish_mark(struct tally_judge *judge)
{
	const struct tally_snapshot *snapshot = judge->snapshot;
	struct tally_notice notice = {
		.kind = TALLY_TRUNCATED,
		.detail = "the log is shorter than its own watermark",
	};

	if (!snapshot->live && snapshot->has_watermark &&
	    judge->size < snapshot->mark_size &&
	    tally_report_breaks(judge->report) == 0)
		tally_report_tell(judge->report, &notice);
}

static void
finish_root(struct tally_judge *judge)
{
	const struct tally_verify_options *options = judge->options;
	struct tally_notice notice = { .kind = TALLY_ROLLED_BACK };
	char detail[120];

	if (!options->has_root)
		return;
	if (options->root_size == 0) {
		judge->root = tally_hash_bytes(&judge->scanner->hasher, "", 0);
		judge->root_seen = true;
	}
	if (!judge->root_seen) {
		snprintf(detail, sizeof(detail),
		    "the outside root has %llu records, the log %llu",
		    (unsigned long long)options->root_size,
		    (unsigned long long)judge->size);
		notice.kind = TALLY_TRUNCATED;
		notice.detail = detail;
		tally_report_tell(judge->report, &notice);
	} else if (!tally_hash_equal(&judge->root, &options->root)) {
		snprintf(detail, sizeof(detail),
		    "the outside root has %llu records, and the log's first"
		    " %llu, of %llu, are others",
		    (unsigned long long)options->root_size,
		    (unsigned long long)options->root_size,
		    (unsigned long long)judge->size);
		notice.detail = detail;
		tally_report_tell(judge->report, &notice);
	}
}

/* Up to this index a complete set of heads names every chain. */
static uint64_t
known_size(const struct tally_judge *judge)
{
	const struct tally_chain *c;
	uint64_t size = 0;
	uint32_t i;

	if (judge->options->has_root)
		return judge->options->root_size;
	for (i = 0; i < judge->chains.len; i++) {
		c = &judge->chains.items[i];
		if (c->watch != 0 && c->seq != 0 && c->first_index >= size)
			size = c->first_index + 1;
	}
	return size;
}

static bool
is_heads_chain(const struct tally_chain *c)
{
	static const char name[] = "tally:heads";

	return c->name_len == sizeof(name) - 1 &&
	    memcmp(c->name, name, c->name_len) == 0;
}

static void
finish_heads(struct tally_judge *judge)
{
	const struct tally_outside_head *head;
	uint64_t known = known_size(judge);
	const struct tally_chain *c;
	struct tally_notice notice = { .kind = TALLY_TRUNCATED };
	uint32_t i;

	if (judge->options->heads_len == 0)
		return;
	for (i = 0; i < judge->chains.len; i++) {
		c = &judge->chains.items[i];
		if (c->watch == 0) {
			/* Checkpoints' heads leave out the chain that
			 * holds them (doc/format.md, section 8). */
			if (judge->options->heads_complete && c->seq != 0 &&
			    c->first_index < known && !is_heads_chain(c))
				tally_tell_chain(judge, TALLY_INSERTED, i, 1,
				    NULL,
				    "the outside heads are complete "
				    "and do not have this chain");
			continue;
		}
		head = &judge->options->heads[c->watch - 1];
		if (c->seq >= head->seq)
			continue;
		notice.chain = c->name;
		notice.chain_len = c->name_len;
		notice.seq = c->seq + 1;
		notice.seq_end = head->seq + 1;
		notice.detail = c->seq == 0
		    ? "the outside head's chain is not there"
		    : "the outside head of its chain is further on";
		tally_report_tell(judge->report, &notice);
	}
}

void
tally_outside_finish(struct tally_judge *judge)
{
	finish_first(judge);
	finish_bounds(judge);
	finish_mark(judge);
	finish_root(judge);
	finish_heads(judge);
	tally_served_finish(judge);
}
