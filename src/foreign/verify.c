/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying a source by a profile: lines are read, each record is judged alone
 * by its own link, its link is held against the record before it; what is
 * loose is judged at the end.
 *
 * 1. One altered record makes one finding: a record is hashed with the link
 *    that it stores, not with the one that it ought to have.
 * 2. If no record holds, the profile is what does not fit, and that is said
 *    instead of everything else.
 */
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "core/text.h"
#include "foreign/chain.h"
#include "foreign/judge.h"
#include "log/sys.h"

#define READ_BYTES ((size_t)1 << 18)
#define PROGRESS_EVERY 4096

struct walk {
	const struct tally_profile *profile;
	const struct tally_profile_source *source;
	const struct tally_verify_options *options;
	struct tally_error *error;
	struct tally_judging judging;
	struct tally_canon_room room;
	struct tally_chain_table chains;
	struct tally_links links;
	struct tally_row row;
	char *buffer;
	size_t begin, end, capacity; /* what is unread of it */
	uint64_t offset;             /* of begin in the source */
	uint64_t records;
	uint64_t holds;
	uint64_t chained;
	int64_t start_us;
};

/* ---- findings --------------------------------------------------------- */

static int
found(struct walk *w, enum tally_finding_kind kind, enum tally_reason reason,
    const struct tally_place *place, int rule)
{
	struct tally_found finding = { kind, reason, rule, *place, 0 };

	return tally_links_found(&w->links, &finding);
}

static const char *const reasons[] = {
	[TALLY_REASON_NO_RECORD] = "the line is no JSON object",
	[TALLY_REASON_TORN] = "the last line has no end and is no JSON",
	[TALLY_REASON_HASH_FORM] =
	    "the stored hash or link is not 64 hexadecimal digits",
	[TALLY_REASON_CONTENT] = "the record does not hash to what it stores",
	[TALLY_REASON_CHECK] =
	    "the record holds, but not the digest of its content",
	[TALLY_REASON_NO_FORM] =
	    "a field cannot be written as the profile wants it",
	[TALLY_REASON_OLD_ERA] =
	    "holds only by the rule of an era that was over",
	[TALLY_REASON_LEGACY] = "records from before the chain, without a hash",
	[TALLY_REASON_UNSEALED] = "a record without a hash within the chain",
	[TALLY_REASON_BEGINNING] =
	    "the first record names a predecessor, which is not there",
	[TALLY_REASON_NO_PARENT] =
	    "the predecessor that it names is not there: the record before it"
	    " was changed and hashed anew, or records were removed",
	[TALLY_REASON_GAP] =
	    "the predecessor that it names is not there, and the numbers have"
	    " a gap",
	[TALLY_REASON_LATER] = "stands before its predecessor",
	[TALLY_REASON_OTHER_CHAIN] = "its predecessor is in another chain",
	[TALLY_REASON_FORK] =
	    "a second successor of one record, but not all of them hold",
	[TALLY_REASON_FORK_BENIGN] =
	    "a second successor of one record; the parent and every branch"
	    " hold: two writers at once",
	[TALLY_REASON_TWICE] = "the record is there twice",
	[TALLY_REASON_SECOND_START] =
	    "begins the chain again, behind other records",
	[TALLY_REASON_NOTHING_HOLDS] =
	    "no record holds by this profile: another version, or an export"
	    " that respells; nothing can be said about tampering",
};

static void
tell(struct walk *w, const struct tally_found *f, struct tally_verdict *verdict)
{
	const struct tally_profile *profile = w->profile;
	struct tally_finding finding = {
		.kind = f->kind,
		.seq = f->place.seq,
		.seq_end = f->place.seq + 1,
		.index = f->place.index,
		.file = w->source->name,
		.offset = f->place.offset,
	};
	char detail[400];

	if (profile->chain != TALLY_NO_FIELD && f->place.chain < w->chains.len)
		finding.chain = w->chains.states[f->place.chain].name;
	if (f->reason == TALLY_REASON_LEGACY)
		finding.seq_end = f->place.seq + f->other;
	if (f->reason == TALLY_REASON_TRAP)
		snprintf(detail, sizeof(detail), "%s: %s",
		    profile->traps[f->rule].name, profile->traps[f->rule].says);
	else if (f->kind == TALLY_FORKED && f->other != UINT64_MAX)
		snprintf(detail, sizeof(detail), "%s (parent: index %llu)",
		    reasons[f->reason], (unsigned long long)f->other);
	else
		snprintf(detail, sizeof(detail), "%s", reasons[f->reason]);
	finding.detail = detail;
	verdict->findings++;
	verdict->by_kind[f->kind]++;
	if (w->options->finding != NULL)
		w->options->finding(w->options->arg, &finding);
}

