/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/fail.h"
#include "core/text.h"
#include "foreign/walk.h"
#include "log/sys.h"

#define PROGRESS_EVERY 4096
#define MINUTE_US ((int64_t)60 * 1000000)

static int
found(struct tally_walk *w, enum tally_finding_kind kind,
    enum tally_reason reason, const struct tally_place *place, int rule,
    uint64_t other)
{
	struct tally_found finding = { *place, other, kind, reason, rule };

	return tally_links_found(&w->links, &finding);
}

/* What grows with a source is its chains. */
static int
fail_memory(struct tally_walk *w)
{
	return tally_fail(w->error, TALLY_E_MEMORY,
	    "out of memory at record %llu: what is kept of %lu chains needs"
	    " more than there is",
	    (unsigned long long)w->records, (unsigned long)w->chains.len);
}

/* ---- links ------------------------------------------------------------ */

static bool
has_gap(struct tally_walk *w, struct tally_chain_state *chain)
{
	struct tally_canon_text text = tally_row_text(&w->row,
	    w->profile->order);
	uint64_t order;
	bool gap;

	if (tally_decimal_parse(text.at, text.len, UINT64_MAX, &order) != 0)
		return false;
	gap = chain->has_order && order > chain->order + 1;
	chain->has_order = true;
	chain->order = order;
	return gap;
}

/* One more record that has no predecessor; lost: a trap told that it lost it,
 * which is a break already. */
static int
start(struct tally_walk *w, struct tally_chain_state *chain,
    const struct tally_item *item, bool lost)
{
	bool twice = chain->first == item->key[0];
	int r = 0;

	if (chain->started && !lost)
		r = found(w, twice ? TALLY_DUPLICATE : TALLY_FORKED,
		    twice ? TALLY_REASON_TWICE : TALLY_REASON_SECOND_START,
		    &item->place, -1, UINT64_MAX);
	else
		chain->first = item->key[0];
	chain->started = true;
	return r;
}

static unsigned
traits_of(const struct tally_walk *w)
{
	const struct tally_canon_node *nodes = w->room.nodes;
	unsigned traits = 0;
	uint32_t i;

	for (i = 0; i < nodes[0].end; i++) {
		traits |= nodes[i].flags & TALLY_CANON_REAL ? TALLY_TRAIT_REAL
							    : 0;
		traits |= nodes[i].flags & TALLY_CANON_WIDE ? TALLY_TRAIT_WIDE
							    : 0;
		traits |= nodes[i].flags & TALLY_CANON_ESCAPED
		    ? TALLY_TRAIT_ESCAPED
		    : 0;
	}
	return traits;
}

/* For whoever wants a graph. */
static int
draw(struct tally_walk *w, const struct tally_item *item, enum tally_edge edge,
    enum tally_judgement judgement)
{
	struct tally_canon_text text = tally_row_text(&w->row,
	    w->profile->time);
	struct tally_graph_record record = {
		.place = &item->place,
		.edge = edge,
		.holds = item->holds != 0,
		.bad = judgement == TALLY_HOLDS_NOT ||
		    judgement == TALLY_CHECK_FAILS,
		.time_us = TALLY_NO_TIME,
	};

	if (w->graph == NULL)
		return 0;
	record.traits = traits_of(w);
	if (text.len == 0 ||
	    tally_time_parse(text.at, text.len, &record.time_us) != 0)
		record.time_us = TALLY_NO_TIME;
	return tally_graph_add(w->graph, &record) != 0 ? fail_memory(w) : 0;
}

/* The record is the next one of its chain: its link is held against the last
 * one's hash, whose item is complete with that. */
