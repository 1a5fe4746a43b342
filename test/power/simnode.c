/* SPDX-License-Identifier: Apache-2.0 */
/* Files, directories and their changes; see simdisk.h. */
#include <stdlib.h>
#include <string.h>

#include "sim_internal.h"

static void *
must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/* ---- bytes and entries ------------------------------------------------- */

void
sim_bytes_resize(struct sim_bytes *bytes, size_t len)
{
	size_t cap = bytes->cap;

	if (len > cap) {
		if (cap >= SIM_MAP_MAX)
			abort(); /* a mapped file may not move */
		while (cap < len)
			cap = cap == 0 ? SIM_PAGE : cap * 2;
		bytes->at = must(realloc(bytes->at, cap));
		memset(bytes->at + bytes->cap, 0, cap - bytes->cap);
		bytes->cap = cap;
	}
	if (len < bytes->len)
		memset(bytes->at + len, 0, bytes->len - len);
	bytes->len = len;
}

void
sim_bytes_copy(struct sim_bytes *to, const struct sim_bytes *from)
{
	sim_bytes_resize(to, 0);
	sim_bytes_resize(to, from->len);
	if (from->len > 0)
		memcpy(to->at, from->at, from->len);
}

void
sim_entries_copy(struct sim_entries *to, const struct sim_entries *from)
{
	to->len = 0;
	for (size_t i = 0; i < from->len; i++)
		sim_entries_set(to, from->at[i].name, from->at[i].node);
}

void
sim_entries_set(struct sim_entries *entries, const char *name, uint32_t node)
{
	struct sim_entry *entry;

	for (size_t i = 0; i < entries->len; i++) {
		if (strcmp(entries->at[i].name, name) == 0) {
			entries->at[i].node = node;
			return;
		}
	}
	if (entries->len == entries->cap) {
		entries->cap = entries->cap == 0 ? 8 : entries->cap * 2;
		entries->at = must(realloc(entries->at,
		    entries->cap * sizeof(*entries->at)));
	}
	entry = &entries->at[entries->len++];
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->name, name, strlen(name) + 1);
	entry->node = node;
}

void
sim_entries_remove(struct sim_entries *entries, const char *name)
{
	for (size_t i = 0; i < entries->len; i++) {
		if (strcmp(entries->at[i].name, name) != 0)
			continue;
		entries->len--;
		memmove(&entries->at[i], &entries->at[i + 1],
		    (entries->len - i) * sizeof(*entries->at));
		return;
	}
}

static uint32_t
entries_find(const struct sim_entries *entries, const char *name)
{
	for (size_t i = 0; i < entries->len; i++) {
		if (strcmp(entries->at[i].name, name) == 0)
			return entries->at[i].node;
	}
	return 0;
}

/* ---- changes ----------------------------------------------------------- */

struct sim_change *
sim_change_add(struct sim_node *node, enum sim_change_kind kind)
{
	struct sim_change *change = must(calloc(1, sizeof(*change)));

	change->kind = kind;
	change->seq = sim.seq;
	if (node->last == NULL)
		node->changes = change;
	else
		node->last->next = change;
	node->last = change;
	return change;
}

void
sim_changes_wipe(struct sim_node *node)
{
	struct sim_change *change = node->changes;

	while (change != NULL) {
		struct sim_change *next = change->next;

		free(change->bytes);
		free(change);
		change = next;
	}
	node->changes = NULL;
	node->last = NULL;
}

static void
fill(struct sim_bytes *bytes, uint64_t from, uint64_t to, const uint8_t *source)
{
	if (from >= to)
		return;
	if (bytes->len < to)
		sim_bytes_resize(bytes, to);
	if (source != NULL)
		memcpy(bytes->at + from, source, to - from);
	else
		memset(bytes->at + from, 0, to - from);
}

void
sim_change_apply(const struct sim_change *change, uint64_t from, uint64_t to,
    struct sim_bytes *bytes)
{
	uint64_t begin, end;

