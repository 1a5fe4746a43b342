/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing over numbers; the entries themselves stand in an array, the
 * names in blocks that never move.
 *
 * 1. At most half of the slots are taken.
 * 2. A name's bytes never move: whoever holds a pointer to one keeps it.
 */
#include <string.h>

#include "log/sys.h"
#include "verify/chains.h"

#define BLOCK_SIZE ((size_t)64 << 10)
#define FIRST_CAPACITY 64

struct tally_names {
	struct tally_names *next;
	size_t used;
	char text[];
};

int
tally_chains_init(struct tally_chains *chains, uint64_t seed)
{
	memset(chains, 0, sizeof(*chains));
	chains->seed = seed;
	chains->capacity = FIRST_CAPACITY;
	chains->mask = 2 * FIRST_CAPACITY - 1;
	chains->items = tally_sys_alloc(chains->capacity *
	    sizeof(*chains->items));
	chains->slots = tally_sys_alloc((size_t)2 * FIRST_CAPACITY *
	    sizeof(*chains->slots));
	if (chains->items == NULL || chains->slots == NULL)
		return TALLY_E_MEMORY;
	return 0;
}

void
tally_chains_wipe(struct tally_chains *chains)
{
	struct tally_names *block, *next;

	for (block = chains->names; block != NULL; block = next) {
		next = block->next;
		tally_sys_free(block);
	}
	tally_sys_free(chains->items);
	tally_sys_free(chains->slots);
	memset(chains, 0, sizeof(*chains));
}

static uint64_t
mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

uint64_t
tally_chains_key(uint64_t seed, const char *name, size_t len)
{
	uint64_t hash = mix(seed, len), word;

	for (; len >= sizeof(word); len -= sizeof(word)) {
		memcpy(&word, name, sizeof(word));
		hash = mix(hash, word);
		name += sizeof(word);
	}
	if (len > 0) {
		word = 0;
		memcpy(&word, name, len);
		hash = mix(hash, word);
	}
	return mix(hash, seed >> 7);
}

uint32_t
tally_chains_find(const struct tally_chains *chains, const char *name,
    size_t len, uint64_t key)
{
	const struct tally_chain *chain;
	uint32_t at, number;

	for (at = (uint32_t)key & chains->mask; chains->slots[at] != 0;
	     at = (at + 1) & chains->mask) {
		number = chains->slots[at] - 1;
		chain = &chains->items[number];
		if (chain->key == key && chain->name_len == len &&
		    memcmp(chain->name, name, len) == 0)
			return number;
	}
	return TALLY_CHAIN_NONE;
}

static void
take_slot(uint32_t *slots, uint32_t mask, uint64_t key, uint32_t number)
{
	uint32_t at = (uint32_t)key & mask;

	while (slots[at] != 0)
		at = (at + 1) & mask;
	slots[at] = number + 1;
}

static int
grow(struct tally_chains *chains)
{
	uint32_t capacity = chains->capacity * 2, i;
	struct tally_chain *items;
	uint32_t *slots;

	if (capacity > UINT32_MAX / 4)
		return TALLY_E_LIMIT;
	items = tally_sys_realloc(chains->items, capacity * sizeof(*items));
	if (items == NULL)
		return TALLY_E_MEMORY;
	chains->items = items;
	slots = tally_sys_alloc((size_t)2 * capacity * sizeof(*slots));
	if (slots == NULL)
		return TALLY_E_MEMORY;
	for (i = 0; i < chains->len; i++)
		take_slot(slots, 2 * capacity - 1, items[i].key, i);
	tally_sys_free(chains->slots);
	chains->slots = slots;
	chains->mask = 2 * capacity - 1;
	chains->capacity = capacity;
	return 0;
}

static const char *
keep_name(struct tally_chains *chains, const char *name, size_t len)
{
	struct tally_names *block = chains->names;
	char *at;

	if (block == NULL || BLOCK_SIZE - block->used < len) {
		block = tally_sys_alloc(sizeof(*block) + BLOCK_SIZE);
		if (block == NULL)
			return NULL;
		block->next = chains->names;
		chains->names = block;
	}
	at = block->text + block->used;
	memcpy(at, name, len);
	block->used += len;
	return at;
}

int
tally_chains_add(struct tally_chains *chains, const char *name, size_t len,
    uint64_t key, uint32_t *out_number)
{
	struct tally_chain *chain;
	const char *kept;
	int r;

	if (chains->len == chains->capacity) {
		r = grow(chains);
		if (r != 0)
			return r;
	}
	kept = keep_name(chains, name, len);
	if (kept == NULL)
		return TALLY_E_MEMORY;
	chain = &chains->items[chains->len];
	memset(chain, 0, sizeof(*chain));
	chain->name = kept;
	chain->name_len = (uint32_t)len;
	chain->key = key;
	chain->barrier = TALLY_BARRIER_NONE;
	take_slot(chains->slots, chains->mask, key, chains->len);
	*out_number = chains->len++;
	return 0;
}
