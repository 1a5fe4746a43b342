/* SPDX-License-Identifier: Apache-2.0 */
/* The machine, its ops, and the calls on files; see simdisk.h. */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/sys.h"

#include "sim_internal.h"

/* More ops than this without a change: somebody goes round in circles. */
#define IDLE_MAX 2000000

struct sim_machine sim;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void
sim_enter(void)
{
	(void)pthread_mutex_lock(&mutex);
	sim.inside++;
}

void
sim_leave(void)
{
	sim.inside--;
	(void)pthread_mutex_unlock(&mutex);
}

void
sim_violate(const char *format, ...)
{
	va_list args;

	if (sim.violation[0] != '\0')
		return;
	va_start(args, format);
	(void)vsnprintf(sim.violation, sizeof(sim.violation), format, args);
	va_end(args);
}

/* ---- ops --------------------------------------------------------------- */

static bool
fails_as_file(enum sim_op op)
{
	return op <= SIM_FS && op != SIM_CLOSE;
}

bool
sim_op_fails(enum sim_op op, int error)
{
	if (op == SIM_ALLOC || error == ENOMEM)
		return op == SIM_ALLOC && error == ENOMEM;
	if (error == EINTR)
		return op == SIM_LOCK;
	if (error == ENOSPC || error == EDQUOT)
		return sim_op_changes(op);
	if (op == SIM_MAP || op == SIM_RANDOM || op == SIM_BOOT_ID)
		return true;
	return op == SIM_LOCK || fails_as_file(op);
}

bool
sim_op_changes(enum sim_op op)
{
	switch (op) {
	case SIM_CREATE:
	case SIM_WRITE:
	case SIM_TRUNCATE:
	case SIM_SYNC:
	case SIM_SYNC_ALL:
	case SIM_RENAME:
	case SIM_UNLINK:
	case SIM_MKDIR:
		return true;
	default:
		return false;
	}
}

/* The moment before op: whoever is to die dies. */
static void
strike(uint64_t op)
{
	bool killed = false;

	if (op == sim.cut_at) {
		sim.power_off = true;
		killed = true;
	}
	if (op == sim.kill_at && !sim.power_off) {
		sim.dead[sim.process] = true;
		killed = true;
	}
	if (!killed)
		return;
	sim_undo_keep();
	sim_trap_release();
	for (int i = 0; i < SIM_FDS; i++) {
		struct sim_fd *fd = &sim.fds[i];
		struct sim_node *node = &sim.nodes[fd->node];

		if (fd->used && (sim.power_off || fd->process == sim.process) &&
		    node->lock == SIM_FD_BASE + i)
			node->lock = 0;
	}
}

int
sim_gate(enum sim_op op)
{
	bool dead = sim.power_off || sim.dead[sim.process];
	uint64_t n = sim.ops;

	sim.idle = sim_op_changes(op) && !dead ? 0 : sim.idle + 1;
	if (sim.idle > IDLE_MAX) {
		(void)fprintf(stderr, "sim: endless loop around %s\n",
		    sim_op_name(op));
		abort();
	}
	if (dead)
		return -EIO;
	strike(n);
	if (sim.power_off || sim.dead[sim.process])
		return -EIO;
	sim.ops++;
	if (n < SIM_TRACE)
		sim.trace[n] = (uint8_t)op;
	if (n == sim.fault_at && sim_op_fails(op, sim.fault.error)) {
		sim.fault_fired = true;
		return -sim.fault.error;
	}
	if (!sim_op_changes(op) || op == SIM_SYNC || op == SIM_SYNC_ALL)
		return 0;
	if ((sim.bits & SIM_FROZEN) != 0)
		sim_violate("%s of a frozen disk", sim_op_name(op));
	return (sim.bits & SIM_READ_ONLY) != 0 ? -EROFS : 0;
}

/* ---- descriptors ------------------------------------------------------- */

static struct sim_fd *
fd_get(int fd)
{
	int i = fd - SIM_FD_BASE;

	if (i < 0 || i >= SIM_FDS || !sim.fds[i].used) {
		sim_violate("no such descriptor: %d", fd);
		return NULL;
	}
	if (sim.fds[i].process != sim.process) {
		sim_violate("descriptor %d is of another process", fd);
		return NULL;
	}
	return &sim.fds[i];
}

struct sim_node *
sim_fd_node(int fd)
{
	struct sim_fd *slot = fd_get(fd);

	return slot == NULL ? NULL : &sim.nodes[slot->node];
}

static int
fd_new(uint32_t node, bool write)
{
	for (int i = 0; i < SIM_FDS; i++) {
		if (sim.fds[i].used)
			continue;
		sim.fds[i].used = true;
		sim.fds[i].write = write;
		sim.fds[i].directory = sim.nodes[node].directory;
		sim.fds[i].process = sim.process;
		sim.fds[i].node = node;
		return SIM_FD_BASE + i;
	}
	sim_violate("out of descriptors");
	return -EMFILE;
}

