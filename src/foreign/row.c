/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a record, and room for what is made of them. */
#include <string.h>

#include "foreign/judge.h"
#include "log/sys.h"

#define NODES_FIRST 4096

struct tally_canon_text
tally_row_text(const struct tally_row *row, int field)
{
	struct tally_canon_text text = { "", 0 };
	const struct tally_canon_node *node;

	if (tally_row_is_null(row, field))
		return text;
	node = &row->room->nodes[row->node[field]];
	if (node->type < TALLY_CANON_ARRAY &&
	    (node->flags & TALLY_CANON_ESCAPED) == 0) {
		text.at = row->line + node->at;
		text.len = node->len;
	}
	return text;
}

int
tally_row_plain(const struct tally_row *row, int field,
    struct tally_canon_out *room, struct tally_canon_text *out)
{
	const struct tally_canon_node *node;
	int r = 0;

	*out = tally_row_text(row, field);
	if (out->len > 0 || tally_row_is_null(row, field))
		return 0;
	node = &row->room->nodes[row->node[field]];
	if (node->type != TALLY_CANON_STRING || node->len == 0)
		return 0;
	do {
		if (room->full || room->capacity == 0)
			r = tally_out_grow(room);
		room->len = 0;
		room->full = false;
		if (r == 0)
			tally_canon_write_plain(row->line, node, room);
	} while (r == 0 && room->full);
	out->at = room->at;
	out->len = room->len;
	return r;
}

uint32_t
tally_row_member(const struct tally_row *row, uint32_t object,
    const struct tally_canon_text *plain)
{
	const struct tally_canon_node *nodes = row->room->nodes;
	uint32_t name, found = 0;

	if (nodes[object].type != TALLY_CANON_OBJECT)
		return 0;
	for (name = object + 1; name < nodes[object].end;
	     name = nodes[name + 1].end) {
		if (tally_canon_equal(row->line, &nodes[name], plain))
			found = name + 1;
	}
	return found;
}

void
tally_row_pick(const struct tally_profile *profile, struct tally_row *row)
{
	const struct tally_canon_node *nodes = row->room->nodes;
	const struct tally_field *field;
	uint32_t name;
	int i, k;

	memset(row->node, 0, sizeof(row->node));
	for (name = 1; name < nodes[0].end; name = nodes[name + 1].end) {
		for (i = 0; i < profile->fields_len; i++) {
			if (tally_canon_equal(row->line, &nodes[name],
				&profile->fields[i].path[0]))
				row->node[i] = name + 1;
		}
	}
	for (i = 0; i < profile->fields_len; i++) {
		field = &profile->fields[i];
		for (k = 1; k < field->path_len && row->node[i] != 0; k++)
			row->node[i] = tally_row_member(row, row->node[i],
			    &field->path[k]);
	}
}

bool
tally_row_is_start(const struct tally_profile *profile,
    const struct tally_row *row)
{
	struct tally_canon_text prev = tally_row_text(row, profile->prev);

	if (tally_row_is_null(row, profile->prev))
		return profile->start_null;
	/* What has escapes, or is no text, gives none, and is not empty. */
	if (prev.len == 0 &&
	    row->room->nodes[row->node[profile->prev]].len != 0)
		return false;
	return !profile->start_null && prev.len == profile->start.len &&
	    memcmp(prev.at, profile->start.at, prev.len) == 0;
}

struct tally_canon_text
tally_row_basis(const struct tally_profile *profile,
    const struct tally_row *row)
{
	if (!tally_row_is_start(profile, row))
		return tally_row_text(row, profile->prev);
	if (profile->basis_field == TALLY_NO_FIELD)
		return profile->basis;
	if (tally_row_is_null(row, profile->basis_field))
		return (struct tally_canon_text){ NULL, 0 };
	return tally_row_text(row, profile->basis_field);
}

static int
grow_room(struct tally_canon_room *room)
{
	size_t capacity = room->capacity == 0 ? NODES_FIRST
					      : 2 * room->capacity;
	void *nodes, *order;

	nodes = tally_sys_realloc(room->nodes, capacity * sizeof(*room->nodes));
	if (nodes == NULL)
		return TALLY_E_MEMORY;
	room->nodes = nodes;
	order = tally_sys_realloc(room->order, capacity * sizeof(*room->order));
	if (order == NULL)
		return TALLY_E_MEMORY;
	room->order = order;
	room->capacity = capacity;
	return 0;
}

int
tally_room_read(struct tally_canon_room *room, const char *text, size_t len,
    unsigned read, size_t *out_nodes, struct tally_error *error)
{
	int r;

	do {
		r = tally_canon_read(text, len, read, room, out_nodes, error);
		if (r != TALLY_PARTIAL)
			return r;
		r = grow_room(room);
	} while (r == 0);
	return r;
}

void
tally_room_wipe(struct tally_canon_room *room)
{
	tally_sys_free(room->nodes);
	tally_sys_free(room->order);
}
