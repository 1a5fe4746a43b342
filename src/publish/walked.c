/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/heads.h"
#include "log/sys.h"
#include "publish/walked.h"
#include "verify/chains.h"

/* What the chain's first record that was walked says of the one before it. */
struct before {
	struct tally_hash hash;
	uint64_t seq; /* 0: there was none */
};

struct tally_walked {
	uint64_t from;
	uint64_t seed;
	struct tally_chains chains; /* their hash and seq: of the last record */
	struct before *before;
	uint32_t capacity;
};

int
tally_walked_new(struct tally_walked **out)
{
	struct tally_walked *walked = tally_sys_alloc(sizeof(*walked));

	if (walked == NULL)
		return TALLY_E_MEMORY;
	if (tally_sys_random(&walked->seed, sizeof(walked->seed)) != 0)
		walked->seed = (uint64_t)tally_sys_monotonic_us();
	*out = walked;
	return TALLY_OK;
}

void
tally_walked_free(struct tally_walked *walked)
{
	if (walked == NULL)
		return;
	tally_chains_wipe(&walked->chains);
	tally_sys_free(walked->before);
	tally_sys_free(walked);
}

int
tally_walked_begin(struct tally_walked *walked, uint64_t from)
{
	tally_chains_wipe(&walked->chains);
	walked->from = from;
	return tally_chains_init(&walked->chains, walked->seed);
}

static int
add_chain(struct tally_walked *walked, const struct tally_header *header,
    uint64_t key, uint32_t *out)
{
	uint32_t len = walked->chains.len;
	uint32_t capacity = walked->capacity == 0 ? 64 : 2 * walked->capacity;
	struct before *more;
	int result;

	if (len == walked->capacity) {
		more = tally_sys_realloc(walked->before,
		    capacity * sizeof(*more));
		if (more == NULL)
			return TALLY_E_MEMORY;
		walked->before = more;
		walked->capacity = capacity;
	}
	result = tally_chains_add(&walked->chains, header->chain,
	    header->chain_len, key, out);
	if (result == 0) {
		walked->before[len].hash = header->prev;
		walked->before[len].seq = header->seq - 1;
	}
	return result;
}

int
tally_walked_take(struct tally_walked *walked, uint64_t index,
    const struct tally_line *line)
{
	const struct tally_header *header = &line->header;
	uint64_t key;
	uint32_t chain;
	int result = TALLY_OK;

	if (index < walked->from ||
	    (header->chain_len == sizeof(TALLY_HEADS_CHAIN) - 1 &&
		memcmp(header->chain, TALLY_HEADS_CHAIN, header->chain_len) ==
		    0))
		return TALLY_OK;
	key = tally_chains_key(walked->seed, header->chain, header->chain_len);
	chain = tally_chains_find(&walked->chains, header->chain,
	    header->chain_len, key);
	if (chain == TALLY_CHAIN_NONE)
		result = add_chain(walked, header, key, &chain);
	if (result != 0)
		return result;
	walked->chains.items[chain].hash = line->hash;
	walked->chains.items[chain].seq = header->seq;
	return TALLY_OK;
}

/* ---- against the tree ------------------------------------------------- */

static int
by_position(const void *left, const void *right)
{
	const struct tally_headtree_was *a = left, *b = right;

	if (a->position != b->position)
		return a->position < b->position ? -1 : 1;
	return (a->turn > b->turn) - (a->turn < b->turn);
}

static int
by_hash(const void *left, const void *right)
{
	const struct tally_headtree_was *a = left, *b = right;

	return memcmp(a->hash.b, b->hash.b, TALLY_HASH_SIZE);
}

/* Of each leaf that changed what it was at the mark, by hash. */
static size_t
sort_was(struct tally_headtree_was *was, size_t len)
{
	size_t kept = 0;

	qsort(was, len, sizeof(*was), by_position);
	for (size_t i = 0; i < len; i++) {
		if (kept == 0 || was[kept - 1].position != was[i].position)
			was[kept++] = was[i];
	}
	qsort(was, kept, sizeof(*was), by_hash);
	return kept;
}

static struct tally_hash
leaf_of(struct tally_hasher *hasher, const struct tally_chain *c,
    const struct tally_hash *hash, uint64_t seq)
{
	char text[TALLY_HEAD_LEAF_MAX];

	return tally_hash_leaf(hasher, text,
	    tally_head_leaf_format(c->name, c->name_len, hash, seq, text));
}

static bool
is_walked(const struct tally_walked *walked, const struct tally_headtree *tree,
    struct tally_hasher *hasher, const struct tally_headtree_was *was,
    size_t len)
{
	uint64_t begun = tree->marked, position;
	size_t matched = 0;

	for (uint32_t i = 0; i < walked->chains.len; i++) {
		const struct tally_chain *c = &walked->chains.items[i];
		const struct before *before = &walked->before[i];
		struct tally_headtree_was key = { .position = 0 };
		struct tally_hash leaf = leaf_of(hasher, c, &c->hash, c->seq);
		const struct tally_headtree_was *found;

		if (before->seq == 0) {
			position = begun++;
		} else {
			key.hash = leaf_of(hasher, c, &before->hash,
			    before->seq);
			found = len == 0
			    ? NULL
			    : bsearch(&key, was, len, sizeof(*was), by_hash);
			if (found == NULL)
				return false;
			position = found->position;
			matched++;
		}
		if (position >= tree->chains ||
		    !tally_hash_equal(&tree->level[0][position], &leaf))
			return false;
	}
	return matched == len && begun == tree->chains;
}

int
tally_walked_check(struct tally_walked *walked,
    const struct tally_headtree *tree, struct tally_hasher *hasher)
{
	size_t len = tree->was_len;
	struct tally_headtree_was *was = tally_sys_alloc((len + 1) *
	    sizeof(*was));
	bool holds;

	if (was == NULL)
		return TALLY_E_MEMORY;
	if (len > 0)
		memcpy(was, tree->was, len * sizeof(*was));
	len = sort_was(was, len);
	holds = is_walked(walked, tree, hasher, was, len);
	tally_sys_free(was);
	return holds ? TALLY_OK : TALLY_END;
}