static int
join(struct tally_walk *w, struct tally_chain_state *chain,
    const struct tally_item *record, const struct tally_digest *hash,
    const struct tally_digest *prev, enum tally_judgement judgement, int rule)
{
	struct tally_item item = *record;
	bool first = !chain->begun;
	enum tally_edge edge = TALLY_EDGE_NEXT;
	struct tally_item loose;
	int r = 0;

	tally_item_key(hash->b, item.key);
	loose = item;
	loose.gap = has_gap(w, chain);
	loose.first = first;
	if (tally_row_is_start(w->profile, &w->row)) {
		edge = TALLY_EDGE_START;
		r = start(w, chain, &item,
		    judgement == TALLY_HOLDS_BY_TRAP &&
			w->profile->traps[rule].kind == TALLY_LINK_ALTERED);
	} else if (!first &&
	    memcmp(chain->hash.b, prev->b, w->profile->digest_size) == 0) {
		chain->item.child = item.key[0];
		chain->item.child_holds = item.holds;
	} else {
		edge = TALLY_EDGE_LOOSE;
		loose.child = item.key[0];
		tally_item_key(prev->b, loose.key);
		r = tally_links_loose(&w->links, &loose);
	}
	if (r == 0 && !first)
		r = tally_links_add(&w->links, &chain->item);
	if (r == 0)
		r = draw(w, &item, edge, judgement);
	chain->begun = true;
	chain->hash = *hash;
	chain->item = item;
	return r;
}

/* ---- one record ------------------------------------------------------- */

static int
told(struct tally_walk *w, struct tally_chain_state *chain,
    enum tally_judgement judgement, int era, int64_t zone_us,
    const struct tally_place *place)
{
	const struct tally_rule *trap;

	switch (judgement) {
	case TALLY_HOLDS:
		if (era < chain->era)
			return found(w, TALLY_CONTENT_ALTERED,
			    TALLY_REASON_OLD_ERA, place, era, 0);
		chain->era = (uint16_t)era;
		return 0;
	case TALLY_HOLDS_BY_TRAP:
		trap = &w->profile->traps[era];
		return found(w, trap->kind, TALLY_REASON_TRAP, place, era,
		    (uint64_t)(zone_us / MINUTE_US));
	case TALLY_CHECK_FAILS:
		return found(w, TALLY_CONTENT_ALTERED, TALLY_REASON_CHECK,
		    place, era, 0);
	case TALLY_HAS_NO_FORM:
		return found(w, TALLY_NOT_JUDGED, TALLY_REASON_NO_FORM, place,
		    -1, 0);
	default:
		return found(w, TALLY_CONTENT_ALTERED, TALLY_REASON_CONTENT,
		    place, -1, 0);
	}
}

/*
 * A seed beside a predecessor.  The system's own verifier begins anew with it,
 * so it hides whatever was done before; and the record may have been hashed
 * over it.
 */
static int
judge_seed(struct tally_walk *w, const struct tally_digest *stored, int *era,
    int64_t *zone_us, enum tally_judgement *judgement,
    const struct tally_place *place)
{
	int field = w->profile->basis_field;
	struct tally_canon_text seed = tally_row_text(&w->row, field);
	int r = 0;

	if (field == TALLY_NO_FIELD ||
	    tally_row_is_start(w->profile, &w->row) ||
	    tally_row_is_null(&w->row, field))
		return 0;
	if (*judgement == TALLY_HOLDS_NOT)
		r = tally_judge_row(&w->judging, &w->row, &seed, stored, era,
		    zone_us, judgement);
	return r != 0
	    ? r
	    : found(w, TALLY_LINK_ALTERED, TALLY_REASON_RESEEDED, place, -1, 0);
}