/* ---- links ------------------------------------------------------------ */

static bool
has_gap(struct walk *w, struct tally_chain_state *chain)
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

/* The record is the next one of its chain: its link is held against the last
 * one's hash, whose item is complete with that. */
static int
join(struct walk *w, struct tally_chain_state *chain,
    const struct tally_place *place, const struct tally_hash *hash,
    const struct tally_hash *prev, enum tally_judgement judgement)
{
	bool holds = judgement == TALLY_HOLDS;
	struct tally_item item = { .place = *place, .holds = holds };
	bool start = tally_row_is_start(w->profile, &w->row),
	     first = !chain->begun;
	struct tally_item loose;
	int r = 0;

	tally_item_key(hash, item.key);
	item.own = item.key[0];
	item.gap = has_gap(w, chain);
	item.first = first;
	if (start) {
		if (chain->started && judgement != TALLY_HOLDS_BY_TRAP)
			r = found(w,
			    chain->first == item.own ? TALLY_DUPLICATE
						     : TALLY_FORKED,
			    chain->first == item.own
				? TALLY_REASON_TWICE
				: TALLY_REASON_SECOND_START,
			    place, -1);
		else
			chain->first = item.own;
		chain->started = true;
	} else if (!first && tally_hash_equal(&chain->hash, prev)) {
		chain->item.child = item.own;
		chain->item.child_holds = holds;
	} else {
		loose = item;
		tally_item_key(prev, loose.key);
		r = tally_links_add(&w->links, &loose, true);
	}
	if (r == 0 && !first)
		r = tally_links_add(&w->links, &chain->item, false);
	chain->begun = true;
	chain->hash = *hash;
	chain->item = item;
	return r;
}

/* ---- one record ------------------------------------------------------- */

static int
told(struct walk *w, struct tally_chain_state *chain,
    enum tally_judgement judgement, int era, const struct tally_place *place)
{
	const struct tally_rule *trap;

	switch (judgement) {
	case TALLY_HOLDS:
		if (era < chain->era)
			return found(w, TALLY_CONTENT_ALTERED,
			    TALLY_REASON_OLD_ERA, place, era);
		chain->era = era;
		return 0;
	case TALLY_HOLDS_BY_TRAP:
		trap = &w->profile->traps[era];
		return found(w, trap->kind, TALLY_REASON_TRAP, place, era);
	case TALLY_CHECK_FAILS:
		return found(w, TALLY_CONTENT_ALTERED, TALLY_REASON_CHECK,
		    place, era);
	case TALLY_HAS_NO_FORM:
		return found(w, TALLY_NOT_JUDGED, TALLY_REASON_NO_FORM, place,
		    -1);
	default:
		return found(w, TALLY_CONTENT_ALTERED, TALLY_REASON_CONTENT,
		    place, -1);
	}
}

static int
judge_chained(struct walk *w, struct tally_chain_state *chain,
    const struct tally_place *place)
{
	const struct tally_profile *profile = w->profile;
	struct tally_canon_text hash_text, prev_text,
	    basis = tally_row_basis(profile, &w->row);
	struct tally_hash hash, prev = { { 0 } };
	enum tally_judgement judgement;
	int era = chain->era, r;

	hash_text = tally_row_text(&w->row, profile->hash);
	prev_text = tally_row_text(&w->row, profile->prev);
	if (tally_hash_parse(hash_text.at, hash_text.len, &hash) != 0 ||
	    (!tally_row_is_start(w->profile, &w->row) &&
		tally_hash_parse(prev_text.at, prev_text.len, &prev) != 0))
		return found(w, TALLY_DAMAGED, TALLY_REASON_HASH_FORM, place,
		    -1);
	r = tally_judge_row(&w->judging, &w->row, &basis, &hash, &era,
	    &judgement);
	if (r == 0)
		r = told(w, chain, judgement, era, place);
	w->chained++;
	w->holds += judgement != TALLY_HOLDS_NOT &&
	    judgement != TALLY_HAS_NO_FORM;
	if (r == 0)
		r = join(w, chain, place, &hash, &prev, judgement);
	return r;
}