/* The directory that a path is relative to; 0 if that is none. */
static uint32_t
base_of(int dir, const char *path)
{
	struct sim_fd *slot;

	if (dir == TALLY_SYS_CWD || path[0] == '/') {
		if (path[0] != '/')
			sim_violate("\"%.60s\" in the working directory", path);
		return 1;
	}
	if (dir < 0)
		return 0;
	slot = fd_get(dir);
	return slot == NULL || !slot->directory ? 0 : slot->node;
}

/* Counts the op, and finds the path; -EBADF without a directory. */
static int
gate_walk(enum sim_op op, int dir, const char *path, uint32_t *out_node,
    uint32_t *out_parent, char out_name[SIM_NAME])
{
	uint32_t base = base_of(dir, path);
	int rc = sim_gate(op);

	*out_node = 0;
	if (rc == 0 && base == 0)
		rc = -EBADF;
	if (rc == 0)
		*out_node = sim_walk(base, path, out_parent, out_name);
	return rc;
}

/* ---- entries ----------------------------------------------------------- */

static void
entry_change(uint32_t dir, enum sim_change_kind kind, const char *name,
    uint32_t node)
{
	struct sim_change *change = sim_change_add(&sim.nodes[dir], kind);

	memcpy(change->name, name, strlen(name) + 1);
	change->node = node;
	sim_entry_apply(change, &sim.nodes[dir].entries);
}

int
tally_sys_open_dir(int dir, const char *path)
{
	uint32_t node;
	int rc;

	sim_enter();
	rc = gate_walk(SIM_OPEN_DIR, dir, path, &node, NULL, NULL);
	if (rc == 0) {
		if (node == 0)
			rc = -ENOENT;
		else if (!sim.nodes[node].directory)
			rc = -ENOTDIR;
		else
			rc = fd_new(node, false);
	}
	sim_leave();
	return rc;
}

static int
open_found(uint32_t node, int flags)
{
	if ((flags & TALLY_SYS_EXCLUSIVE) != 0)
		return -EEXIST;
	if (sim.nodes[node].directory)
		return -EISDIR;
	if ((flags & TALLY_SYS_WRITE) != 0 && (sim.bits & SIM_READ_ONLY) != 0)
		return -EROFS;
	if ((flags & TALLY_SYS_EMPTY) != 0)
		sim_set_size(&sim.nodes[node], 0);
	return fd_new(node, (flags & TALLY_SYS_WRITE) != 0);
}

int
tally_sys_open(int dir, const char *name, int flags)
{
	char last[SIM_NAME];
	uint32_t node, parent = 0;
	uint32_t base;
	enum sim_op op = SIM_OPEN;
	int rc;

	sim_enter();
	base = base_of(dir, name);
	node = base == 0 ? 0 : sim_walk(base, name, &parent, last);
	if ((node == 0 && (flags & TALLY_SYS_CREATE) != 0) ||
	    (node != 0 && (flags & TALLY_SYS_EMPTY) != 0))
		op = SIM_CREATE;
	if (op == SIM_CREATE && (flags & TALLY_SYS_WRITE) == 0)
		sim_violate("\"%s\" is created for reading", last);
	rc = sim_gate(op);
	if (rc == 0 && base == 0)
		rc = -EBADF;
	if (rc != 0)
		goto out;
	if (node != 0) {
		rc = open_found(node, flags);
	} else if (op != SIM_CREATE || parent == 0) {
		rc = -ENOENT;
	} else {
		node = sim_node_new(false, parent);
		sim.seq++;
		entry_change(parent, SIM_CHANGE_ADD, last, node);
		rc = fd_new(node, true);
	}
out:
	sim_leave();
	return rc;
}

/* There are no other processes. */
bool
tally_sys_is_written(int fd)
{
	(void)fd;
	return false;
}

/* A file without a name; not part of what the tests look at. */
int
tally_sys_temporary(void)
{
	int rc;

	sim_enter();
	rc = sim_gate(SIM_CREATE);
	if (rc == 0)
		rc = fd_new(sim_node_new(false, 1), true);
	sim_leave();
	return rc;
}

void
tally_sys_close(int fd)
{
	int i = fd - SIM_FD_BASE;

	if (fd < 0)
		return;
	sim_enter();
	(void)sim_gate(SIM_CLOSE);
	if (fd_get(fd) != NULL) {
		if (sim.nodes[sim.fds[i].node].lock == fd)
			sim.nodes[sim.fds[i].node].lock = 0;
		memset(&sim.fds[i], 0, sizeof(sim.fds[i]));
	}
	sim_leave();
}

