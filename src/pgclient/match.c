/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "pgclient/key.h"
#include "pgclient/pairs.h"

struct tally_pg_match {
	struct tally_sort *sort;
	struct tally_sort *lonely; /* rows, if some have several keys */
	struct tally_sort *events; /* where they are exported to, or NULL */
};

/* ---- putting ---------------------------------------------------------- */

int
tally_pg_match_open(struct tally_pg_verifier *v, struct tally_error *error)
{
	int result;

	v->match = calloc(1, sizeof(*v->match));
	if (v->match == NULL)
		return tally_pg_no_memory(error);
	result = tally_sort_new(&v->match->sort, TALLY_PG_SORT_MEMORY, error);
	if (result != 0)
		return result;
	return tally_sort_new(&v->match->lonely, 1 << 20, error);
}

void
tally_pg_match_close(struct tally_pg_verifier *v)
{
	if (v->match == NULL)
		return;
	tally_sort_free(v->match->sort);
	tally_sort_free(v->match->lonely);
	free(v->match);
	v->match = NULL;
}

void
tally_pg_match_prepare(struct tally_pg_verifier *v,
    const struct tally_pg_record *record, struct tally_pg_item *out)
{
	const struct tally_pg_accusation *named = tally_pg_accused_find(
	    &v->accused, record->tid);

	memset(out, 0, sizeof(*out));
	out->flags = TALLY_PG_IS_RECORD;
	out->use = tally_pg_sources_find(v, record->epoch);
	if (record->has_chain)
		out->chain = tally_pg_chains_get(v, record->chain_id);
	out->seq = record->seq;
	out->tid = record->tid;
	out->digest = record->parts.digest;
	if (record->salt != NULL) {
		out->flags |= TALLY_PG_HAS_SALT;
		memcpy(out->salt, record->salt, TALLY_SALT_SIZE);
	}
	out->key_len = (uint32_t)record->key_len;
	if (named == NULL)
		return;
	out->flags |= TALLY_PG_IS_ACCUSED;
	/* One that was moved still stands for what it stood for. */
	if (named->chain != NULL) {
		out->chain = named->chain;
		out->seq = named->seq;
	}
}

int
tally_pg_match_put(struct tally_pg_verifier *v,
    const struct tally_pg_item *item, const char *key, const char *event,
    struct tally_error *error)
{
	bool is_record = (item->flags & TALLY_PG_IS_RECORD) != 0;
	const struct tally_pg_source *source = is_record ? item->use->source
							 : item->form->source;
	struct tally_sip_key keys = {
		{ v->seed.k[0] + (uint64_t)source->number + 1, v->seed.k[1] },
	};
	struct tally_sort_key at = {
		tally_sip(&keys, key, item->key_len),
		is_record ? (uint64_t)item->chain->seen.id : 0,
		is_record ? (uint64_t)item->seq : tally_pg_item_order(item),
	};

	if (!source->is_sorted || source->blind != NULL)
		return 0;
	return tally_pg_item_put(v->match->sort, &at, item, key, event, error);
}

void
tally_pg_match_export(struct tally_pg_verifier *v, struct tally_sort *events)
{
	v->match->events = events;
}

/* ---- key by key ------------------------------------------------------- */

/*
 * A record that stands for nothing once there is another behind it need not
 * be remembered: however often a row was changed, its group stays small.
 */
static bool
is_superseded(const struct tally_pg_member *before,
    const struct tally_pg_member *after)
{
	return tally_pg_key_is_same_line(before, after) &&
	    !member_has(before, TALLY_PG_IS_ACCUSED) &&
	    (!after->item.use->epoch->append_only ||
		member_has(after, TALLY_PG_IS_ACCUSED));
}

static bool
get(struct tally_pg_arena *arena, const void *item, struct tally_pg_member *out)
{
	const char *p = (const char *)item + sizeof(out->item);

	memset(out, 0, sizeof(*out));
	memcpy(&out->item, item, sizeof(out->item));
	out->key = tally_pg_arena_copy(arena, p, out->item.key_len);
	if (out->item.event_len > 0)
		out->event = tally_pg_arena_copy(arena, p + out->item.key_len,
		    out->item.event_len);
	return out->key != NULL &&
	    (out->item.event_len == 0 || out->event != NULL);
}

static bool
add(struct tally_pg_member **members, size_t *count, size_t *size,
    const struct tally_pg_member *member)
{
	if (*count == *size) {
		size_t more = *size > 0 ? *size * 2 : 4;
		struct tally_pg_member *room = realloc(*members,
		    more * sizeof(*room));

		if (room == NULL)
			return false;
		*members = room;
		*size = more;
	}
	(*members)[(*count)++] = *member;
	return true;
}

static bool
take(struct tally_pg_key *group, const void *item)
{
	struct tally_pg_member member;

	if (!get(&group->arena, item, &member))
		return false;
	if (!member_has(&member, TALLY_PG_IS_RECORD))
		return add(&group->rows, &group->nrows, &group->rows_size,
		    &member);
	if (group->nrecords > 0 &&
	    is_superseded(&group->records[group->nrecords - 1], &member))
		group->nrecords--;
	return add(&group->records, &group->nrecords, &group->records_size,
	    &member);
}

static int
walk_keys(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct tally_pg_key group = {
		.v = v, .lonely = v->match->lonely, .events = v->match->events
	};
	struct tally_sort_key at;
	const void *item;
	size_t len;
	int result = tally_sort_end(v->match->sort, error);

	while (result == 0) {
		result = tally_sort_next(v->match->sort, &at, &item, &len,
		    error);
		if (result != 0)
			break;
		if (at.a != group.hash)
			result = tally_pg_key_judge(&group, error);
		group.hash = at.a;
		if (result == 0 && !take(&group, item))
			result = tally_pg_no_memory(error);
	}
	if (result == TALLY_END)
		result = tally_pg_key_judge(&group, error);
	tally_pg_arena_wipe(&group.arena);
	free(group.rows);
	free(group.records);
	return result;
}

/* A row with several keys is without a record if it is under each of them. */
static int
walk_lonely(struct tally_pg_verifier *v, struct tally_error *error)
{
	struct tally_pg_arena arena = { NULL };
	struct tally_sort_key before = { 0 };
	struct tally_sort_key at;
	struct tally_pg_member row;
	const void *item;
	size_t len;
	int count = 0;
	int result = tally_sort_end(v->match->lonely, error);

	while (result == 0) {
		result = tally_sort_next(v->match->lonely, &at, &item, &len,
		    error);
		if (result != 0)
			break;
		if (at.a != before.a || at.b != before.b)
			count = 0;
		before = at;
		if (!get(&arena, item, &row))
			result = tally_pg_no_memory(error);
		else if (++count == row.item.nclasses)
			result = tally_pg_pairs_add_row(v, &row, error);
		tally_pg_arena_wipe(&arena);
	}
	return result == TALLY_END ? 0 : result;
}

int
tally_pg_match_judge(struct tally_pg_verifier *v, struct tally_error *error)
{
	int result = walk_keys(v, error);

	return result != 0 ? result : walk_lonely(v, error);
}