	if (change->kind == SIM_CHANGE_WRITE) {
		begin = change->offset;
		end = change->offset + change->len;
	} else {
		begin = change->new_size; /* cut: zeros up to the old size */
		end = change->old_size;
	}
	if (begin < from)
		begin = from;
	if (end > to)
		end = to;
	if (begin >= end)
		return;
	if (change->kind == SIM_CHANGE_WRITE)
		fill(bytes, begin, end,
		    change->bytes + (begin - change->offset));
	else
		fill(bytes, begin, end, NULL);
}

void
sim_entry_apply(const struct sim_change *change, struct sim_entries *entries)
{
	if (change->kind == SIM_CHANGE_ADD)
		sim_entries_set(entries, change->name, change->node);
	else if (change->kind == SIM_CHANGE_REMOVE)
		sim_entries_remove(entries, change->name);
}

static void
sync_file(struct sim_node *node)
{
	uint64_t size = node->disk.len;

	for (struct sim_change *c = node->changes; c != NULL; c = c->next) {
		if (!c->lost)
			sim_change_apply(c, 0, UINT64_MAX, &node->disk);
		size = c->new_size;
	}
	sim_bytes_resize(&node->disk, size);
	if (node->map_len > 0) {
		size_t len = node->map_len < size ? node->map_len : size;

		memcpy(node->disk.at, node->view.at, len);
	}
}

void
sim_node_sync(struct sim_node *node)
{
	if (node->directory)
		sim_entries_copy(&node->disk_entries, &node->entries);
	else
		sync_file(node);
	sim_changes_wipe(node);
}

void
sim_node_lose(struct sim_node *node)
{
	size_t size = node->view.len;

	if (node->directory)
		return;
	for (struct sim_change *c = node->changes; c != NULL; c = c->next)
		c->lost = true;
	if ((sim.bits & SIM_EVICT) == 0)
		return;
	sim_bytes_copy(&node->view, &node->disk);
	sim_bytes_resize(&node->view, size);
}

/* ---- nodes ------------------------------------------------------------- */

uint32_t
sim_node_new(bool directory, uint32_t parent)
{
	struct sim_node *node;
	uint32_t n = sim.nodes_len;

	if (n >= SIM_NODES)
		abort();
	sim.nodes_len++;
	node = &sim.nodes[n];
	memset(node, 0, sizeof(*node));
	node->used = true;
	node->directory = directory;
	node->parent = parent;
	return n;
}

void
sim_view_free(struct sim_node *node)
{
	size_t used = node->view.len;

	if (used < node->map_len)
		used = node->map_len;
	if (node->shared != NULL)
		sim_shared_free(node->view.at, node->shared, used);
	else
		free(node->view.at);
	memset(&node->view, 0, sizeof(node->view));
	node->shared = NULL;
}

void
sim_node_wipe(struct sim_node *node)
{
	sim_changes_wipe(node);
	sim_view_free(node);
	free(node->disk.at);
	free(node->entries.at);
	free(node->disk_entries.at);
	free(node->undo);
	memset(node, 0, sizeof(*node));
}

/* The next name of a path; false at its end. */
static bool
next_name(const char **path, char out[SIM_NAME])
{
	const char *p = *path;
	size_t len;

	while (*p == '/')
		p++;
	len = strcspn(p, "/");
	if (len == 0)
		return false;
	if (len >= SIM_NAME)
		abort();
	memcpy(out, p, len);
	out[len] = '\0';
	*path = p + len;
	return true;
}

uint32_t
sim_walk(uint32_t from, const char *path, uint32_t *out_parent,
    char out_name[SIM_NAME])
{
	uint32_t at = path[0] == '/' ? 1 : from;
	uint32_t parent = at;
	char name[SIM_NAME] = ".";

	while (next_name(&path, name)) {
		if (at == 0 || !sim.nodes[at].directory) {
			at = 0;
			parent = 0;
			break;
		}
		parent = at;
		if (strcmp(name, "..") == 0)
			at = sim.nodes[at].parent;
		else if (strcmp(name, ".") != 0)
			at = entries_find(&sim.nodes[at].entries, name);
	}
	if (out_parent != NULL) {
		*out_parent = parent;
		memcpy(out_name, name, sizeof(name));
	}
	return at;
}