int
tally_sys_rename(int dir, const char *from, const char *to)
{
	char old_name[SIM_NAME], new_name[SIM_NAME];
	uint32_t node, target, old_dir, new_dir;
	int rc;

	sim_enter();
	rc = gate_walk(SIM_RENAME, dir, from, &node, &old_dir, old_name);
	if (rc != 0)
		goto out;
	target = sim_walk(base_of(dir, to), to, &new_dir, new_name);
	rc = -ENOENT;
	if (node == 0 || new_dir == 0)
		goto out;
	rc = -EISDIR;
	if (target != 0 && sim.nodes[target].directory)
		goto out;
	sim.seq++;
	entry_change(old_dir, SIM_CHANGE_REMOVE, old_name, 0);
	entry_change(new_dir, SIM_CHANGE_ADD, new_name, node);
	sim.nodes[node].parent = new_dir;
	rc = 0;
out:
	sim_leave();
	return rc;
}

int
tally_sys_unlink(int dir, const char *name)
{
	char last[SIM_NAME];
	uint32_t node, parent;
	int rc;

	sim_enter();
	rc = gate_walk(SIM_UNLINK, dir, name, &node, &parent, last);
	if (rc == 0) {
		if (node == 0) {
			rc = -ENOENT;
		} else if (sim.nodes[node].directory) {
			rc = -EISDIR;
		} else {
			sim.seq++;
			entry_change(parent, SIM_CHANGE_REMOVE, last, 0);
		}
	}
	sim_leave();
	return rc;
}

/* Modes are not simulated. */
int
tally_sys_show(int fd)
{
	(void)fd;
	return 0;
}

int
tally_sys_mkdir(int dir, const char *name)
{
	char last[SIM_NAME];
	uint32_t node, parent;
	int rc;

	sim_enter();
	rc = gate_walk(SIM_MKDIR, dir, name, &node, &parent, last);
	if (rc == 0) {
		if (node != 0) {
			rc = -EEXIST;
		} else if (parent == 0) {
			rc = -ENOENT;
		} else {
			node = sim_node_new(true, parent);
			sim.seq++;
			entry_change(parent, SIM_CHANGE_ADD, last, node);
		}
	}
	sim_leave();
	return rc;
}

int
tally_sys_list(int dir, int (*fn)(void *arg, const char *name), void *arg)
{
	struct sim_entries copy = { 0 };
	struct sim_node *node;
	int rc;

	sim_enter();
	rc = sim_gate(SIM_LIST);
	node = rc == 0 ? sim_fd_node(dir) : NULL;
	if (node != NULL)
		sim_entries_copy(&copy, &node->entries);
	sim_leave();
	/* Last first: nobody may count on an order. */
	for (size_t i = copy.len; i > 0 && rc == 0; i--)
		rc = fn(arg, copy.at[i - 1].name);
	free(copy.at);
	return rc;
}

static void
stat_fill(uint32_t n, struct tally_sys_stat *out)
{
	const struct sim_node *node = &sim.nodes[n];

	memset(out, 0, sizeof(*out));
	out->device = 1;
	out->inode = n;
	out->size = node->view.len;
	out->directory = node->directory;
	for (uint32_t d = 1; d < sim.nodes_len; d++) {
		for (size_t i = 0; i < sim.nodes[d].entries.len; i++)
			out->links += sim.nodes[d].entries.at[i].node == n;
	}
	if (n == 1)
		out->links = 1;
}

int
tally_sys_stat(int fd, struct tally_sys_stat *out)
{
	struct sim_node *node;
	int rc;

	sim_enter();
	rc = sim_gate(SIM_STAT);
	if (rc == 0) {
		node = sim_fd_node(fd);
		rc = node == NULL ? -EBADF : 0;
	}
	if (rc == 0)
		stat_fill((uint32_t)(node - sim.nodes), out);
	sim_leave();
	return rc;
}

int
tally_sys_stat_at(int dir, const char *name, struct tally_sys_stat *out)
{
	uint32_t node = 0;
	int rc;

	sim_enter();
	rc = gate_walk(SIM_STAT_AT, dir, name, &node, NULL, NULL);
	if (rc == 0 && node == 0)
		rc = -ENOENT;
	if (rc == 0)
		stat_fill(node, out);
	sim_leave();
	return rc;
}

int
tally_sys_fs(int fd, enum tally_sys_fs *out_kind)
{
	int rc;

	sim_enter();
	rc = sim_gate(SIM_FS);
	if (rc == 0 && sim_fd_node(fd) == NULL)
		rc = -EBADF;
	if (rc == 0)
		*out_kind = (sim.bits & SIM_NETWORK) != 0 ? TALLY_SYS_FS_NETWORK
							  : TALLY_SYS_FS_LOCAL;
	sim_leave();
	return rc;
}
