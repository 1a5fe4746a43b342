/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine in memory, behind the seam src/log/sys.h: a disk that forgets what
 * was not synced, processes that die, and calls that fail when told to.
 * Linked in the place of sys_linux.c.
 *
 * Terms
 *   view     what processes see: the page cache
 *   disk     what is durable
 *   change   one write, truncate, create, rename, unlink or mkdir that is in
 *            the view and not on the disk yet
 *   op       one call through the seam, counted from 0
 *
 * Invariants
 *   1. A write or a size is on the disk only after tally_sys_sync[_all] of
 *      that file; an entry of a directory only after tally_sys_sync_all of
 *      that directory.  Syncing a file says nothing about its name.
 *   2. A power cut at op n: op n and all later ones fail with -EIO and change
 *      nothing; sim_reboot decides which changes the disk had got by then.  A
 *      sector of 512 bytes is old or new, never half; its content is that of
 *      one instant.
 *   3. A kill at op n does the same to one process: its locks go, the view and
 *      the mapped memory stay.  What the dead process goes on to store into
 *      mapped memory (its code runs on to free itself) is undone by sim_reap.
 *   4. A sync that fails leaves its changes readable and clean: a later sync
 *      answers 0 and does not write them (Linux).  With SIM_EVICT they are
 *      also gone from the view at once.
 *   5. Nothing here depends on anything but the seed and the calls: the same
 *      run gives the same ops.
 *
 * One machine at a time.  Calls may come from several threads, but a lock that
 * would block is a violation: nobody else would ever release it.
 */
#ifndef TALLY_TEST_POWER_SIMDISK_H
#define TALLY_TEST_POWER_SIMDISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a name, NUL included: the SHA-256 of something, and ".new". */
#define SIM_NAME 80

/* ---- the machine ------------------------------------------------------ */

/* A new machine with an empty root directory; wipes the one before. */
void
sim_reset(uint64_t seed);

/* Frees everything. */
void
sim_wipe(void);

/* What happens from now on is done by this process (1 ... 63). */
void
sim_as(int process);
int
sim_process(void);

/* Wrong use of the seam that no errno tells: text of the first, or NULL. */
const char *
sim_violation(void);

/* Descriptors and blocks of memory that are still held. */
size_t
sim_open_count(void);
size_t
sim_memory_count(void);

/* Moves both clocks. */
void
sim_time_pass(int64_t us);

/* ---- ops -------------------------------------------------------------- */

enum sim_op {
	SIM_OPEN_DIR,
	SIM_OPEN,
	SIM_CREATE, /* an open that made, or emptied, a file */
	SIM_CLOSE,
	SIM_READ,
	SIM_WRITE,
	SIM_TRUNCATE,
	SIM_SYNC,
	SIM_SYNC_ALL,
	SIM_STAT,
	SIM_STAT_AT,
	SIM_RENAME,
	SIM_UNLINK,
	SIM_MKDIR,
	SIM_LIST,
	SIM_FS,
	SIM_LOCK,
	SIM_UNLOCK,
	SIM_MAP,
	SIM_UNMAP,
	SIM_WAIT,
	SIM_WAKE,
	SIM_ALLOC,
	SIM_FREE,
	SIM_TIME,
	SIM_RANDOM,
	SIM_BOOT_ID,
	SIM_STORE, /* a store to mapped memory; only with sim_trap_stores */
	SIM_OP_COUNT,
};

/* The next op is number 0. */
void
sim_ops_restart(void);

/* How many so far, and what each of them was. */
uint64_t
sim_ops(void);
enum sim_op
sim_op_at(uint64_t op);

/* Could it change what a power cut leaves? */
bool
sim_op_changes(enum sim_op op);

const char *
sim_op_name(enum sim_op op);

/* UINT64_MAX: never. */
void
sim_cut_at(uint64_t op);
void
sim_kill_at(uint64_t op);

/* Has the power gone, or has the present process died? */
bool
sim_is_dead(void);

/*
 * The dead process is buried: mapped memory is as it was when it died.  Its
 * handles must have been closed (its calls fail, its memory is freed).
 */
