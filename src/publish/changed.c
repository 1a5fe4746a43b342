/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "log/fail.h"
#include "log/sys.h"
#include "publish/changed.h"

#define SLOTS_MIN 64

/* The chain's slot, or the empty one where it belongs; there is one. */
static struct tally_changed_head *
find(const struct tally_changed *changed, const char *chain, size_t len)
{
	uint64_t at = tally_sip(&changed->key, chain, len);

	for (;; at++) {
		struct tally_changed_head
		    *head = &changed->slot[at & (changed->slots - 1)];

		if (head->chain == NULL ||
		    (head->chain_len == len &&
			memcmp(head->chain, chain, len) == 0))
			return head;
	}
}

/* Room for one more with a third of the slots empty. */
static int
grow(struct tally_changed *changed)
{
	struct tally_changed old = *changed;

	if (changed->slots > 0 && changed->count + 1 <= changed->slots / 3 * 2)
		return TALLY_OK;
	changed->slots = old.slots == 0 ? SLOTS_MIN : old.slots * 2;
	changed->slot = tally_sys_alloc(changed->slots *
	    sizeof(*changed->slot));
	if (changed->slot == NULL) {
		*changed = old;
		return TALLY_E_MEMORY;
	}
	for (size_t i = 0; i < old.slots; i++) {
		if (old.slot[i].chain != NULL)
			*find(changed, old.slot[i].chain,
			    old.slot[i].chain_len) = old.slot[i];
	}
	tally_sys_free(old.slot);
	return TALLY_OK;
}

static int
take(struct tally_changed *changed, const struct tally_record *record)
{
	struct tally_changed_head *head;

	if (grow(changed) != 0)
		return TALLY_E_MEMORY;
	head = find(changed, record->chain, record->chain_len);
	if (head->chain == NULL) {
		char *chain = tally_sys_alloc(record->chain_len + 1);

		if (chain == NULL)
			return TALLY_E_MEMORY;
		memcpy(chain, record->chain, record->chain_len);
		head->chain = chain;
		head->chain_len = record->chain_len;
		changed->count++;
	}
	head->seq = record->seq;
	head->hash = record->hash;
	return TALLY_OK;
}

int
tally_changed_read(struct tally_log *log, uint64_t from, uint64_t to,
    struct tally_changed *out, struct tally_error *error)
{
	const struct tally_range range = { .from_index = from, .to_index = to };
	struct tally_cursor *cursor;
	struct tally_record record;
	uint64_t next = from;
	int result;

	memset(out, 0, sizeof(*out));
	if (tally_sys_random(&out->key, sizeof(out->key)) != 0)
		return tally_fail(error, TALLY_E_IO, "cannot get random bytes");
	if (from == to)
		return TALLY_OK;
	result = tally_cursor_open(log, &range, &cursor, error);
	if (result != 0)
		return result;
	while (next < to &&
	    (result = tally_cursor_next(cursor, &record, error)) == 0) {
		next = record.index + 1;
		if (take(out, &record) != 0)
			result = tally_fail_memory(error);
		if (result != 0)
			break;
	}
	tally_cursor_close(cursor);
	if (result == TALLY_END)
		result = tally_fail(error, TALLY_E_DAMAGED,
		    "the log has %llu records, fewer than its checkpoint",
		    (unsigned long long)next);
	return result;
}

static int
compare_heads(const void *a, const void *b)
{
	const struct tally_changed_head *x = a, *y = b;
	size_t len = x->chain_len < y->chain_len ? x->chain_len : y->chain_len;
	int order = memcmp(x->chain, y->chain, len);

	if (order != 0)
		return order;
	return (x->chain_len > y->chain_len) - (x->chain_len < y->chain_len);
}

void
tally_changed_sort(struct tally_changed *changed)
{
	size_t count = 0;

	for (size_t i = 0; i < changed->slots; i++) {
		struct tally_changed_head head = changed->slot[i];

		memset(&changed->slot[i], 0, sizeof(head));
		if (head.chain != NULL)
			changed->slot[count++] = head;
	}
	if (count > 1)
		qsort(changed->slot, count, sizeof(*changed->slot),
		    compare_heads);
}

void
tally_changed_wipe(struct tally_changed *changed)
{
	for (size_t i = 0; i < changed->slots; i++)
		tally_sys_free(changed->slot[i].chain);
	tally_sys_free(changed->slot);
	memset(changed, 0, sizeof(*changed));
}
