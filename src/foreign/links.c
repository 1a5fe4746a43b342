/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loose links are few where a chain is sound or forks now and then, and all
 * there are where it is not what the profile says.  So items go to a spool,
 * and only those whose hash some loose link may name (a filter says so, with
 * some false alarms) are sorted, by that hash, to meet the links.
 */
#include <string.h>

#include "core/fail.h"
#include "foreign/links.h"
#include "log/sys.h"

#define SORT_BYTES ((size_t)16 << 20)
#define FILTER_BITS ((uint64_t)1 << 26)

/* Loose links to one record that come behind it in its own chain. */
struct siblings {
	uint64_t count;
	uint64_t first; /* index of the first of them */
	bool hold;
	uint64_t last_own; /* of the one before, in the order of own */
	bool any;
};

void
tally_item_key(const uint8_t *hash, uint64_t out[2])
{
	memcpy(out, hash, 2 * sizeof(out[0]));
}

int
tally_links_init(struct tally_links *links, struct tally_error *error)
{
	int r;

	memset(links, 0, sizeof(*links));
	links->error = error;
	tally_spool_init(&links->items, sizeof(struct tally_item));
	tally_spool_init(&links->group, sizeof(struct tally_item));
	r = tally_sort_new(&links->loose, SORT_BYTES, error);
	if (r == 0)
		r = tally_sort_new(&links->found, SORT_BYTES, error);
	return r;
}

void
tally_links_wipe(struct tally_links *links)
{
	tally_spool_wipe(&links->items);
	tally_spool_wipe(&links->group);
	tally_sort_free(links->loose);
	tally_sort_free(links->found);
	tally_sys_free(links->filter);
}

int
tally_links_add(struct tally_links *links, const struct tally_item *item)
{
	return tally_spool_add(&links->items, item, links->error);
}

int
tally_links_loose(struct tally_links *links, const struct tally_item *loose)
{
	struct tally_sort_key key = { loose->key[0], loose->key[1],
		loose->child };
	int i;

	if (links->filter == NULL) {
		links->filter = tally_sys_alloc(FILTER_BITS / 8);
		if (links->filter == NULL)
			return tally_fail(links->error, TALLY_E_MEMORY,
			    "out of memory");
	}
	for (i = 0; i < 2; i++)
		links->filter[loose->key[i] % FILTER_BITS / 64] |= (uint64_t)1
		    << loose->key[i] % 64;
	links->loose_len++;
	/* Equal ones keep the order of their places. */
	return tally_sort_put(links->loose, &key, loose, sizeof(*loose),
	    links->error);
}

int
tally_links_found(struct tally_links *links, const struct tally_found *found)
{
	struct tally_sort_key key = { found->place.index,
		(uint64_t)found->reason, found->other };

	return tally_sort_put(links->found, &key, found, sizeof(*found),
	    links->error);
}

static bool
may_be_named(const struct tally_links *links, const struct tally_item *item)
{
	int i;

	for (i = 0; i < 2; i++) {
		if ((links->filter[item->key[i] % FILTER_BITS / 64] >>
			    item->key[i] % 64 &
			1) == 0)
			return false;
	}
	return true;
}

/* Items that a loose link may name, by key and place. */
static int
sort_parents(struct tally_links *links, struct tally_sort **out)
{
	struct tally_sort_key key;
	const void *entry;
	int r = tally_sort_new(out, SORT_BYTES, links->error);

	tally_spool_rewind(&links->items);
	while (r == 0) {
		const struct tally_item *item;

		r = tally_spool_next(&links->items, &entry, links->error);
		if (r != 0)
			break;
		item = entry;
		if (!may_be_named(links, item))
			continue;
		key = (struct tally_sort_key){ item->key[0], item->key[1],
			item->place.index };
		r = tally_sort_put(*out, &key, item, sizeof(*item),
		    links->error);
	}
	return r == TALLY_END ? tally_sort_end(*out, links->error) : r;
}

static void
judge_orphan(const struct tally_links *links, const struct tally_item *loose,
    struct tally_found *found)
{
	if (loose->first && links->pruned)
		return;
	found->kind = TALLY_LINK_ALTERED;
	found->reason = TALLY_REASON_NO_PARENT;
	if (loose->first || loose->gap) {
		found->kind = TALLY_MISSING;
		found->reason = loose->first ? TALLY_REASON_BEGINNING
					     : TALLY_REASON_GAP;
	}
}

static bool
is_behind(const struct tally_item *loose, const struct tally_item *parent)
{
	return parent->place.chain == loose->place.chain &&
	    parent->place.index < loose->place.index;
}

static void
judge_child(const struct tally_item *loose, const struct tally_item *parent,
    struct siblings *siblings, struct tally_found *found)
{
	bool twice;

