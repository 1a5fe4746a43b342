/* SPDX-License-Identifier: Apache-2.0 */
/* The heads records of a chunk. */
#include <string.h>

#include "log/sys.h"
#include "verify/chunk.h"

bool
tally_heads_is(const struct tally_header *header)
{
	static const char name[] = TALLY_HEADS_CHAIN;

	return header->chain_len == sizeof(name) - 1 &&
	    memcmp(header->chain, name, header->chain_len) == 0;
}

static bool
is_heads(const struct tally_local *local)
{
	const struct tally_header header = { .chain = local->name,
		.chain_len = local->name_len };

	return tally_heads_is(&header);
}

/* The table with room for so many more, or NULL: it is as it was. */
static void *
room_for(void *table, uint32_t len, uint32_t more, uint32_t *capacity,
    size_t size)
{
	uint32_t wanted = *capacity == 0 ? 16 : *capacity;

	while (wanted < len + more)
		wanted *= 2;
	if (wanted == *capacity)
		return table;
	table = tally_sys_realloc(table, wanted * size);
	if (table != NULL)
		*capacity = wanted;
	return table;
}

/* What changed since the record number since. */
static void
add_entries(struct tally_chunk *chunk, struct tally_hasher *hasher,
    uint32_t since)
{
	struct tally_chunk_heads *heads = &chunk->heads;
	char text[TALLY_HEAD_LEAF_MAX];
	uint32_t i;
	size_t len;

	for (i = 0; i < chunk->locals_len; i++) {
		const struct tally_local *local = &chunk->locals[i];
		struct tally_heads_entry *entry;

		if (local->name == NULL || local->last < since ||
		    is_heads(local))
			continue;
		len = tally_head_leaf_format(local->name, local->name_len,
		    local->last_hash, local->last_seq, text);
		entry = &heads->entry[heads->entries_len++];
		entry->local = i;
		entry->leaf = tally_hash_leaf(hasher, text, len);
	}
}

int
tally_chunk_heads_add(struct tally_chunk *chunk, struct tally_hasher *hasher,
    const struct tally_line *line, uint64_t offset)
{
	struct tally_chunk_heads *heads = &chunk->heads;
	struct tally_heads_note *note;
	uint32_t since = 0;
	void *table;

	table = room_for(heads->note, heads->len, 1, &heads->capacity,
	    sizeof(*heads->note));
	if (table == NULL)
		return TALLY_E_MEMORY;
	heads->note = table;
	table = room_for(heads->entry, heads->entries_len, chunk->locals_len,
	    &heads->entries_capacity, sizeof(*heads->entry));
	if (table == NULL)
		return TALLY_E_MEMORY;
	heads->entry = table;
	if (heads->len > 0)
		since = heads->note[heads->len - 1].record;
	note = &heads->note[heads->len++];
	note->is_known = !line->has_salt &&
	    tally_heads_event_parse(line->event, line->event_len,
		&note->says) == 0;
	note->seq = line->header.seq;
	note->record = chunk->records;
	note->offset = (uint32_t)(offset - chunk->begin);
	note->begin = heads->entries_len;
	add_entries(chunk, hasher, since);
	note->end = heads->entries_len;
	return 0;
}
