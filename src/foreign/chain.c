/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "foreign/chain.h"
#include "log/sys.h"

/* FNV-1a; a source with chains that collide on purpose is slow, not wrong. */
static uint64_t
hash_name(const char *name, size_t len)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)name[i]) * UINT64_C(1099511628211);
	return hash ^ hash >> 32;
}

/* The slot of a name, or the free one where it belongs. */
static uint32_t *
slot_of(const struct tally_chain_table *table, const char *name, size_t len)
{
	uint64_t mask = 2 * (uint64_t)table->capacity - 1;
	uint64_t at = hash_name(name, len) & mask;
	const struct tally_chain_name *known;

	for (;; at = (at + 1) & mask) {
		if (table->slots[at] == 0)
			return &table->slots[at];
		known = &table->names[table->slots[at] - 1];
		if (known->len == len && memcmp(known->at, name, len) == 0)
			return &table->slots[at];
	}
}

static int
grow(struct tally_chain_table *table)
{
	uint32_t capacity = table->capacity == 0 ? 16 : 2 * table->capacity;
	struct tally_chain_name *names;
	uint32_t *slots, i;

	if (capacity > UINT32_MAX / 4)
		return TALLY_E_MEMORY;
	names = tally_sys_realloc(table->names, capacity * sizeof(*names));
	if (names == NULL)
		return TALLY_E_MEMORY;
	table->names = names;
	slots = tally_sys_alloc((size_t)2 * capacity * sizeof(*slots));
	if (slots == NULL)
		return TALLY_E_MEMORY;
	tally_sys_free(table->slots);
	table->slots = slots;
	table->capacity = capacity;
	for (i = 0; i < table->len; i++)
		*slot_of(table, names[i].at, names[i].len) = i + 1;
	return 0;
}

int
tally_chain_find(struct tally_chain_table *table, const char *name, size_t len,
    uint32_t *out)
{
	struct tally_chain_name *made;
	uint32_t *slot;
	int r;

	if (table->len == table->capacity) {
		r = grow(table);
		if (r != 0)
			return r;
	}
	slot = slot_of(table, name, len);
	if (*slot == 0) {
		made = &table->names[table->len];
		made->at = tally_sys_alloc(len + 1);
		if (made->at == NULL)
			return TALLY_E_MEMORY;
		if (len > 0)
			memcpy(made->at, name, len);
		made->len = len;
		*slot = ++table->len;
	}
	*out = *slot - 1;
	return 0;
}

bool
tally_chain_is_known(const struct tally_chain_table *table, const char *name,
    size_t len)
{
	return table->len > 0 && *slot_of(table, name, len) != 0;
}

void
tally_chain_wipe(struct tally_chain_table *table)
{
	uint32_t i;

	for (i = 0; i < table->len; i++)
		tally_sys_free(table->names[i].at);
	tally_sys_free(table->names);
	tally_sys_free(table->slots);
	memset(table, 0, sizeof(*table));
}
