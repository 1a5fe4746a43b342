/* SPDX-License-Identifier: Apache-2.0 */
/* Heads records, in the order of the log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/sys.h"
#include "verify/judge.h"

void
tally_sealed_wipe(struct tally_sealed *sealed)
{
	tally_headtree_wipe(&sealed->tree);
	tally_sys_free(sealed->changed);
	tally_sys_free(sealed->leaf);
	memset(sealed, 0, sizeof(*sealed));
}

/* ---- the tree --------------------------------------------------------- */

static bool
is_heads(const struct tally_chain *c)
{
	const struct tally_header header = { .chain = c->name,
		.chain_len = c->name_len };

	return tally_heads_is(&header);
}

/* Room for one chain more that changed. */
static bool
reserve(struct tally_judge *judge)
{
	struct tally_sealed *sealed = &judge->sealed;
	uint32_t capacity = sealed->capacity == 0 ? 64 : 2 * sealed->capacity;
	uint32_t *more;

	if (sealed->len < sealed->capacity)
		return true;
	more = tally_sys_realloc(sealed->changed, capacity * sizeof(*more));
	if (more == NULL) {
		judge->no_memory = true;
		return false;
	}
	sealed->changed = more;
	sealed->capacity = capacity;
	return true;
}

void
tally_sealed_touch(struct tally_judge *judge, uint32_t chain)
{
	struct tally_sealed *sealed = &judge->sealed;
	struct tally_chain *c = &judge->chains.items[chain];

	/* Of one chain alone the tree cannot be made. */
	if (c->changed || judge->plan->only != NULL || is_heads(c) ||
	    !reserve(judge))
		return;
	if (c->place == 0)
		c->place = ++sealed->places;
	c->changed = true;
	sealed->changed[sealed->len++] = chain;
}

static int
compare_place(const void *left, const void *right)
{
	const struct tally_headtree_leaf *a = left, *b = right;

	return (a->position > b->position) - (a->position < b->position);
}

static int
reserve_leaves(struct tally_sealed *sealed, size_t len)
{
	struct tally_headtree_leaf *more;

	if (len <= sealed->leaf_capacity)
		return 0;
	more = tally_sys_realloc(sealed->leaf, len * sizeof(*more));
	if (more == NULL)
		return TALLY_E_MEMORY;
	sealed->leaf = more;
	sealed->leaf_capacity = len;
	return 0;
}

static int
put_leaves(struct tally_judge *judge, size_t len)
{
	struct tally_sealed *sealed = &judge->sealed;

	if (len == 0)
		return 0;
	qsort(sealed->leaf, len, sizeof(*sealed->leaf), compare_place);
	return tally_headtree_put(&sealed->tree, &judge->scanner->hasher,
	    sealed->leaf, len, sealed->places, judge->error);
}

/* Brings the tree up to the chains' heads. */
static int
bring_up(struct tally_judge *judge)
{
	struct tally_sealed *sealed = &judge->sealed;
	struct tally_hasher *hasher = &judge->scanner->hasher;
	char text[TALLY_HEAD_LEAF_MAX];
	size_t len;
	uint32_t i;
	int r = reserve_leaves(sealed, sealed->len);

	for (i = 0; r == 0 && i < sealed->len; i++) {
		struct tally_chain *c = &judge->chains
					     .items[sealed->changed[i]];

		len = tally_head_leaf_format(c->name, c->name_len, &c->hash,
		    c->seq, text);
		sealed->leaf[i].position = c->place - 1;
		sealed->leaf[i].hash = tally_hash_leaf(hasher, text, len);
		c->changed = false;
	}
	if (r == 0)
		r = put_leaves(judge, sealed->len);
	sealed->len = 0;
	return r;
}