void
sim_reap(void);

enum sim_part {
	SIM_NOTHING = 0, /* a failing write wrote nothing */
	SIM_HALF,
	SIM_ALL, /* it wrote all and reports an error */
};

struct sim_fault {
	int error;          /* a positive errno */
	enum sim_part part; /* of a write */
};

/* Op fails once (an allocation: NULL), if an op of its sort can. */
void
sim_fault_at(uint64_t op, const struct sim_fault *fault);
bool
sim_fault_fired(void);

/* Can this op fail with this error (EINTR: only a lock)? */
bool
sim_op_fails(enum sim_op op, int error);

/* Bits, kept until the next sim_reset. */
enum {
	SIM_EVICT = 1,          /* invariant 4 */
	SIM_NO_SYNC = 2,        /* mutant: syncs of files do nothing */
	SIM_NO_SYNC_DIR = 4,    /* mutant: syncs of directories do nothing */
	SIM_READ_ONLY = 8,      /* changes fail with -EROFS */
	SIM_NETWORK = 16,       /* a network file system */
	SIM_FROZEN = 32,        /* a change is a violation */
	SIM_HALF_AT_KILL = 64,  /* a write that is killed has written half */
	SIM_LOSE_AT_KILL = 128, /* a sync that is killed has failed */
};
void
sim_set(unsigned bits);
void
sim_clear(unsigned bits);

/* The disk holds this many bytes of file content; UINT64_MAX: no bound. */
void
sim_capacity(uint64_t bytes);
uint64_t
sim_used(void);

/* The nth sync from now (0: the next) fails with error and loses its pages. */
void
sim_fail_sync(uint64_t nth, int error);

/* ---- power ------------------------------------------------------------ */

enum sim_mode {
	SIM_DROP,         /* nothing that was not synced */
	SIM_KEEP,         /* everything */
	SIM_PREFIX,       /* the changes up to some instant */
	SIM_TORN,         /* likewise, the last write by sectors */
	SIM_REORDER,      /* each sector and size as of some instant of its own,
			     any subset of the entries */
	SIM_SIZE_ONLY,    /* sizes and entries, but zeros for data (ext4 with
			     delayed allocation) */
	SIM_CONTENT_ONLY, /* data and sizes, but no entries */
	SIM_ENTRY_ONLY,   /* entries, but no data and no sizes */
	SIM_MIX,          /* any of these for each file; stale sectors */
	SIM_MODE_COUNT,
};

const char *
sim_mode_name(enum sim_mode mode);

/* Does the seed matter in this mode? */
bool
sim_mode_is_random(enum sim_mode mode);

/*
 * Power comes back (whether it was cut or not): the disk is what the mode and
 * the seed made of the changes, the view is the disk, all processes are gone
 * and the boot id is a new one.  No descriptor may be open.
 */
void
sim_reboot(enum sim_mode mode, uint64_t seed);

/* A copy of the whole machine, without processes. */
struct sim_image;

struct sim_image *
sim_save(void);
void
sim_restore(const struct sim_image *image);
void
sim_image_free(struct sim_image *image);

/* ---- looking and meddling, as nobody ---------------------------------- */

/* The view of a file; NULL if there is none.  Lives until the next op. */
const uint8_t *
sim_file(const char *path, size_t *out_len);

/* Names in a directory, sorted; returns how many (at most max). */
size_t
sim_names(const char *dir, char (*out)[SIM_NAME], size_t max);

/* Changes view and disk at once.  False: no such file. */
bool
sim_poke(const char *path, uint64_t offset, const void *bytes, size_t len);
bool
sim_resize(const char *path, uint64_t size);
bool
sim_remove(const char *path);

/* A digest of every file under dir: names and content of the view. */
uint64_t
sim_digest(const char *dir);

/*
 * Counts every store to mapped memory as an op, so that a kill can fall
 * between two of them.  It is on until somebody has died.  False where the
 * machine or the build cannot.
 */
bool
sim_trap_stores(bool on);

#endif
