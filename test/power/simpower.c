/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk keeps when the power goes, and copies of it; see simdisk.h. */
#include <stdlib.h>
#include <string.h>

#include "sim_internal.h"

/* ---- which changes the disk had got ------------------------------------ */

struct plan {
	enum sim_mode mode;
	uint64_t seed;
	uint64_t first; /* seqs of the first and last change that is open */
	uint64_t last;
	uint64_t cut; /* changes up to this one are kept (PREFIX, TORN) */
};

/*
 * The instant whose content something has (a sector, a size): none of the
 * open changes, all of them, or those up to one in between.
 */
static uint64_t
instant(const struct plan *plan, uint64_t what, uint64_t where)
{
	uint64_t h = sim_hash(plan->seed, what, where);

	switch (h & 3) {
	case 0:
		return 0;
	case 1:
		return SIM_NEVER;
	default:
		return plan->first + (h >> 8) % (plan->last - plan->first + 1);
	}
}

static bool
keeps_sector(const struct plan *plan, uint32_t node, uint64_t seq,
    uint64_t sector)
{
	switch (plan->mode) {
	case SIM_KEEP:
	case SIM_CONTENT_ONLY:
		return true;
	case SIM_PREFIX:
		return seq <= plan->cut;
	case SIM_TORN:
		if (seq == plan->cut)
			return (sim_hash(plan->seed, seq, sector) & 1) != 0;
		return seq < plan->cut;
	case SIM_REORDER:
		return seq <= instant(plan, node, sector);
	default:
		return false;
	}
}

static bool
keeps_size(const struct plan *plan, uint32_t node, uint64_t seq)
{
	switch (plan->mode) {
	case SIM_KEEP:
	case SIM_CONTENT_ONLY:
	case SIM_SIZE_ONLY:
		return true;
	case SIM_PREFIX:
	case SIM_TORN:
		return seq <= plan->cut;
	case SIM_REORDER:
		return seq <= instant(plan, node, SIM_NEVER);
	default:
		return false;
	}
}

static bool
keeps_entry(const struct plan *plan, uint64_t seq)
{
	switch (plan->mode) {
	case SIM_KEEP:
	case SIM_SIZE_ONLY:
	case SIM_ENTRY_ONLY:
		return true;
	case SIM_PREFIX:
	case SIM_TORN:
		return seq <= plan->cut;
	case SIM_REORDER:
		return (sim_hash(plan->seed, seq, 1) & 1) != 0;
	default:
		return false;
	}
}

/* ---- settling ---------------------------------------------------------- */

/* What a fresh sector holds that was never written: bytes of others. */
static void
put_stale(struct sim_node *node, uint64_t from, uint64_t to, uint64_t seed)
{
	for (uint64_t i = from; i < to && i < node->disk.len; i++)
		node->disk.at[i] = (uint8_t)sim_hash(seed, i, 3);
}

static void
settle_change(const struct plan *plan, uint32_t n,
    const struct sim_change *change, uint64_t stale_from)
{
	struct sim_node *node = &sim.nodes[n];
	uint64_t from = change->offset;
	uint64_t to = change->offset + change->len;

	if (change->kind == SIM_CHANGE_SIZE) {
		from = change->new_size;
		to = change->old_size;
	}
	for (uint64_t at = from; at < to;) {
		uint64_t sector = at / SIM_SECTOR;
		uint64_t end = (sector + 1) * SIM_SECTOR;

		if (end > to)
			end = to;
		if (keeps_sector(plan, n, change->seq, sector))
			sim_change_apply(change, at, end, &node->disk);
		else if (sector * SIM_SECTOR >= stale_from &&
		    at >= change->old_size)
			put_stale(node, at, end, plan->seed);
		at = end;
	}
}

static void
settle_file(const struct plan *plan, uint32_t n)
{
	struct sim_node *node = &sim.nodes[n];
	struct plan own = *plan;
	uint64_t size = node->disk.len;
	uint64_t stale_from = SIM_NEVER;

	if (plan->mode == SIM_MIX) {
		uint64_t h = sim_hash(plan->seed, n, 5);

		own.mode = (enum sim_mode)(h % SIM_MIX);
		if ((h >> 32 & 1) != 0)
			stale_from = size;
	}
	for (const struct sim_change *c = node->changes; c != NULL;
	     c = c->next) {
		if (keeps_size(&own, n, c->seq))
			size = c->new_size;
		if (node->disk.len < c->new_size)
			sim_bytes_resize(&node->disk, c->new_size);
		settle_change(&own, n, c, stale_from);
	}
	sim_bytes_resize(&node->disk, size);
	for (size_t at = 0; at < node->map_len && at < size; at += SIM_PAGE) {
		size_t len = size - at < SIM_PAGE ? size - at : SIM_PAGE;

		if (keeps_sector(&own, n, plan->last, at / SIM_SECTOR))
			memcpy(node->disk.at + at, node->view.at + at, len);
	}
}

static void
settle_directory(const struct plan *plan, uint32_t n)
{
	struct sim_node *node = &sim.nodes[n];
	struct plan own = *plan;

	if (plan->mode == SIM_MIX)
		own.mode = (enum sim_mode)(sim_hash(plan->seed, 7, 7) %
		    SIM_MIX);
	for (const struct sim_change *c = node->changes; c != NULL;
	     c = c->next) {
		if (keeps_entry(&own, c->seq))
			sim_entry_apply(c, &node->disk_entries);
	}
}

