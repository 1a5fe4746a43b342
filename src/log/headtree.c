/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "log/fail.h"
#include "log/headtree.h"

void
tally_headtree_wipe(struct tally_headtree *tree)
{
	for (int i = 0; i < TALLY_HEADTREE_LEVELS; i++)
		tally_sys_free(tree->level[i]);
	tally_sys_free(tree->was);
	memset(tree, 0, sizeof(*tree));
}

int
tally_headtree_grow(struct tally_headtree *tree, uint64_t chains,
    struct tally_error *error)
{
	uint64_t capacity = tree->capacity == 0 ? 64 : tree->capacity;

	if (chains <= tree->capacity)
		return TALLY_OK;
	while (capacity < chains)
		capacity *= 2;
	for (int i = 0; i < TALLY_HEADTREE_LEVELS && capacity >> i != 0; i++) {
		void *more = tally_sys_realloc(tree->level[i],
		    (size_t)(capacity >> i) * sizeof(struct tally_hash));

		if (more == NULL)
			return tally_fail_memory(error);
		tree->level[i] = more;
	}
	tree->capacity = capacity;
	return TALLY_OK;
}

static int
headtree_node(void *arg, unsigned height, uint64_t position,
    struct tally_hash *out)
{
	const struct tally_headtree *tree = arg;

	if (height >= TALLY_HEADTREE_LEVELS ||
	    position >= tree->chains >> height)
		return TALLY_E_BUG;
	*out = tree->level[height][position];
	return TALLY_OK;
}

struct tally_tree_source
tally_headtree_source(struct tally_headtree *tree)
{
	return (struct tally_tree_source){ headtree_node, tree };
}

/*
 * Rule 4.  The nodes that the root is made of are right, and with a node its
 * children are: so are all that the change will be hashed with.
 */
static bool
holds_above(const struct tally_headtree *tree, struct tally_hasher *hasher,
    const struct tally_headtree_leaf *leaf, size_t len)
{
	for (int l = 1; l < TALLY_HEADTREE_LEVELS; l++) {
		uint64_t nodes = tree->chains >> l, done = UINT64_MAX;

		for (size_t i = 0; i < len && nodes != 0; i++) {
			uint64_t at = leaf[i].position >> l;
			struct tally_hash node;

			if (at >= nodes || at == done)
				continue;
			node = tally_hash_node(hasher,
			    &tree->level[l - 1][2 * at],
			    &tree->level[l - 1][2 * at + 1]);
			if (!tally_hash_equal(&node, &tree->level[l][at]))
				return false;
			done = at;
		}
	}
	return true;
}

void
tally_headtree_mark(struct tally_headtree *tree)
{
	tree->marked = tree->chains;
	tree->was_len = 0;
	tree->is_marked = true;
}

/* Before the leaves change. */
static int
keep_was(struct tally_headtree *tree, const struct tally_headtree_leaf *leaf,
    size_t len, struct tally_error *error)
{
	if (tree->was_len + len > tree->was_capacity) {
		size_t capacity = 2 * (tree->was_len + len);
		void *more = tally_sys_realloc(tree->was,
		    capacity * sizeof(*tree->was));

		if (more == NULL)
			return tally_fail_memory(error);
		tree->was = more;
		tree->was_capacity = capacity;
	}
	for (size_t i = 0; i < len; i++) {
		struct tally_headtree_was *was = &tree->was[tree->was_len];

		if (leaf[i].position >= tree->marked)
			continue;
		was->position = leaf[i].position;
		was->turn = tree->was_len++;
		was->hash = tree->level[0][leaf[i].position];
	}
	return TALLY_OK;
}

int
tally_headtree_put(struct tally_headtree *tree, struct tally_hasher *hasher,
    const struct tally_headtree_leaf *leaf, size_t len, uint64_t chains,
    struct tally_error *error)
{
	int result;

	if (tree->is_loaded && !holds_above(tree, hasher, leaf, len))
		return TALLY_END;
	result = tally_headtree_grow(tree, chains, error);
	if (result == 0 && tree->is_marked)
		result = keep_was(tree, leaf, len, error);
	if (result != 0)
		return result;
	tree->chains = chains;
	for (size_t i = 0; i < len; i++)
		tree->level[0][leaf[i].position] = leaf[i].hash;
	for (int l = 1; l < TALLY_HEADTREE_LEVELS; l++) {
		uint64_t nodes = tree->chains >> l, done = UINT64_MAX;

		for (size_t i = 0; i < len && nodes != 0; i++) {
			uint64_t at = leaf[i].position >> l;

			if (at >= nodes || at == done)
				continue;
			tree->level[l][at] = tally_hash_node(hasher,
			    &tree->level[l - 1][2 * at],
			    &tree->level[l - 1][2 * at + 1]);
			done = at;
		}
	}
	return TALLY_OK;
}