static int
judge_chained(struct tally_walk *w, struct tally_chain_state *chain,
    const struct tally_place *place)
{
	const struct tally_profile *profile = w->profile;
	struct tally_canon_text hash_text, prev_text,
	    basis = tally_row_basis(profile, &w->row);
	struct tally_digest hash, prev = { { 0 } };
	struct tally_item item = { .place = *place };
	enum tally_judgement judgement;
	int era = chain->era, r;
	int64_t zone_us;

	/* Some writers of JSON escape the "/" of base64. */
	if (tally_row_plain(&w->row, profile->hash, &w->hash, &hash_text) !=
		0 ||
	    tally_row_plain(&w->row, profile->prev, &w->prev, &prev_text) != 0)
		return fail_memory(w);
	if (!tally_row_is_start(profile, &w->row))
		basis = prev_text;
	if (tally_profile_digest(profile, hash_text.at, hash_text.len, &hash) !=
		0 ||
	    (!tally_row_is_start(w->profile, &w->row) &&
		tally_profile_digest(profile, prev_text.at, prev_text.len,
		    &prev) != 0))
		return found(w, TALLY_DAMAGED, TALLY_REASON_HASH_FORM, place,
		    -1, 0);
	r = tally_judge_row(&w->judging, &w->row, &basis, &hash, &era, &zone_us,
	    &judgement);
	if (r == 0)
		r = judge_seed(w, &hash, &era, &zone_us, &judgement, place);
	if (r == TALLY_E_MEMORY)
		return fail_memory(w);
	/* An era that is over proves nothing, least of all that a fork is
	 * benign: whoever forges takes the weakest rule. */
	item.holds = judgement == TALLY_HOLDS && era >= chain->era;
	if (r == 0)
		r = told(w, chain, judgement, era, zone_us, place);
	w->chained++;
	w->holds += judgement != TALLY_HOLDS_NOT &&
	    judgement != TALLY_HAS_NO_FORM;
	if (r == 0)
		r = join(w, chain, &item, &hash, &prev, judgement, era);
	return r;
}

/* The state of the chain of this number, which may be new; or NULL. */
static struct tally_chain_state *
state_of(struct tally_walk *w, uint32_t number)
{
	uint32_t capacity = 2 * w->states_capacity + 16;
	void *grown;

	if (number >= w->states_capacity) {
		grown = tally_sys_realloc(w->states,
		    capacity * sizeof(*w->states));
		if (grown == NULL)
			return NULL;
		w->states = grown;
		w->states_capacity = capacity;
	}
	/* Numbers come one by one. */
	if (number == w->states_len)
		memset(&w->states[w->states_len++], 0, sizeof(*w->states));
	return &w->states[number];
}

static int
judge_record(struct tally_walk *w, uint64_t offset)
{
	const struct tally_profile *profile = w->profile;
	struct tally_chain_state *chain;
	struct tally_place place = { w->records - 1, offset, 0, 0 };
	struct tally_canon_text name;

	if (tally_row_plain(&w->row, profile->chain, &w->judging.made, &name) !=
		0 ||
	    tally_chain_find(&w->chains, name.at, name.len, &place.chain) != 0)
		return fail_memory(w);
	chain = state_of(w, place.chain);
	if (chain == NULL)
		return fail_memory(w);
	place.seq = ++chain->count;
	if (!tally_row_is_null(&w->row, profile->hash))
		return judge_chained(w, chain, &place);
	if (chain->begun)
		return found(w, TALLY_UNSEALED, TALLY_REASON_UNSEALED, &place,
		    -1, 0);
	if (chain->legacy++ == 0) {
		chain->legacy_index = place.index;
		chain->legacy_offset = place.offset;
	}
	return 0;
}

static int
judge_reading(struct tally_walk *w, const struct tally_reading *reading)
{
	struct tally_place place = { w->records, reading->offset, 0,
		UINT32_MAX };
	size_t nodes;
	int r = TALLY_E_FORMAT, seen;

	w->bytes = reading->offset + reading->len;
	if (reading->line != NULL)
		r = tally_room_read(&w->room, reading->line, reading->len,
		    TALLY_CANON_READ_NAN, &nodes, NULL);
	if (r == TALLY_E_MEMORY)
		return fail_memory(w);
	if (r != 0 && !reading->whole)
		return found(w, TALLY_TORN_TAIL, TALLY_REASON_TORN, &place, -1,
		    0);
	w->records++;
	seen = w->seen != NULL ? w->seen->fn(w->seen->arg, reading) : 0;
	if (seen != 0)
		return seen;
	if (r != 0 || w->room.nodes[0].type != TALLY_CANON_OBJECT)
		return found(w, TALLY_DAMAGED, TALLY_REASON_NO_RECORD, &place,
		    -1, 0);
	w->row.line = reading->line;
	w->row.room = &w->room;
	tally_row_pick(w->profile, &w->row);
	return judge_record(w, reading->offset);
}