	found->other = parent->place.index;
	if (parent->place.chain != loose->place.chain) {
		found->kind = TALLY_INSERTED;
		found->reason = TALLY_REASON_OTHER_CHAIN;
		return;
	}
	if (parent->place.index > loose->place.index) {
		found->kind = TALLY_REORDERED;
		found->reason = TALLY_REASON_LATER;
		return;
	}
	twice = parent->child == loose->child ||
	    (siblings->any && siblings->last_own == loose->child);
	siblings->any = true;
	siblings->last_own = loose->child;
	if (parent->child == 0 && loose->place.index == siblings->first)
		return;
	found->kind = twice ? TALLY_DUPLICATE : TALLY_FORKED;
	found->reason = siblings->hold ? TALLY_REASON_FORK_BENIGN
				       : TALLY_REASON_FORK;
	if (twice)
		found->reason = TALLY_REASON_TWICE;
}

/* What the loose links of a group have in common. */
static int
meet(struct tally_links *links, const struct tally_item *parent,
    struct siblings *out)
{
	const void *entry;
	int r;

	memset(out, 0, sizeof(*out));
	out->hold = parent->holds &&
	    (parent->child == 0 || parent->child_holds);
	tally_spool_rewind(&links->group);
	while ((r = tally_spool_next(&links->group, &entry, links->error)) ==
	    0) {
		const struct tally_item *loose = entry;

		if (!is_behind(loose, parent))
			continue;
		if (out->count++ == 0 || loose->place.index < out->first)
			out->first = loose->place.index;
		out->hold &= loose->holds != 0;
	}
	return r == TALLY_END ? 0 : r;
}

static int
judge_group(struct tally_links *links, const struct tally_item *parent)
{
	struct siblings siblings = { 0 };
	const void *entry;
	int r = parent != NULL ? meet(links, parent, &siblings) : 0;

	tally_spool_rewind(&links->group);
	while (r == 0) {
		struct tally_found found = { .rule = -1 };
		const struct tally_item *loose;

		r = tally_spool_next(&links->group, &entry, links->error);
		if (r != 0)
			break;
		loose = entry;
		found.place = loose->place;
		if (parent != NULL)
			judge_child(loose, parent, &siblings, &found);
		else
			judge_orphan(links, loose, &found);
		if (found.reason != TALLY_REASON_NONE)
			r = tally_links_found(links, &found);
		if (r == 0 && links->settled != NULL)
			r = links->settled(links->arg, loose, parent);
	}
	tally_spool_empty(&links->group);
	return r == TALLY_END ? 0 : r;
}

static int
compare(const struct tally_sort_key *x, const struct tally_sort_key *y)
{
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return x->b < y->b ? -1 : x->b > y->b;
}

/* The first record that has this hash, into *parent; else TALLY_END. */
static int
find_parent(struct tally_links *links, struct tally_sort *parents,
    const struct tally_sort_key *wanted, struct tally_sort_key *at, bool *begun,
    struct tally_item *parent)
{
	const void *item;
	size_t len;
	int r = 0;

	while (!*begun || compare(at, wanted) < 0) {
		r = tally_sort_next(parents, at, &item, &len, links->error);
		if (r != 0)
			break;
		*begun = true;
		memcpy(parent, item, sizeof(*parent));
	}
	if (r == TALLY_END) {
		/* Nothing is behind it. */
		*begun = true;
		at->a = at->b = UINT64_MAX;
		memset(parent->key, 0xff, sizeof(parent->key));
		parent->place.chain = UINT32_MAX;
	} else if (r != 0) {
		return r;
	}
	return compare(at, wanted) == 0 && parent->place.chain != UINT32_MAX
	    ? 0
	    : TALLY_END;
}

/* Both are sorted: they are walked side by side. */
static int
merge(struct tally_links *links, struct tally_sort *parents)
{
	struct tally_sort_key key = { 0, 0, 0 }, group = { 0, 0, 0 };
	struct tally_sort_key at = { 0, 0, 0 };
	struct tally_item parent = { .child = 0 };
	bool begun = false;
	const void *loose;
	size_t len;
	int r = 0, next = 0;

	while (r == 0 && next == 0) {
		next = tally_sort_next(links->loose, &key, &loose, &len,
		    links->error);
		if (next < 0)
			return next;
		if (tally_spool_count(&links->group) > 0 &&
		    (next == TALLY_END || compare(&group, &key) != 0)) {
			r = find_parent(links, parents, &group, &at, &begun,
			    &parent);
			if (r >= 0)
				r = judge_group(links, r == 0 ? &parent : NULL);
		}
		group = key;
		if (r == 0 && next == 0)
			r = tally_spool_add(&links->group, loose, links->error);
	}
	return r;
}

int
tally_links_judge(struct tally_links *links)
{
	struct tally_sort *parents = NULL;
	int r = 0;

	if (links->loose_len > 0) {
		r = sort_parents(links, &parents);
		if (r == 0)
			r = tally_sort_end(links->loose, links->error);
		if (r == 0)
			r = merge(links, parents);
		tally_sort_free(parents);
	}
	return r == 0 ? tally_sort_end(links->found, links->error) : r;
}

int
tally_links_next(struct tally_links *links, struct tally_found *out)
{
	struct tally_sort_key key;
	const void *found;
	size_t len;
	int r = tally_sort_next(links->found, &key, &found, &len, links->error);

	if (r == 0)
		memcpy(out, found, sizeof(*out));
	return r;
}
