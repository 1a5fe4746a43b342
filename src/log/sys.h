/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operating system, as the file log sees it: the only door to it.
 *
 * Everything here either does its whole job or returns a negative errno and
 * has done as little as the system lets it.  sys_linux.c is the real one; the
 * power-cut tests link another, which keeps a disk in memory.
 *
 * Descriptors are close-on-exec.  Names are relative to a directory
 * descriptor.  Allocation, clocks, randomness and sleeping are here too, so
 * that tests can make each of them fail or lie.
 */
#ifndef TALLY_LOG_SYS_H
#define TALLY_LOG_SYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

/* ---- files ------------------------------------------------------------ */

enum {
	TALLY_SYS_READ = 0,
	TALLY_SYS_WRITE = 1,     /* read and write */
	TALLY_SYS_CREATE = 2,    /* make it, mode 0640, if it is missing */
	TALLY_SYS_EXCLUSIVE = 4, /* with CREATE: it must be missing */
	TALLY_SYS_EMPTY = 8,     /* cut to nothing */
	TALLY_SYS_PRIVATE = 16,  /* with CREATE: mode 0600 */
	TALLY_SYS_SHOWN = 32,    /* with CREATE: mode 0644 */
};

/* In place of a directory: what the process calls its own (AT_FDCWD).  Not
 * just any negative number, so that a descriptor that is not open is never
 * taken for it. */
#define TALLY_SYS_CWD (-100)

struct tally_sys_stat {
	uint64_t device;
	uint64_t inode;
	uint64_t size;
	uint64_t links;
	bool directory;
};

/* A directory, for the calls below and for locking. */
int
tally_sys_open_dir(int dir, const char *path);

/* A regular file (a symbolic link is refused: -ELOOP). */
int
tally_sys_open(int dir, const char *name, int flags);

void
tally_sys_close(int fd);

/*
 * At offset; short only at the end of the file.  Returns the count.
 */
int64_t
tally_sys_read(int fd, void *buffer, size_t len, uint64_t offset);

/*
 * At offset; all of it, or a negative errno and *out_written says how much
 * may have reached the file.
 */
int
tally_sys_write(int fd, const void *buffer, size_t len, uint64_t offset,
    size_t *out_written);

int
tally_sys_truncate(int fd, uint64_t size);

/* The file's bytes, and its size, are on stable storage (fdatasync). */
int
tally_sys_sync(int fd);

/* As above with all metadata; for directories: their entries (fsync). */
int
tally_sys_sync_all(int fd);

/* The same of each of these files.  Many are done in one go, where the file
 * system is known to do that; what others wrote there goes to the disk too. */
int
tally_sys_sync_files(const int *fd, size_t count);

int
tally_sys_stat(int fd, struct tally_sys_stat *out);

/* Has anybody the file open for writing?  false also where the system does not
 * tell. */
bool
tally_sys_is_written(int fd);

/* Does not follow a symbolic link in the last place. */
int
tally_sys_stat_at(int dir, const char *name, struct tally_sys_stat *out);

/* A new file without a name, for what does not fit into memory: gone when it
 * is closed. */
int
tally_sys_temporary(void);

/* Replaces "to". */
int
tally_sys_rename(int dir, const char *from, const char *to);

int
tally_sys_unlink(int dir, const char *name);

/* Mode 0750. */
int
tally_sys_mkdir(int dir, const char *name);

/* Lets everybody read a file of ours, and enter a directory, whatever the
 * umask says. */
int
tally_sys_show(int fd);

/*
 * Calls fn with every entry's name but "." and "..", in no order; fn's
 * result, if not 0, ends the walk and is returned.
 */
int
tally_sys_list(int dir, int (*fn)(void *arg, const char *name), void *arg);

enum tally_sys_fs {
	TALLY_SYS_FS_LOCAL,
	TALLY_SYS_FS_NETWORK,
};

/* What kind of file system is this on? */
int
tally_sys_fs(int fd, enum tally_sys_fs *out_kind);

/* ---- locks, shared memory, waiting ------------------------------------ */

/*
 * Takes the exclusive lock of the open file behind fd (flock): for the
 * handle, not the thread; gone when its last descriptor is closed.
 * With wait, blocks; without, -EWOULDBLOCK.  -EINTR if a signal came.
 */
int
tally_sys_lock(int fd, bool wait);

/* The shared lock, in place of the exclusive one if fd has it; does not wait:
 * -EWOULDBLOCK. */
int
tally_sys_lock_shared(int fd);

void
tally_sys_unlock(int fd);

/*
 * Maps the first len bytes of fd, shared.  The file must really have them.
 * Returns 0 with *out_memory.
 */
int
tally_sys_map(int fd, size_t len, bool writable, void **out_memory);

void
tally_sys_unmap(void *memory, size_t len);

/*
 * Sleeps while *word is expected, at most timeout_us (negative: for ever).
 * May return for no reason.  shared: the word lies in a mapped file.
 */
void
tally_sys_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_us,
    bool shared);

/* Wakes up to count sleepers; returns how many it woke. */
int
tally_sys_wake(_Atomic uint32_t *word, int count, bool shared);

/* ---- memory, time, chance --------------------------------------------- */

void *
tally_sys_alloc(size_t size); /* zeroed; NULL if there is none */

void *
tally_sys_realloc(void *memory, size_t size);

void
tally_sys_free(void *memory);

/* Microseconds since 1970-01-01T00:00:00Z. */
int64_t
tally_sys_time_us(void);

/* Microseconds that only go forward. */
int64_t
tally_sys_monotonic_us(void);

/* Lets whoever waits for this processor have it.  Returns the microseconds
 * until we had it again. */
int64_t
tally_sys_yield(void);

int
tally_sys_random(void *bytes, size_t len);

/* Sixteen bytes that change with every boot of the machine. */
int
tally_sys_boot_id(uint8_t out[16]);

/* What a thread had blocked. */
struct tally_sys_signals {
	_Alignas(16) unsigned char words[128];
};

/* Blocks every signal in this thread and in those that it makes. */
void
tally_sys_block_signals(struct tally_sys_signals *out_before);

void
tally_sys_restore_signals(const struct tally_sys_signals *before);

/* Processors that this process may use; at least 1. */
unsigned
tally_sys_processors(void);

/* Runs child in the child of every fork of this process; once per process. */
int
tally_sys_at_fork(void (*prepare)(void), void (*parent)(void),
    void (*child)(void));

#endif