/* What changed in a chunk before one of its heads records. */
static int
put_entries(struct tally_judge *judge, const struct tally_chunk *chunk,
    const struct tally_heads_note *note)
{
	struct tally_sealed *sealed = &judge->sealed;
	uint32_t i, n = note->end - note->begin;
	int r = reserve_leaves(sealed, n);

	for (i = 0; r == 0 && i < n; i++) {
		const struct tally_heads_entry
		    *entry = &chunk->heads.entry[note->begin + i];
		uint32_t number = chunk->locals[entry->local].number;
		struct tally_chain *c = &judge->chains.items[number];

		if (c->place == 0)
			c->place = ++sealed->places;
		sealed->leaf[i].position = c->place - 1;
		sealed->leaf[i].hash = entry->leaf;
	}
	return r == 0 ? put_leaves(judge, n) : r;
}

/* ---- what a record says ----------------------------------------------- */

/* Is something about the chains not as it should be, or not settled? */
static bool
is_disturbed(const struct tally_judge *judge)
{
	return judge->sealed.is_disturbed || judge->troubles_used > 0 ||
	    judge->earlies_len > 0 || judge->gaps_len > 0 ||
	    judge->lost_len > 0 || judge->doubts_len > 0;
}

static void
tell_run(struct tally_judge *judge)
{
	struct tally_heads_run *run = &judge->sealed.run;
	struct tally_notice notice = {
		.kind = run->kind,
		.chain = TALLY_HEADS_CHAIN,
		.chain_len = sizeof(TALLY_HEADS_CHAIN) - 1,
		.seq = run->seq,
		.seq_end = run->seq_end,
		.where = &run->where,
		.detail = run->detail,
	};

	if (run->seq == 0)
		return;
	if (run->kind == TALLY_CONTENT_ALTERED && is_disturbed(judge)) {
		notice.kind = TALLY_NOT_JUDGED;
		notice.detail = "it says something else than the heads before"
				" it, of which something was changed";
	}
	tally_report_tell(judge->report, &notice);
	run->seq = 0;
}

/* A record that says something else than the log. */
static void
add_to_run(struct tally_judge *judge, uint64_t seq,
    const struct tally_where *where, enum tally_finding_kind kind,
    const char *detail)
{
	struct tally_heads_run *run = &judge->sealed.run;

	if (run->seq != 0 && (run->kind != kind || run->seq_end != seq))
		tell_run(judge);
	if (run->seq == 0) {
		run->seq = seq;
		run->where = *where;
		run->kind = kind;
		(void)snprintf(run->detail, sizeof(run->detail), "%s", detail);
	}
	run->seq_end = seq + 1;
}

/* The tree is as of the records before it. */
static int
judge_event(struct tally_judge *judge, const struct tally_heads_event *says,
    bool is_known, uint64_t seq, const struct tally_where *where)
{
	struct tally_headtree *tree = &judge->sealed.tree;
	struct tally_tree_source source = tally_headtree_source(tree);
	struct tally_hash root = { { 0 } };
	char detail[120];
	int r = tally_tree_root(&judge->scanner->hasher, &source, tree->chains,
	    &root);

	if (r != 0)
		return r;
	if (!is_known) {
		add_to_run(judge, seq, where, TALLY_NOT_JUDGED,
		    "its event is none that is known in " TALLY_HEADS_CHAIN);
	} else if (says->size != where->index) {
		(void)snprintf(detail, sizeof(detail),
		    "it says that %llu records stand before it, and %llu do",
		    (unsigned long long)says->size,
		    (unsigned long long)where->index);
		add_to_run(judge, seq, where, TALLY_CONTENT_ALTERED, detail);
	} else if (says->chains != tree->chains) {
		(void)snprintf(detail, sizeof(detail),
		    "it says that there are %llu chains before it, and there"
		    " are %llu",
		    (unsigned long long)says->chains,
		    (unsigned long long)tree->chains);
		add_to_run(judge, seq, where, TALLY_CONTENT_ALTERED, detail);
	} else if (!tally_hash_equal(&says->root, &root)) {
		add_to_run(judge, seq, where, TALLY_CONTENT_ALTERED,
		    "its root is not that of the heads before it: it lies, or"
		    " a chain was changed");
	} else {
		tell_run(judge);
	}
	return 0;
}

