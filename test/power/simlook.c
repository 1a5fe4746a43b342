/* SPDX-License-Identifier: Apache-2.0 */
/* Setting the machine up, looking at it and meddling; see simdisk.h. */
#include <stdlib.h>
#include <string.h>

#include "sim_internal.h"

/* ---- settings ---------------------------------------------------------- */

void
sim_as(int process)
{
	if (process < 1 || process >= SIM_PROCESSES)
		abort();
	sim.process = process;
}

int
sim_process(void)
{
	return sim.process;
}

const char *
sim_violation(void)
{
	return sim.violation[0] == '\0' ? NULL : sim.violation;
}

size_t
sim_open_count(void)
{
	size_t n = 0;

	for (int i = 0; i < SIM_FDS; i++)
		n += sim.fds[i].used;
	return n;
}

size_t
sim_memory_count(void)
{
	return sim.memory;
}

void
sim_ops_restart(void)
{
	sim.ops = 0;
}

uint64_t
sim_ops(void)
{
	return sim.ops;
}

enum sim_op
sim_op_at(uint64_t op)
{
	if (op >= SIM_TRACE || op >= sim.ops)
		abort();
	return (enum sim_op)sim.trace[op];
}

void
sim_cut_at(uint64_t op)
{
	sim.cut_at = op;
}

void
sim_kill_at(uint64_t op)
{
	sim.kill_at = op;
}

bool
sim_is_dead(void)
{
	return sim.power_off || sim.dead[sim.process];
}

void
sim_fault_at(uint64_t op, const struct sim_fault *fault)
{
	sim.fault_at = op;
	sim.fault = *fault;
	sim.fault_fired = false;
}

bool
sim_fault_fired(void)
{
	return sim.fault_fired;
}

void
sim_set(unsigned bits)
{
	sim.bits |= bits;
}

void
sim_clear(unsigned bits)
{
	sim.bits &= ~bits;
}

void
sim_capacity(uint64_t bytes)
{
	sim.capacity = bytes;
}

void
sim_fail_sync(uint64_t nth, int error)
{
	sim.fail_sync = nth;
	sim.fail_sync_error = error;
}

/* ---- names ------------------------------------------------------------- */

const char *
sim_op_name(enum sim_op op)
{
	static const char *const names[SIM_OP_COUNT] = {
		[SIM_OPEN_DIR] = "open-dir",
		[SIM_OPEN] = "open",
		[SIM_CREATE] = "create",
		[SIM_CLOSE] = "close",
		[SIM_READ] = "read",
		[SIM_WRITE] = "write",
		[SIM_TRUNCATE] = "truncate",
		[SIM_SYNC] = "sync",
		[SIM_SYNC_ALL] = "sync-all",
		[SIM_STAT] = "stat",
		[SIM_STAT_AT] = "stat-at",
		[SIM_RENAME] = "rename",
		[SIM_UNLINK] = "unlink",
		[SIM_MKDIR] = "mkdir",
		[SIM_LIST] = "list",
		[SIM_FS] = "fs",
		[SIM_LOCK] = "lock",
		[SIM_UNLOCK] = "unlock",
		[SIM_MAP] = "map",
		[SIM_UNMAP] = "unmap",
		[SIM_WAIT] = "wait",
		[SIM_WAKE] = "wake",
		[SIM_ALLOC] = "alloc",
		[SIM_FREE] = "free",
		[SIM_TIME] = "time",
		[SIM_RANDOM] = "random",
		[SIM_BOOT_ID] = "boot-id",
		[SIM_STORE] = "store",
	};

	return names[op];
}

const char *
sim_mode_name(enum sim_mode mode)
{
	static const char *const names[SIM_MODE_COUNT] = {
		[SIM_DROP] = "drop",
		[SIM_KEEP] = "keep",
		[SIM_PREFIX] = "prefix",
		[SIM_TORN] = "torn",
		[SIM_REORDER] = "reorder",
		[SIM_SIZE_ONLY] = "size-only",
		[SIM_CONTENT_ONLY] = "content-only",
		[SIM_ENTRY_ONLY] = "entry-only",
		[SIM_MIX] = "mix",
	};

	return names[mode];
}

bool
sim_mode_is_random(enum sim_mode mode)
{
	return mode == SIM_PREFIX || mode == SIM_TORN || mode == SIM_REORDER ||
	    mode == SIM_MIX;
}

/* ---- files ------------------------------------------------------------- */

static struct sim_node *
node_at(const char *path)
{
	uint32_t n = sim_walk(1, path, NULL, NULL);

	return n == 0 ? NULL : &sim.nodes[n];
}

const uint8_t *
sim_file(const char *path, size_t *out_len)
{
	static const uint8_t nothing[1];
	struct sim_node *node = node_at(path);

	*out_len = 0;
	if (node == NULL || node->directory)
		return NULL;
	*out_len = node->view.len;
	return node->view.len == 0 ? nothing : node->view.at;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

size_t
sim_names(const char *dir, char (*out)[SIM_NAME], size_t max)
{
	struct sim_node *node = node_at(dir);
	size_t n = 0;

	if (node == NULL || !node->directory)
		return 0;
	for (size_t i = 0; i < node->entries.len && n < max; i++)
		memcpy(out[n++], node->entries.at[i].name, SIM_NAME);
	qsort(out, n, SIM_NAME, by_name);
	return n;
}

bool
sim_poke(const char *path, uint64_t offset, const void *bytes, size_t len)
{
	struct sim_node *node = node_at(path);

	if (node == NULL || node->directory || offset + len > node->view.len ||
	    offset + len > node->disk.len)
		return false;
	memcpy(node->view.at + offset, bytes, len);
	memcpy(node->disk.at + offset, bytes, len);
	return true;
}

bool
sim_resize(const char *path, uint64_t size)
{
	struct sim_node *node = node_at(path);

	if (node == NULL || node->directory)
		return false;
	sim_changes_wipe(node);
	sim_bytes_resize(&node->view, size);
	sim_bytes_copy(&node->disk, &node->view);
	return true;
}

bool
sim_remove(const char *path)
{
	char name[SIM_NAME];
	uint32_t parent;

	if (sim_walk(1, path, &parent, name) == 0)
		return false;
	sim_entries_remove(&sim.nodes[parent].entries, name);
	sim_entries_remove(&sim.nodes[parent].disk_entries, name);
	return true;
}

static uint64_t
digest_file(const struct sim_node *node, uint64_t h)
{
	for (size_t i = 0; i < node->view.len; i++)
		h = (h ^ node->view.at[i]) * UINT64_C(0x100000001b3);
	return sim_hash(h, node->view.len, 29);
}

uint64_t
sim_digest(const char *dir)
{
	char names[256][SIM_NAME];
	size_t n = sim_names(dir, names, 256);
	struct sim_node *at = node_at(dir);
	uint64_t h = 1;

	for (size_t i = 0; i < n; i++) {
		struct sim_node *node = NULL;

		for (size_t j = 0; j < at->entries.len; j++) {
			if (strcmp(at->entries.at[j].name, names[i]) == 0)
				node = &sim.nodes[at->entries.at[j].node];
		}
		for (const char *p = names[i]; *p != '\0'; p++)
			h = sim_hash(h, (uint8_t)*p, 31);
		if (node != NULL && !node->directory)
			h = digest_file(node, h);
	}
	return h;
}
