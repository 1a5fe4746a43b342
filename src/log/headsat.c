/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heads of all chains as they were when the log had some size: those of
 * now, but for the chains that went on since.  Of such a chain the first
 * record behind the size says what its head was: it holds that one's hash.
 */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "log/fail.h"
#include "log/handle.h"
#include "log/headtree.h"

/* A chain whose head of now lies behind the size. */
struct gone_on {
	char *name; /* escaped */
	size_t name_len;
	uint64_t position;
	bool is_known; /* what it was */
};

struct heads_at {
	struct tally_hasher *hasher;
	struct tally_head_place *wanted;
	uint64_t size;
	uint64_t end; /* of the log, as of which the heads of now are */
	struct tally_headtree_leaf *leaf;
	size_t len, capacity; /* of leaf */
	struct gone_on *gone;
	size_t gone_len, gone_capacity;
	bool found;
	struct tally_error *error;
};

static void
wipe(struct heads_at *at)
{
	for (size_t i = 0; i < at->gone_len; i++)
		tally_sys_free(at->gone[i].name);
	tally_sys_free(at->gone);
	tally_sys_free(at->leaf);
}

/* The table with room for one entry more, or NULL: it is as it was. */
static void *
grown(void *table, size_t len, size_t *capacity, size_t entry)
{
	size_t more = *capacity == 0 ? 64 : 2 * *capacity;

	if (len < *capacity)
		return table;
	table = tally_sys_realloc(table, more * entry);
	if (table != NULL)
		*capacity = more;
	return table;
}

/* The chain's head at the size. */
static void
put_leaf(struct heads_at *at, uint64_t position, const char *name, size_t len,
    const struct tally_hash *hash, uint64_t seq)
{
	struct tally_head_place *wanted = at->wanted;
	char text[TALLY_HEAD_LEAF_MAX];
	size_t text_len = tally_head_leaf_format(name, len, hash, seq, text);

	at->leaf[position].position = position;
	at->leaf[position].hash = tally_hash_leaf(at->hasher, text, text_len);
	if (wanted == NULL || len != wanted->chain_len ||
	    memcmp(name, wanted->chain, len) != 0)
		return;
	wanted->position = position;
	wanted->seq = seq;
	wanted->hash = *hash;
	at->found = true;
}

static int
put_gone(struct heads_at *at, uint64_t position, const char *name, size_t len)
{
	struct gone_on *gone = grown(at->gone, at->gone_len, &at->gone_capacity,
	    sizeof(*gone));

	if (gone == NULL)
		return TALLY_E_MEMORY;
	at->gone = gone;
	gone += at->gone_len;
	memset(gone, 0, sizeof(*gone));
	gone->name = tally_sys_alloc(len + 1);
	if (gone->name == NULL)
		return TALLY_E_MEMORY;
	memcpy(gone->name, name, len);
	gone->name_len = len;
	gone->position = position;
	at->gone_len++;
	return TALLY_OK;
}

static int
take_head(void *arg, const struct tally_head *head)
{
	struct heads_at *at = arg;
	char name[TALLY_CHAIN_TEXT_MAX];
	const char *what;
	size_t len;
	struct tally_headtree_leaf *leaf;

	if (head->index >= at->end)
		at->end = head->index + 1;
	if (strcmp(head->chain, TALLY_HEADS_CHAIN) == 0)
		return TALLY_OK;
	if (tally_name_escape(head->chain, head->chain_len, TALLY_CHAIN_MAX,
		name, &len, &what) != 0)
		return TALLY_E_BUG;
	leaf = grown(at->leaf, at->len, &at->capacity, sizeof(*leaf));
	if (leaf == NULL)
		return TALLY_E_MEMORY;
	at->leaf = leaf;
	at->len++;
	if (head->index >= at->size)
		return put_gone(at, at->len - 1, name, len);
	put_leaf(at, at->len - 1, name, len, &head->hash, head->seq);
	return TALLY_OK;
}

static int
by_name(const void *left, const void *right)
{
	const struct gone_on *a = left, *b = right;
	size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;
	int order = memcmp(a->name, b->name, len);

	if (order != 0)
		return order;
	return (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

/* A record behind the size: is it its chain's first there? */
static int
take_record(struct heads_at *at, const struct tally_record *record)
{
	char name[TALLY_CHAIN_TEXT_MAX];
	struct gone_on key = { .name = name }, *gone;
	const char *what;

	if (tally_name_escape(record->chain, record->chain_len, TALLY_CHAIN_MAX,
		name, &key.name_len, &what) != 0)
		return TALLY_E_BUG;
	gone = at->gone_len == 0
	    ? NULL
	    : bsearch(&key, at->gone, at->gone_len, sizeof(*at->gone), by_name);
	if (gone == NULL || gone->is_known)
		return TALLY_OK;
	gone->is_known = true;
	if (record->seq > 1)
		put_leaf(at, gone->position, name, key.name_len, &record->prev,
		    record->seq - 1);
	else if (gone->position < at->len)
		/* Chains stand by their first records: the rest came later. */
		at->len = gone->position;
	return TALLY_OK;
}

/* The records from size on, up to the heads of now. */
static int
walk(struct tally_log *log, struct heads_at *at)
{
	const struct tally_range range = { .from_index = at->size,
		.to_index = at->end };
	struct tally_cursor *cursor;
	struct tally_record record;
	int result;

	if (at->gone_len == 0)
		return TALLY_OK;
	qsort(at->gone, at->gone_len, sizeof(*at->gone), by_name);
	result = tally_cursor_open(log, &range, &cursor, at->error);
	if (result != 0)
		return result;
	while ((result = tally_cursor_next(cursor, &record, at->error)) == 0) {
		result = take_record(at, &record);
		if (result != 0)
			break;
	}
	tally_cursor_close(cursor);
	if (result != TALLY_END)
		return result;
	for (size_t i = 0; i < at->gone_len; i++) {
		if (!at->gone[i].is_known)
			return tally_fail(at->error, TALLY_E_DAMAGED,
			    "chain \"%.*s\" has a head whose record is not"
			    " there",
			    (int)at->gone[i].name_len, at->gone[i].name);
	}
	return TALLY_OK;
}

int
tally_headtree_at(struct tally_log *log, uint64_t size,
    struct tally_hasher *hasher, struct tally_headtree *tree,
    struct tally_head_place *place, struct tally_error *error)
{
	struct heads_at at = {
		.hasher = hasher, .wanted = place, .size = size, .error = error
	};
	int result = tally_log_heads(log, take_head, &at, error);

	if (result == 0)
		result = walk(log, &at);
	if (result == 0 && place != NULL &&
	    (!at.found || place->position >= at.len))
		result = TALLY_END;
	if (result == 0)
		result = tally_headtree_put(tree, hasher, at.leaf, at.len,
		    at.len, error);
	if (result == 0)
		tree->size = size;
	if (result == TALLY_E_MEMORY)
		(void)tally_fail_memory(error);
	wipe(&at);
	return result;
}