int
tally_sealed_take(struct tally_judge *judge, const struct tally_line *line,
    const struct tally_step *step)
{
	struct tally_heads_event says = { .size = 0 };
	bool is_known;
	int r;

	if (judge->plan->only != NULL)
		return 0;
	is_known = !line->has_salt &&
	    tally_heads_event_parse(line->event, line->event_len, &says) == 0;
	r = bring_up(judge);
	return r != 0
	    ? r
	    : judge_event(judge, &says, is_known, step->seq, &step->where);
}

int
tally_sealed_join(struct tally_judge *judge, const struct tally_chunk *chunk)
{
	const struct tally_chunk_heads *heads = &chunk->heads;
	uint32_t i, since = 0;
	int r = 0;

	for (i = 0; r == 0 && i < heads->len; i++) {
		const struct tally_heads_note *note = &heads->note[i];
		const struct tally_where where = { chunk->first_index +
			    note->record,
			chunk->begin + note->offset, chunk->extent };

		if (i == 0)
			r = bring_up(judge);
		if (r == 0)
			r = put_entries(judge, chunk, note);
		if (r == 0)
			r = judge_event(judge, &note->says, note->is_known,
			    note->seq, &where);
		since = note->record;
	}
	for (i = 0; r == 0 && i < chunk->locals_len; i++) {
		if (chunk->locals[i].last >= since)
			tally_sealed_touch(judge, chunk->locals[i].number);
	}
	return r == 0 && judge->no_memory ? TALLY_E_MEMORY : r;
}

void
tally_sealed_finish(struct tally_judge *judge)
{
	tell_run(judge);
}

/* ---- interrupted ------------------------------------------------------ */

void
tally_sealed_put(struct tally_bytes *out, const struct tally_judge *judge)
{
	const struct tally_sealed *sealed = &judge->sealed;
	const struct tally_heads_run *run = &sealed->run;

	tally_bytes_put_u64(out, sealed->places);
	tally_bytes_put_u64(out, sealed->is_disturbed);
	tally_bytes_put_u64(out, run->seq);
	tally_bytes_put_u64(out, run->seq_end);
	tally_bytes_put_u64(out, run->where.index);
	tally_bytes_put_u64(out, run->where.offset);
	tally_bytes_put_u64(out, run->where.extent);
	tally_bytes_put_u64(out, run->kind);
	tally_bytes_put_text(out, run->detail, strlen(run->detail));
}

void
tally_sealed_get(struct tally_bytes_reader *in, struct tally_judge *judge)
{
	struct tally_sealed *sealed = &judge->sealed;
	struct tally_heads_run *run = &sealed->run;
	const char *detail;
	uint32_t i, place, left;
	size_t len;

	sealed->places = (uint32_t)tally_bytes_get_max(in, judge->chains.len);
	sealed->is_disturbed = tally_bytes_get_max(in, 1) != 0;
	run->seq = tally_bytes_get_u64(in);
	run->seq_end = tally_bytes_get_u64(in);
	run->where.index = tally_bytes_get_u64(in);
	run->where.offset = tally_bytes_get_u64(in);
	run->where.extent = (uint32_t)tally_bytes_get_max(in,
	    judge->snapshot->extents_len - 1);
	run->kind = (enum tally_finding_kind)tally_bytes_get_max(in,
	    TALLY_KIND_COUNT - 1);
	detail = tally_bytes_get_text(in, &len);
	if (detail == NULL || len >= sizeof(run->detail)) {
		in->failed = true;
		return;
	}
	memcpy(run->detail, detail, len);
	run->detail[len] = '\0';
	/* The tree itself is made from the heads. */
	for (i = left = 0; i < judge->chains.len; i++) {
		place = judge->chains.items[i].place;
		if (place > sealed->places)
			in->failed = true;
		else if (place != 0)
			tally_sealed_touch(judge, i);
		left += place != 0;
	}
	if (left != sealed->places)
		in->failed = true;
}
