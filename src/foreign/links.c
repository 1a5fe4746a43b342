/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "foreign/links.h"
#include "log/sys.h"

void
tally_item_key(const struct tally_hash *hash, uint64_t out[2])
{
	memcpy(out, hash->b, 2 * sizeof(out[0]));
}

/* Room for one more of size bytes. */
static int
reserve(void **array, size_t len, size_t *capacity, size_t size)
{
	size_t wanted = *capacity == 0 ? 256 : 2 * *capacity;
	void *grown;

	if (len < *capacity)
		return 0;
	if (wanted > SIZE_MAX / size)
		return TALLY_E_MEMORY;
	grown = tally_sys_realloc(*array, wanted * size);
	if (grown == NULL)
		return TALLY_E_MEMORY;
	*array = grown;
	*capacity = wanted;
	return 0;
}

int
tally_links_add(struct tally_links *links, const struct tally_item *item,
    bool loose)
{
	void *array = loose ? links->loose : links->items;
	int r;

	if (loose) {
		r = reserve(&array, links->loose_len, &links->loose_capacity,
		    sizeof(*item));
		links->loose = array;
		if (r == 0)
			links->loose[links->loose_len++] = *item;
		return r;
	}
	r = reserve(&array, links->items_len, &links->items_capacity,
	    sizeof(*item));
	links->items = array;
	if (r == 0)
		links->items[links->items_len++] = *item;
	return r;
}

int
tally_links_found(struct tally_links *links, const struct tally_found *found)
{
	void *array = links->found;
	int r = reserve(&array, links->found_len, &links->found_capacity,
	    sizeof(*found));

	links->found = array;
	if (r == 0)
		links->found[links->found_len++] = *found;
	return r;
}

static int
by_key(const void *a, const void *b)
{
	const struct tally_item *x = a, *y = b;
	int i;

	for (i = 0; i < 2; i++) {
		if (x->key[i] != y->key[i])
			return x->key[i] < y->key[i] ? -1 : 1;
	}
	return (x->place.index > y->place.index) -
	    (x->place.index < y->place.index);
}

static int
by_place(const void *a, const void *b)
{
	const struct tally_found *x = a, *y = b;

	if (x->place.index != y->place.index)
		return x->place.index < y->place.index ? -1 : 1;
	return (x->reason > y->reason) - (x->reason < y->reason);
}

static bool
same_key(const struct tally_item *a, const struct tally_item *b)
{
	return a->key[0] == b->key[0] && a->key[1] == b->key[1];
}

static void
judge_orphan(const struct tally_item *loose, bool pruned,
    struct tally_found *found)
{
	if (loose->first && pruned)
		return;
	found->kind = TALLY_LINK_ALTERED;
	found->reason = TALLY_REASON_NO_PARENT;
	if (loose->first || loose->gap) {
		found->kind = TALLY_MISSING;
		found->reason = loose->first ? TALLY_REASON_BEGINNING
					     : TALLY_REASON_GAP;
	}
}

/*
 * One loose link whose parent is there; before are those of the same parent
 * that come before it.
 */
static void
judge_child(const struct tally_item *loose, const struct tally_item *parent,
    const struct tally_item *before, size_t before_len,
    struct tally_found *found)
{
	bool holds = parent->holds && loose->holds;
	bool second = parent->child != 0 || before_len > 0;
	size_t i;

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
	if (!second)
		return;
	found->kind = TALLY_FORKED;
	if (parent->child != 0) {
		holds &= parent->child_holds;
		if (parent->child == loose->own)
			found->kind = TALLY_DUPLICATE;
	}
	for (i = 0; i < before_len; i++) {
		holds &= before[i].holds;
		if (before[i].own == loose->own)
			found->kind = TALLY_DUPLICATE;
	}
	found->reason = holds ? TALLY_REASON_FORK_BENIGN : TALLY_REASON_FORK;
	if (found->kind == TALLY_DUPLICATE)
		found->reason = TALLY_REASON_TWICE;
}

int
tally_links_judge(struct tally_links *links, bool pruned)
{
	const struct tally_item *loose, *parent;
	size_t i, at = 0, first = 0;
	int r = 0;

	if (links->loose_len > 0) {
		if (links->items_len > 0)
			qsort(links->items, links->items_len,
			    sizeof(*links->items), by_key);
		qsort(links->loose, links->loose_len, sizeof(*links->loose),
		    by_key);
	}
	for (i = 0; i < links->loose_len && r == 0; i++) {
		struct tally_found found = { .rule = -1 };

		loose = &links->loose[i];
		if (!same_key(loose, &links->loose[first]))
			first = i;
		/* The parent is the first record that has this hash. */
		while (at < links->items_len) {
			parent = &links->items[at];
			if (parent->key[0] > loose->key[0] ||
			    (parent->key[0] == loose->key[0] &&
				parent->key[1] >= loose->key[1]))
				break;
			at++;
		}
		found.place = loose->place;
		if (at < links->items_len && same_key(&links->items[at], loose))
			judge_child(loose, &links->items[at],
			    &links->loose[first], i - first, &found);
		else
			judge_orphan(loose, pruned, &found);
		if (found.reason != TALLY_REASON_NONE)
			r = tally_links_found(links, &found);
	}
	if (r == 0 && links->found_len > 0)
		qsort(links->found, links->found_len, sizeof(*links->found),
		    by_place);
	return r;
}

void
tally_links_wipe(struct tally_links *links)
{
	tally_sys_free(links->items);
	tally_sys_free(links->loose);
	tally_sys_free(links->found);
}
