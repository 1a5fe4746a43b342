/* SPDX-License-Identifier: Apache-2.0 */
/* Locks, shared memory, waiting, memory, time and chance; see simdisk.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log/sys.h"

#include "sim_internal.h"

uint64_t
sim_hash(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t x = a;

	for (int i = 0; i < 3; i++) {
		/* splitmix64 */
		x += UINT64_C(0x9e3779b97f4a7c15) + (i == 0 ? b : c);
		x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
		x ^= x >> 31;
	}
	return x;
}

/* ---- locks ------------------------------------------------------------- */

/* Has another descriptor of the node the shared lock? */
static bool
is_shared(int fd, uint32_t node)
{
	for (int i = 0; i < SIM_FDS; i++) {
		if (sim.fds[i].used && sim.fds[i].shares &&
		    sim.fds[i].node == node && i != fd - SIM_FD_BASE)
			return true;
	}
	return false;
}

int
tally_sys_lock_shared(int fd)
{
	struct sim_node *node;
	int rc;

	sim_enter();
	rc = sim_gate(SIM_LOCK);
	node = rc == 0 ? sim_fd_node(fd) : NULL;
	if (rc == 0 && node == NULL)
		rc = -EBADF;
	if (rc == 0 && node->lock != 0 && node->lock != fd)
		rc = -EWOULDBLOCK;
	if (rc == 0) {
		node->lock = 0;
		sim.fds[fd - SIM_FD_BASE].shares = true;
	}
	sim_leave();
	return rc;
}

int
tally_sys_lock(int fd, bool wait)
{
	struct sim_node *node;
	int rc;

	sim_enter();
	rc = sim_gate(SIM_LOCK);
	node = rc == 0 ? sim_fd_node(fd) : NULL;
	if (rc == 0 && node == NULL)
		rc = -EBADF;
	if (rc == 0 &&
	    ((node->lock != 0 && node->lock != fd) ||
		is_shared(fd, sim.fds[fd - SIM_FD_BASE].node))) {
		rc = -EWOULDBLOCK;
		if (wait) {
			sim_violate("a lock that would block for ever");
			rc = -EDEADLK;
		}
	}
	if (rc == 0)
		node->lock = fd;
	sim_leave();
	return rc;
}

void
tally_sys_unlock(int fd)
{
	struct sim_node *node;

	sim_enter();
	if (sim_gate(SIM_UNLOCK) == 0) {
		node = sim_fd_node(fd);
		if (node != NULL && node->lock != fd)
			sim_violate("an unlock without the lock");
		else if (node != NULL)
			node->lock = 0;
	}
	sim_leave();
}

/* ---- shared memory ----------------------------------------------------- */

/* Moves the view of a file into memory that does not move any more. */
static void
pin(struct sim_node *node)
{
	uint8_t *ours, *theirs;

	if (node->shared != NULL)
		return;
	if (node->view.len > SIM_MAP_MAX || !sim_shared_new(&ours, &theirs))
		abort();
	if (node->view.len > 0)
		memcpy(ours, node->view.at, node->view.len);
	free(node->view.at);
	node->view.at = ours;
	node->view.cap = SIM_MAP_MAX;
	node->shared = theirs;
}

int
tally_sys_map(int fd, size_t len, bool writable, void **out_memory)
{
	struct sim_node *node;
	int rc;

	sim_enter();
	rc = sim_gate(SIM_MAP);
	node = rc == 0 ? sim_fd_node(fd) : NULL;
	if (rc == 0 && (node == NULL || node->directory || len == 0))
		rc = -EBADF;
	if (rc != 0)
		goto out;
	if (writable && !sim.fds[fd - SIM_FD_BASE].write)
		sim_violate("a writable map of a descriptor for reading");
	if (len > node->view.len)
		sim_violate("a map beyond the end of its file (a SIGBUS)");
	pin(node);
	if (len > node->map_len)
		node->map_len = len;
	node->mapped++;
	*out_memory = node->shared;
out:
	sim_leave();
	return rc;
}

void
tally_sys_unmap(void *memory, size_t len)
{
	bool found = false;

	(void)len;
	if (memory == NULL)
		return;
	sim_enter();
	(void)sim_gate(SIM_UNMAP);
	for (uint32_t i = 1; i < sim.nodes_len && !found; i++) {
		if (sim.nodes[i].shared == NULL ||
		    sim.nodes[i].shared != memory)
			continue;
		found = true;
		if (sim.nodes[i].mapped == 0)
			sim_violate("unmapped twice");
		else
			sim.nodes[i].mapped--;
	}
	if (!found)
		sim_violate("an unmap of what was never mapped");
	sim_leave();
}

