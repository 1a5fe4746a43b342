/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, writing and syncing files; see simdisk.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log/sys.h"

#include "sim_internal.h"

int64_t
tally_sys_read(int fd, void *buffer, size_t len, uint64_t offset)
{
	struct sim_node *node;
	int64_t rc;

	sim_enter();
	rc = sim_gate(SIM_READ);
	if (rc != 0)
		goto out;
	node = sim_fd_node(fd);
	rc = -EBADF;
	if (node == NULL || node->directory)
		goto out;
	rc = 0;
	if (offset >= node->view.len)
		goto out;
	if (len > node->view.len - offset)
		len = node->view.len - offset;
	if (len > 0)
		memcpy(buffer, node->view.at + offset, len);
	rc = (int64_t)len;
out:
	sim_leave();
	return rc;
}

void
sim_set_size(struct sim_node *node, uint64_t size)
{
	struct sim_change *change;

	if (size < node->map_len && node->mapped > 0)
		sim_violate("a mapped file is cut (a SIGBUS)");
	sim.seq++;
	change = sim_change_add(node, SIM_CHANGE_SIZE);
	change->old_size = node->view.len;
	change->new_size = size;
	sim_bytes_resize(&node->view, size);
}

uint64_t
sim_used(void)
{
	uint64_t used = 0;

	for (uint32_t d = 1; d < sim.nodes_len; d++) {
		const struct sim_entries *entries = &sim.nodes[d].entries;

		for (size_t i = 0; i < entries->len; i++)
			used += sim.nodes[entries->at[i].node].view.len;
	}
	return used;
}

/* How much more file content fits on the disk. */
static uint64_t
room_left(void)
{
	uint64_t used;

	if (sim.capacity == SIM_NEVER)
		return SIM_NEVER;
	used = sim_used();
	return used > sim.capacity ? 0 : sim.capacity - used;
}

static void
do_write(struct sim_node *node, const void *buffer, size_t len, uint64_t offset)
{
	struct sim_change *change;
	uint64_t end = offset + len;

	if (len == 0)
		return;
	sim.seq++;
	change = sim_change_add(node, SIM_CHANGE_WRITE);
	change->offset = offset;
	change->len = len;
	change->old_size = node->view.len;
	change->new_size = end > node->view.len ? end : node->view.len;
	change->bytes = malloc(len);
	if (change->bytes == NULL)
		abort();
	memcpy(change->bytes, buffer, len);
	sim_bytes_resize(&node->view, change->new_size);
	memcpy(node->view.at + offset, buffer, len);
}

int
tally_sys_write(int fd, const void *buffer, size_t len, uint64_t offset,
    size_t *out_written)
{
	struct sim_node *node;
	uint64_t room, grows;
	size_t part = len;
	bool struck;
	int rc;

	if (out_written != NULL)
		*out_written = 0;
	sim_enter();
	struck = !sim_is_dead();
	rc = sim_gate(SIM_WRITE);
	struck = struck && sim.dead[sim.process];
	if (struck && (sim.bits & SIM_HALF_AT_KILL) != 0)
		do_write(sim_fd_node(fd), buffer, len / 2, offset);
	if (sim.power_off || sim.dead[sim.process] || rc == -EROFS)
		goto out;
	node = sim_fd_node(fd);
	if (node == NULL || !sim.fds[fd - SIM_FD_BASE].write) {
		sim_violate("a write to a descriptor that is for reading");
		rc = -EBADF;
		goto out;
	}
	if (rc != 0 && sim.fault.part != SIM_ALL)
		part = sim.fault.part == SIM_HALF ? len / 2 : 0;
	grows = offset + part > node->view.len ? offset + part - node->view.len
					       : 0;
	room = room_left();
	if (grows > room) {
		part -= grows - room < part ? grows - room : part;
		rc = -ENOSPC;
	}
	do_write(node, buffer, part, offset);
	if (out_written != NULL)
		*out_written = part;
out:
	sim_leave();
	return rc;
}

int
tally_sys_truncate(int fd, uint64_t size)
{
	struct sim_node *node;
	int rc;

	sim_enter();
	rc = sim_gate(SIM_TRUNCATE);
	if (rc != 0)
		goto out;
	node = sim_fd_node(fd);
	if (node == NULL || !sim.fds[fd - SIM_FD_BASE].write) {
		sim_violate("a truncate through a descriptor for reading");
		rc = -EBADF;
	} else if (size > node->view.len &&
	    size - node->view.len > room_left()) {
		rc = -ENOSPC;
	} else if (size != node->view.len) {
		sim_set_size(node, size);
	}
out:
	sim_leave();
	return rc;
}

static int
sync_node(int fd, enum sim_op op)
{
	struct sim_node *node;
	unsigned mutant;
	bool struck;
	int rc;

	sim_enter();
	struck = !sim_is_dead();
	rc = sim_gate(op);
	struck = struck && sim.dead[sim.process];
	if (struck && (sim.bits & SIM_LOSE_AT_KILL) != 0)
		sim_node_lose(sim_fd_node(fd));
	if (sim.power_off || sim.dead[sim.process])
		goto out;
	node = sim_fd_node(fd);
	if (node == NULL) {
		rc = -EBADF;
		goto out;
	}
	if (node->directory && op == SIM_SYNC)
		sim_violate("fdatasync of a directory");
	if (sim.fail_sync != SIM_NEVER && sim.fail_sync-- == 0) {
		sim.fail_sync = SIM_NEVER;
		rc = -sim.fail_sync_error;
	}
	mutant = node->directory ? SIM_NO_SYNC_DIR : SIM_NO_SYNC;
	if (rc != 0)
		sim_node_lose(node);
	else if ((sim.bits & mutant) == 0)
		sim_node_sync(node);
out:
	sim_leave();
	return rc;
}

int
tally_sys_sync(int fd)
{
	return sync_node(fd, SIM_SYNC);
}

int
tally_sys_sync_all(int fd)
{
	return sync_node(fd, SIM_SYNC_ALL);
}

int
tally_sys_sync_files(const int *fd, size_t count)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++)
		rc = sync_node(fd[i], SIM_SYNC_ALL);
	return rc;
}