static int
judge_record(struct walk *w, uint64_t offset)
{
	const struct tally_profile *profile = w->profile;
	struct tally_canon_text name = tally_row_text(&w->row, profile->chain);
	struct tally_chain_state *chain;
	struct tally_place place = { w->records - 1, offset, 0, 0 };
	int r = tally_chain_find(&w->chains, name.at, name.len, &place.chain);

	if (r != 0)
		return r;
	chain = &w->chains.states[place.chain];
	place.seq = ++chain->count;
	if (!tally_row_is_null(&w->row, profile->hash))
		return judge_chained(w, chain, &place);
	if (chain->begun)
		return found(w, TALLY_UNSEALED, TALLY_REASON_UNSEALED, &place,
		    -1);
	if (chain->legacy++ == 0)
		chain->legacy_place = place;
	return 0;
}

static bool
is_blank(const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	}
	return true;
}

static int
judge_line(struct walk *w, const char *line, size_t len, uint64_t offset,
    bool whole)
{
	struct tally_place place = { w->records, offset, 0, UINT32_MAX };
	size_t nodes;
	int r;

	if (is_blank(line, len))
		return 0;
	r = tally_room_read(&w->room, line, len, &nodes, NULL);
	if (r == TALLY_E_MEMORY)
		return r;
	if (r != 0 && !whole)
		return found(w, TALLY_TORN_TAIL, TALLY_REASON_TORN, &place, -1);
	w->records++;
	if (r != 0 || w->room.nodes[0].type != TALLY_CANON_OBJECT)
		return found(w, TALLY_DAMAGED, TALLY_REASON_NO_RECORD, &place,
		    -1);
	w->row.line = line;
	w->row.room = &w->room;
	tally_row_pick(w->profile, &w->row);
	return judge_record(w, offset);
}

/* ---- the source ------------------------------------------------------- */

/* Reads more behind what is unread; 0 at the end, else how much or an error. */
static int64_t
fill(struct walk *w)
{
	size_t unread = w->end - w->begin;
	char *grown;
	int64_t n;

	if (w->begin > 0) {
		memmove(w->buffer, w->buffer + w->begin, unread);
		w->begin = 0;
		w->end = unread;
	}
	if (w->capacity - w->end < READ_BYTES) {
		if (unread > TALLY_LINE_MAX)
			return tally_fail(w->error, TALLY_E_LIMIT,
			    "a line is longer than %zu bytes", TALLY_LINE_MAX);
		grown = tally_sys_realloc(w->buffer,
		    2 * w->capacity + READ_BYTES);
		if (grown == NULL)
			return tally_fail(w->error, TALLY_E_MEMORY,
			    "out of memory");
		w->buffer = grown;
		w->capacity = 2 * w->capacity + READ_BYTES;
	}
	n = w->source->read(w->source->arg, w->buffer + w->end, READ_BYTES);
	if (n > 0)
		w->end += (size_t)n;
	else if (n < 0)
		tally_fail(w->error, (int)n, "\"%s\" cannot be read",
		    w->source->name);
	return n;
}

static int
report_progress(struct walk *w)
{
	struct tally_progress progress = { 0 };

	if (w->options->progress == NULL || w->records % PROGRESS_EVERY != 0)
		return 0;
	progress.bytes = progress.bytes_total = w->offset;
	progress.records = w->records;
	progress.seconds = (double)(tally_sys_monotonic_us() - w->start_us) /
	    1e6;
	return w->options->progress(w->options->arg, &progress) != 0
	    ? TALLY_PARTIAL
	    : 0;
}