void
sim_undo_keep(void)
{
	sim.undo = true;
	for (uint32_t i = 1; i < sim.nodes_len; i++) {
		struct sim_node *node = &sim.nodes[i];

		if (node->shared == NULL)
			continue;
		node->undo = realloc(node->undo, node->map_len);
		if (node->undo == NULL)
			abort();
		memcpy(node->undo, node->view.at, node->map_len);
	}
}

void
sim_reap(void)
{
	sim_enter();
	for (uint32_t i = 1; i < sim.nodes_len && sim.undo; i++) {
		struct sim_node *node = &sim.nodes[i];

		if (node->undo == NULL)
			continue;
		memcpy(node->view.at, node->undo, node->map_len);
		free(node->undo);
		node->undo = NULL;
	}
	sim.undo = false;
	sim.kill_at = SIM_NEVER;
	sim_leave();
}

void
tally_sys_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_us,
    bool shared)
{
	(void)shared;
	sim_enter();
	(void)sim_gate(SIM_WAIT);
	if (atomic_load(word) == expected)
		sim.monotonic_us += timeout_us < 0 ? 1000 : timeout_us;
	sim_leave();
}

int
tally_sys_wake(_Atomic uint32_t *word, int count, bool shared)
{
	(void)word;
	(void)count;
	(void)shared;
	sim_enter();
	(void)sim_gate(SIM_WAKE);
	sim_leave();
	return 0;
}

/* ---- memory ------------------------------------------------------------ */

void *
tally_sys_alloc(size_t size)
{
	void *memory = NULL;

	sim_enter();
	if (sim_gate(SIM_ALLOC) == 0)
		memory = calloc(1, size == 0 ? 1 : size);
	if (memory != NULL)
		sim.memory++;
	sim_leave();
	return memory;
}

void *
tally_sys_realloc(void *memory, size_t size)
{
	void *moved = NULL;

	sim_enter();
	if (sim_gate(SIM_ALLOC) == 0)
		moved = realloc(memory, size == 0 ? 1 : size);
	if (moved != NULL && memory == NULL)
		sim.memory++;
	sim_leave();
	return moved;
}

void
tally_sys_free(void *memory)
{
	if (memory == NULL)
		return;
	sim_enter();
	(void)sim_gate(SIM_FREE);
	if (sim.memory == 0)
		sim_violate("more memory is freed than there was");
	else
		sim.memory--;
	free(memory);
	sim_leave();
}

/* ---- time and chance --------------------------------------------------- */

int64_t
tally_sys_time_us(void)
{
	int64_t now;

	sim_enter();
	(void)sim_gate(SIM_TIME);
	sim.time_us += 7;
	sim.monotonic_us += 7;
	now = sim.time_us;
	sim_leave();
	return now;
}

int64_t
tally_sys_monotonic_us(void)
{
	int64_t now;

	sim_enter();
	(void)sim_gate(SIM_TIME);
	sim.monotonic_us += 3;
	now = sim.monotonic_us;
	sim_leave();
	return now;
}

/* Nobody else wants it. */
int64_t
tally_sys_yield(void)
{
	return 0;
}

void
sim_time_pass(int64_t us)
{
	sim_enter();
	sim.time_us += us;
	sim.monotonic_us += us;
	sim_leave();
}

int
tally_sys_random(void *bytes, size_t len)
{
	uint8_t *out = bytes;
	int rc;

	sim_enter();
	rc = sim_gate(SIM_RANDOM);
	for (size_t i = 0; i < len && rc == 0; i++) {
		sim.random = sim_hash(sim.random, i, 17);
		out[i] = (uint8_t)sim.random;
	}
	sim_leave();
	return rc;
}

int
tally_sys_boot_id(uint8_t out[16])
{
	int rc;

	sim_enter();
	rc = sim_gate(SIM_BOOT_ID);
	for (uint64_t i = 0; i < 16 && rc == 0; i++)
		out[i] = (uint8_t)sim_hash(sim.boot, i, 23);
	sim_leave();
	return rc;
}

unsigned
tally_sys_processors(void)
{
	return 1;
}

int
tally_sys_at_fork(void (*prepare)(void), void (*parent)(void),
    void (*child)(void))
{
	(void)prepare;
	(void)parent;
	(void)child;
	return 0;
}

/* ---- what the tests do not need ---------------------------------------- */

void
tally_sys_block_signals(struct tally_sys_signals *out_before)
{
	memset(out_before, 0, sizeof(*out_before));
}

void
tally_sys_restore_signals(const struct tally_sys_signals *before)
{
	(void)before;
}