/* ---- the whole -------------------------------------------------------- */

static int
report_progress(struct tally_walk *w)
{
	struct tally_progress progress = { 0 };

	if (w->options->progress == NULL || w->records % PROGRESS_EVERY != 0)
		return 0;
	progress.bytes = progress.bytes_total = w->bytes;
	progress.records = w->records;
	progress.seconds = (double)(tally_sys_monotonic_us() - w->start_us) /
	    1e6;
	return w->options->progress(w->options->arg, &progress) != 0
	    ? TALLY_PARTIAL
	    : 0;
}

static int
walk_records(struct tally_walk *w)
{
	struct tally_reading reading;
	int r = 0;

	while (r == 0) {
		r = tally_reader_next(&w->reader, &reading);
		if (r == 0)
			r = judge_reading(w, &reading);
		if (r == 0)
			r = report_progress(w);
	}
	return r == TALLY_END ? 0 : r;
}

static int
finish_chains(struct tally_walk *w)
{
	struct tally_chain_state *chain;
	struct tally_place place;
	uint32_t i;
	int r = 0;

	for (i = 0; i < w->states_len && r == 0; i++) {
		chain = &w->states[i];
		if (chain->begun)
			r = tally_links_add(&w->links, &chain->item);
		/* They are the first ones of their chain. */
		place = (struct tally_place){ chain->legacy_index,
			chain->legacy_offset, 1, i };
		if (chain->legacy > 0 && r == 0)
			r = found(w, TALLY_LEGACY, TALLY_REASON_LEGACY, &place,
			    -1, chain->legacy);
	}
	return r == 0 ? tally_links_judge(&w->links) : r;
}

int
tally_walk(struct tally_walk *w, const struct tally_profile *profile,
    const struct tally_profile_source *source,
    const struct tally_verify_options *options, struct tally_graph *graph,
    const struct tally_walk_seen *seen, struct tally_error *error)
{
	int r;

	memset(w, 0, sizeof(*w));
	w->profile = profile;
	w->source = source;
	w->options = options;
	w->graph = graph;
	w->seen = seen;
	w->error = error;
	w->start_us = tally_sys_monotonic_us();
	tally_reader_init(&w->reader, profile, source, error);
	if (tally_judging_init(&w->judging, profile) != 0)
		r = tally_fail(error, TALLY_E_MEMORY,
		    "libcrypto does not give the digest \"%s\"",
		    profile->digest);
	else
		r = tally_links_init(&w->links, error);
	w->links.pruned = profile->pruned;
	if (graph != NULL) {
		w->links.settled = tally_graph_settle;
		w->links.arg = graph;
	}
	if (r == 0)
		r = walk_records(w);
	if (r == 0)
		r = finish_chains(w);
	if (r == 0 && w->judging.digester.failed)
		r = tally_fail(error, TALLY_E_MEMORY, "libcrypto failed");
	return r;
}

void
tally_walk_judged(struct tally_walk *w)
{
	tally_links_wipe(&w->links);
	memset(&w->links, 0, sizeof(w->links));
	tally_sys_free(w->states);
	w->states = NULL;
	w->states_len = w->states_capacity = 0;
}

void
tally_walk_close(struct tally_walk *w)
{
	tally_walk_judged(w);
	tally_judging_wipe(&w->judging);
	tally_reader_wipe(&w->reader);
	tally_chain_wipe(&w->chains);
	tally_room_wipe(&w->room);
	tally_sys_free(w->hash.at);
	tally_sys_free(w->prev.at);
}