static void
plan_make(struct plan *plan, enum sim_mode mode, uint64_t seed)
{
	plan->mode = mode;
	plan->seed = seed;
	plan->first = SIM_NEVER;
	plan->last = 0;
	for (uint32_t n = 1; n < sim.nodes_len; n++) {
		const struct sim_change *c = sim.nodes[n].changes;

		for (; c != NULL; c = c->next) {
			if (c->seq < plan->first)
				plan->first = c->seq;
			if (c->seq > plan->last)
				plan->last = c->seq;
		}
	}
	if (plan->first > plan->last)
		plan->first = plan->last;
	plan->cut = plan->first +
	    sim_hash(seed, 11, 11) % (plan->last - plan->first + 1);
}

/* Every process is gone; what it had mapped and locked is free. */
static void
processes_forget(void)
{
	sim_reap();
	for (int i = 0; i < SIM_FDS; i++) {
		if (sim.fds[i].used)
			sim_violate("descriptor %d was never closed",
			    SIM_FD_BASE + i);
	}
	memset(sim.fds, 0, sizeof(sim.fds));
	memset(sim.dead, 0, sizeof(sim.dead));
	sim.power_off = false;
	sim.cut_at = SIM_NEVER;
	sim.kill_at = SIM_NEVER;
	sim.fault_at = SIM_NEVER;
	sim.fail_sync = SIM_NEVER;
	for (uint32_t n = 1; n < sim.nodes_len; n++) {
		if (sim.nodes[n].mapped != 0)
			sim_violate("a mapping was never undone");
		sim.nodes[n].mapped = 0;
		sim.nodes[n].lock = 0;
	}
}

/* The view of a file starts anew from the disk, unpinned. */
static void
view_forget(struct sim_node *node)
{
	if (node->shared != NULL)
		sim_view_free(node);
	node->map_len = 0;
	sim_bytes_copy(&node->view, &node->disk);
	sim_entries_copy(&node->entries, &node->disk_entries);
}

void
sim_reboot(enum sim_mode mode, uint64_t seed)
{
	struct plan plan;

	processes_forget();
	sim_enter();
	plan_make(&plan, mode, seed);
	for (uint32_t n = 1; n < sim.nodes_len; n++) {
		if (sim.nodes[n].directory)
			settle_directory(&plan, n);
		else
			settle_file(&plan, n);
		sim_changes_wipe(&sim.nodes[n]);
		view_forget(&sim.nodes[n]);
	}
	for (uint32_t n = 1; n < sim.nodes_len; n++) {
		const struct sim_entries *entries = &sim.nodes[n].entries;

		for (size_t i = 0; i < entries->len; i++)
			sim.nodes[entries->at[i].node].parent = n;
	}
	sim.boot++;
	sim.time_us += 5000000;
	sim.monotonic_us = SIM_UPTIME_US;
	sim_leave();
}

/* ---- copies ------------------------------------------------------------ */

struct sim_image {
	struct sim_machine machine;
};

static void
node_copy(struct sim_node *to, const struct sim_node *from)
{
	struct sim_change *change;

	memset(to, 0, sizeof(*to));
	to->used = from->used;
	to->directory = from->directory;
	to->parent = from->parent;
	to->map_len = from->map_len;
	sim_bytes_copy(&to->view, &from->view);
	sim_bytes_copy(&to->disk, &from->disk);
	sim_entries_copy(&to->entries, &from->entries);
	sim_entries_copy(&to->disk_entries, &from->disk_entries);
	for (const struct sim_change *c = from->changes; c != NULL;
	     c = c->next) {
		change = sim_change_add(to, c->kind);
		*change = *c;
		change->next = NULL;
		if (c->bytes == NULL)
			continue;
		change->bytes = malloc(c->len);
		if (change->bytes == NULL)
			abort();
		memcpy(change->bytes, c->bytes, c->len);
	}
}

static void
machine_wipe(struct sim_machine *machine)
{
	for (uint32_t n = 1; n < machine->nodes_len; n++)
		sim_node_wipe(&machine->nodes[n]);
	machine->nodes_len = 1;
}

static void
machine_copy(struct sim_machine *to, const struct sim_machine *from)
{
	*to = *from;
	for (uint32_t n = 1; n < from->nodes_len; n++)
		node_copy(&to->nodes[n], &from->nodes[n]);
}

struct sim_image *
sim_save(void)
{
	struct sim_image *image = calloc(1, sizeof(*image));

	if (image == NULL)
		abort();
	processes_forget();
	machine_copy(&image->machine, &sim);
	return image;
}

void
sim_restore(const struct sim_image *image)
{
	machine_wipe(&sim);
	machine_copy(&sim, &image->machine);
}

void
sim_image_free(struct sim_image *image)
{
	if (image == NULL)
		return;
	machine_wipe(&image->machine);
	free(image);
}

void
sim_reset(uint64_t seed)
{
	sim_wipe();
	sim.nodes_len = 1;
	(void)sim_node_new(true, 1);
	sim.process = 1;
	sim.cut_at = SIM_NEVER;
	sim.kill_at = SIM_NEVER;
	sim.fault_at = SIM_NEVER;
	sim.fail_sync = SIM_NEVER;
	sim.capacity = SIM_NEVER;
	sim.random = sim_hash(seed, 1, 1);
	sim.boot = sim_hash(seed, 2, 2);
	/* 2026-11-21T01:26:18Z */
	sim.time_us = INT64_C(1795224378000000);
	sim.monotonic_us = SIM_UPTIME_US;
}

void
sim_wipe(void)
{
	machine_wipe(&sim);
	memset(&sim, 0, sizeof(sim));
	sim.nodes_len = 1;
}
