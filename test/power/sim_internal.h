/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the simulated machine share. */
#ifndef TALLY_TEST_POWER_SIM_INTERNAL_H
#define TALLY_TEST_POWER_SIM_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "simdisk.h"

#define SIM_SECTOR 512
#define SIM_PAGE 4096
#define SIM_NODES 512
#define SIM_FDS 256
#define SIM_FD_BASE 1000
#define SIM_PROCESSES 64
#define SIM_TRACE 65536
#define SIM_MAP_MAX ((size_t)16 << 20)
#define SIM_NEVER UINT64_MAX

/* Bytes that grow; everything behind len and before cap is zero. */
struct sim_bytes {
	uint8_t *at;
	size_t len;
	size_t cap;
};

struct sim_entry {
	char name[SIM_NAME];
	uint32_t node;
};

struct sim_entries {
	struct sim_entry *at;
	size_t len;
	size_t cap;
};

enum sim_change_kind {
	SIM_CHANGE_WRITE,
	SIM_CHANGE_SIZE,
	SIM_CHANGE_ADD,
	SIM_CHANGE_REMOVE,
};

struct sim_change {
	struct sim_change *next;
	uint64_t seq; /* order over the whole machine */
	enum sim_change_kind kind;
	bool lost; /* its sync failed: it will not be written */
	/* content */
	uint64_t offset;
	uint64_t old_size;
	uint64_t new_size;
	size_t len;
	uint8_t *bytes;
	/* entry */
	char name[SIM_NAME];
	uint32_t node;
};

struct sim_node {
	bool used;
	bool directory;
	uint32_t parent;
	struct sim_bytes view;
	struct sim_bytes disk;
	struct sim_entries entries;
	struct sim_entries disk_entries;
	struct sim_change *changes;
	struct sim_change *last;
	uint8_t *shared; /* where processes see view.at; NULL: never mapped */
	size_t map_len;  /* the longest mapping */
	size_t mapped;   /* mappings that were not unmapped */
	uint8_t *undo;   /* mapped memory as it was at the moment of death */
	int lock;        /* descriptor that holds the lock; 0: none */
};

struct sim_fd {
	bool used;
	bool write;
	bool directory;
	bool shares; /* has the shared lock */
	int process;
	uint32_t node;
};

/*
 * For how long a machine has been up when a process begins.  A real one is not
 * up for that long: a thread of the library that waits until a moment of this
 * clock, as pthread_cond_timedwait() does, waits and does not spin.
 */
#define SIM_UPTIME_US (INT64_C(1) << 50)

struct sim_machine {
	struct sim_node nodes[SIM_NODES];
	uint32_t nodes_len;
	struct sim_fd fds[SIM_FDS];
	bool dead[SIM_PROCESSES];
	bool power_off;
	bool undo; /* the nodes hold what sim_reap will put back */
	int process;

	int inside; /* threads in the simulator: at most one */

	uint64_t seq;
	uint64_t ops;
	uint8_t trace[SIM_TRACE];
	uint64_t cut_at;
	uint64_t kill_at;
	uint64_t fault_at;
	struct sim_fault fault;
	bool fault_fired;
	uint64_t fail_sync; /* countdown; SIM_NEVER: none */
	int fail_sync_error;
	unsigned bits;
	uint64_t capacity;
	uint64_t idle; /* waits and time calls since something happened */

	uint64_t random;
	int64_t time_us;
	int64_t monotonic_us;
	uint64_t boot;
	size_t memory;
	char violation[160];
};

extern struct sim_machine sim;

void
sim_enter(void);
void
sim_leave(void);

void
sim_violate(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t
sim_hash(uint64_t a, uint64_t b, uint64_t c);

/*
 * Counts an op; with the machine entered.  0: go on.  Negative: the call
 * fails with that errno and does nothing (but for a failing write or sync,
 * which ask sim.fault_fired).
 */
int
sim_gate(enum sim_op op);

/* bytes */
void
sim_bytes_resize(struct sim_bytes *bytes, size_t len);
void
sim_bytes_copy(struct sim_bytes *to, const struct sim_bytes *from);
void
sim_entries_copy(struct sim_entries *to, const struct sim_entries *from);
void
sim_entries_set(struct sim_entries *entries, const char *name, uint32_t node);
void
sim_entries_remove(struct sim_entries *entries, const char *name);

/* nodes; 0 is no node, 1 the root */
uint32_t
sim_node_new(bool directory, uint32_t parent);
void
sim_node_wipe(struct sim_node *node);
/* Frees the view, mapped or not. */
void
sim_view_free(struct sim_node *node);
void
sim_changes_wipe(struct sim_node *node);
struct sim_change *
sim_change_add(struct sim_node *node, enum sim_change_kind kind);

/*
 * Finds path from a directory; 0 if it is not there.  With out_parent, the
 * directory and the last name are given if that directory exists.
 */
uint32_t
sim_walk(uint32_t from, const char *path, uint32_t *out_parent,
    char out_name[SIM_NAME]);

/* Applies the bytes of a change in [from, to) of the file to bytes. */
void
sim_change_apply(const struct sim_change *change, uint64_t from, uint64_t to,
    struct sim_bytes *bytes);

void
sim_entry_apply(const struct sim_change *change, struct sim_entries *entries);

/* A truncate, in the view. */
void
sim_set_size(struct sim_node *node, uint64_t size);

/* Makes the changes of a file or the entries of a directory durable. */
void
sim_node_sync(struct sim_node *node);

/* The sync of a file failed: invariant 4. */
void
sim_node_lose(struct sim_node *node);

/* The fd's node, or NULL with a violation. */
struct sim_node *
sim_fd_node(int fd);

void
sim_undo_keep(void);

/*
 * The memory of a file that is mapped (simtrap.c), zeroed: twice the same
 * pages, once for the simulator and once for its processes, whose stores can
 * be trapped.
 */
bool
sim_shared_new(uint8_t **out_ours, uint8_t **out_theirs);
/* used: all behind so many bytes is zero. */
void
sim_shared_free(uint8_t *ours, uint8_t *theirs, size_t used);
/* Somebody died: stores are no ops any more. */
void
sim_trap_release(void);
/* Gives back what is kept for the next sim_shared_new. */
void
sim_shared_wipe(void);

#endif