static int
walk_lines(struct walk *w)
{
	size_t scanned = 0;
	int64_t n = 1;
	int r = 0;

	while (r == 0 && (n > 0 || w->begin < w->end)) {
		char *line = w->buffer + w->begin, *feed = NULL;
		size_t len = w->end - w->begin;

		if (len > scanned)
			feed = memchr(line + scanned, '\n', len - scanned);
		if (feed == NULL && n > 0) {
			scanned = len;
			n = fill(w);
			r = n < 0 ? (int)n : 0;
			continue;
		}
		if (feed != NULL)
			len = (size_t)(feed - line);
		r = judge_line(w, line, len, w->offset, feed != NULL);
		len += feed != NULL;
		w->begin += len;
		w->offset += len;
		scanned = 0;
		if (r == 0)
			r = report_progress(w);
	}
	return r;
}

/* ---- the whole -------------------------------------------------------- */

static int
finish_chains(struct walk *w)
{
	struct tally_chain_state *chain;
	struct tally_found legacy;
	uint32_t i;
	int r = 0;

	for (i = 0; i < w->chains.len && r == 0; i++) {
		chain = &w->chains.states[i];
		if (chain->begun)
			r = tally_links_add(&w->links, &chain->item, false);
		if (chain->legacy == 0 || r != 0)
			continue;
		legacy = (struct tally_found){ TALLY_LEGACY,
			TALLY_REASON_LEGACY, -1, chain->legacy_place,
			chain->legacy };
		r = tally_links_found(&w->links, &legacy);
	}
	return r == 0 ? tally_links_judge(&w->links, w->profile->pruned) : r;
}

static void
conclude(struct walk *w, struct tally_verdict *verdict)
{
	struct tally_found nothing = { TALLY_NOT_JUDGED,
		TALLY_REASON_NOTHING_HOLDS, -1,
		{ UINT64_MAX, 0, 0, UINT32_MAX }, 0 };
	uint64_t breaks = 0;
	size_t i;

	memset(verdict, 0, sizeof(*verdict));
	if (w->chained > 0 && w->holds == 0) {
		tell(w, &nothing, verdict);
	} else {
		for (i = 0; i < w->links.found_len; i++) {
			tell(w, &w->links.found[i], verdict);
			breaks += tally_finding_is_break(
			    w->links.found[i].kind);
		}
	}
	verdict->records = w->records;
	verdict->size = w->records;
	verdict->chains = w->chains.len;
	verdict->not_covered = TALLY_UNCOVERED_LAST | TALLY_UNCOVERED_CHAINS;
	verdict->seconds = (double)(tally_sys_monotonic_us() - w->start_us) /
	    1e6;
	if (breaks > 0)
		verdict->verdict = TALLY_TAMPERED;
	else if (w->holds == 0 || verdict->by_kind[TALLY_NOT_JUDGED] > 0)
		verdict->verdict = TALLY_UNVERIFIABLE;
}

int
tally_profile_verify(struct tally_profile *profile,
    const struct tally_profile_source *source,
    const struct tally_verify_options *options,
    struct tally_verdict *out_verdict, struct tally_error *error)
{
	static const struct tally_verify_options none = { 0 };
	struct walk *w = tally_sys_alloc(sizeof(*w));
	int r;

	if (w == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	w->profile = w->judging.profile = profile;
	w->source = source;
	w->options = options != NULL ? options : &none;
	w->error = error;
	w->start_us = tally_sys_monotonic_us();
	r = tally_hasher_open(&w->judging.hasher);
	if (r == 0)
		r = walk_lines(w);
	if (r == 0)
		r = finish_chains(w);
	if (r == 0 && tally_hasher_failed(&w->judging.hasher))
		r = tally_fail(error, TALLY_E_MEMORY, "libcrypto failed");
	if (r == 0)
		conclude(w, out_verdict);
	tally_hasher_close(&w->judging.hasher);
	tally_links_wipe(&w->links);
	tally_chain_wipe(&w->chains);
	tally_sys_free(w->judging.out.at);
	tally_room_wipe(&w->room);
	tally_sys_free(w->buffer);
	tally_sys_free(w);
	return r;
}
