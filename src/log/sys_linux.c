/* SPDX-License-Identifier: Apache-2.0 */
/* The seam to the operating system, on Linux.  See sys.h. */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "log/sys.h"

_Static_assert(TALLY_SYS_CWD == AT_FDCWD, "the same number");

/* Not every kernel header has these. */
#define MAGIC_CIFS 0xff534d42u
#define MAGIC_SMB2 0xfe534d42u
#define MAGIC_CEPH 0x00c36400u
#define MAGIC_GFS2 0x01161970u
#define MAGIC_LUSTRE 0x0bd00bd0u
#define MAGIC_OCFS2 0x7461636fu
#define MAGIC_9P 0x01021997u
#define MAGIC_XFS 0x58465342u

/* So many files are worth what else a syncfs may write. */
#define SYNC_AT_ONCE_MIN 16

int
tally_sys_open_dir(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int
tally_sys_open(int dir, const char *name, int flags)
{
	/* What lies there may be a pipe, put there so that we wait for ever. */
	int how = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;
	int mode = flags & TALLY_SYS_PRIVATE ? 0600
	    : flags & TALLY_SYS_SHOWN	     ? 0644
					     : 0640;
	int fd;

	how |= flags & TALLY_SYS_WRITE ? O_RDWR : O_RDONLY;
	how |= flags & TALLY_SYS_CREATE ? O_CREAT : 0;
	how |= flags & TALLY_SYS_EXCLUSIVE ? O_EXCL : 0;
	how |= flags & TALLY_SYS_EMPTY ? O_TRUNC : 0;
	for (;;) {
		fd = openat(dir, name, how, mode);
		if (fd >= 0)
			return fd;
		/* A file that somebody has a lease on is waited for. */
		if (errno == EAGAIN && (how & O_NONBLOCK) != 0)
			how &= ~O_NONBLOCK;
		else if (errno != EINTR)
			return -errno;
	}
}

void
tally_sys_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int64_t
tally_sys_read(int fd, void *buffer, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buffer + done, len - done,
		    (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (int64_t)done;
}

int
tally_sys_write(int fd, const void *buffer, size_t len, uint64_t offset,
    size_t *out_written)
{
	size_t done = 0;
	int result = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, (const char *)buffer + done, len - done,
		    (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			result = n < 0 ? -errno : -EIO;
			break;
		}
		done += (size_t)n;
	}
	if (out_written != NULL)
		*out_written = done;
	return result;
}

int
tally_sys_truncate(int fd, uint64_t size)
{
	int n;

	do
		n = ftruncate(fd, (off_t)size);
	while (n != 0 && errno == EINTR);
	return n != 0 ? -errno : 0;
}

int
tally_sys_sync(int fd)
{
	/* Never again on EINTR: an error may have been consumed. */
	return fdatasync(fd) != 0 ? -errno : 0;
}

int
tally_sys_sync_all(int fd)
{
	return fsync(fd) != 0 ? -errno : 0;
}

/* Are all of them on one file system whose syncfs ends with what fsync does?
 * FUSE's, for one, does not, and who knows of others. */
static bool
may_sync_at_once(const int *fd, size_t count)
{
	struct stat first, st;
	struct statfs fs;

	if (fstatfs(fd[0], &fs) != 0 || fstat(fd[0], &first) != 0)
		return false;
	switch ((unsigned)fs.f_type) {
	case EXT4_SUPER_MAGIC: /* and ext2's, ext3's */
	case MAGIC_XFS:
	case BTRFS_SUPER_MAGIC:
		break;
	default:
		return false;
	}
	for (size_t i = 1; i < count; i++) {
		if (fstat(fd[i], &st) != 0 || st.st_dev != first.st_dev)
			return false;
	}
	return true;
}

/* Before Linux 5.8 syncfs does not tell that a file could not be written. */
static int
find_unwritten(const int *fd, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (sync_file_range(fd[i], 0, 0,
			SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			    SYNC_FILE_RANGE_WAIT_AFTER) != 0)
			return -errno;
	}
	return 0;
}

/*
 * A sync of a file is a commit of the journal or a flush of the disk's cache,
 * and those who append wait behind each.  What syncfs could not write may be
 * somebody else's: then the files are asked.
 */
int
tally_sys_sync_files(const int *fd, size_t count)
{
	int result = 0;

	if (count >= SYNC_AT_ONCE_MIN && may_sync_at_once(fd, count) &&
	    syncfs(fd[0]) == 0)
		return find_unwritten(fd, count);
	/* All on their way first: a disk then has one journal to write. */
	for (size_t i = 0; i < count; i++)
		(void)sync_file_range(fd[i], 0, 0, SYNC_FILE_RANGE_WRITE);
	for (size_t i = 0; i < count && result == 0; i++)
		result = tally_sys_sync_all(fd[i]);
	return result;
}

static void
stat_fill(const struct stat *st, struct tally_sys_stat *out)
{
	out->device = (uint64_t)st->st_dev;
	out->inode = (uint64_t)st->st_ino;
	out->size = (uint64_t)st->st_size;
	out->links = (uint64_t)st->st_nlink;
	out->directory = S_ISDIR(st->st_mode);
}

int
tally_sys_stat(int fd, struct tally_sys_stat *out)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	stat_fill(&st, out);
	return 0;
}

int
tally_sys_stat_at(int dir, const char *name, struct tally_sys_stat *out)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	stat_fill(&st, out);
	return 0;
}

/*
 * A read lease is only given while nobody has the file open for writing.  It
 * is given back at once; whoever opens the file in between makes the kernel
 * send SIGIO, which would end the process.
 */
bool
tally_sys_is_written(int fd)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	bool written;

	if (sigaction(SIGIO, &ignore, &before) != 0)
		return false;
	written = fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
	if (!written)
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	(void)sigaction(SIGIO, &before, NULL);
	return written;
}

int
tally_sys_temporary(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd, n;

	n = snprintf(path, sizeof(path), "%s/tally-XXXXXX",
	    dir != NULL && dir[0] == '/' ? dir : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)unlink(path);
	return fd;
}

int
tally_sys_rename(int dir, const char *from, const char *to)
{
	return renameat(dir, from, dir, to) != 0 ? -errno : 0;
}

int
tally_sys_unlink(int dir, const char *name)
{
	return unlinkat(dir, name, 0) != 0 ? -errno : 0;
}

int
tally_sys_mkdir(int dir, const char *name)
{
	return mkdirat(dir, name, 0750) != 0 ? -errno : 0;
}

int
tally_sys_show(int fd)
{
	struct stat st;
	mode_t mode;

	if (fstat(fd, &st) != 0)
		return -errno;
	mode = S_ISDIR(st.st_mode) ? 0755 : 0644;
	if ((st.st_mode & mode) == mode)
		return 0;
	return fchmod(fd, (st.st_mode & 07777) | mode) != 0 ? -errno : 0;
}

int
tally_sys_list(int dir, int (*fn)(void *arg, const char *name), void *arg)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	int result = 0;
	DIR *stream;

	if (fd < 0)
		return -errno;
	stream = fdopendir(fd);
	if (stream == NULL) {
		result = -errno;
		close(fd);
		return result;
	}
	errno = 0;
	while (result == 0 && (entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			result = fn(arg, entry->d_name);
		if (result == 0)
			errno = 0;
	}
	if (result == 0 && errno != 0)
		result = -errno;
	closedir(stream);
	return result;
}

int
tally_sys_fs(int fd, enum tally_sys_fs *out_kind)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return -errno;
	switch ((unsigned)fs.f_type) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case MAGIC_CIFS:
	case MAGIC_SMB2:
	case AFS_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
	case NCP_SUPER_MAGIC:
	case MAGIC_CEPH:
	case MAGIC_GFS2:
	case MAGIC_LUSTRE:
	case MAGIC_OCFS2:
	case MAGIC_9P:
	case FUSE_SUPER_MAGIC: /* sshfs and its like; who knows */
		*out_kind = TALLY_SYS_FS_NETWORK;
		break;
	default:
		*out_kind = TALLY_SYS_FS_LOCAL;
	}
	return 0;
}

int
tally_sys_lock(int fd, bool wait)
{
	return flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) != 0 ? -errno : 0;
}

int
tally_sys_lock_shared(int fd)
{
	return flock(fd, LOCK_SH | LOCK_NB) != 0 ? -errno : 0;
}

void
tally_sys_unlock(int fd)
{
	(void)flock(fd, LOCK_UN);
}

int
tally_sys_map(int fd, size_t len, bool writable, void **out_memory)
{
	void *memory = mmap(NULL, len, PROT_READ | (writable ? PROT_WRITE : 0),
	    MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*out_memory = memory;
	return 0;
}

void
tally_sys_unmap(void *memory, size_t len)
{
	if (memory != NULL)
		munmap(memory, len);
}

void
tally_sys_wait(_Atomic uint32_t *word, uint32_t expected, int64_t timeout_us,
    bool shared)
{
	struct timespec limit = {
		.tv_sec = (time_t)(timeout_us / 1000000),
		.tv_nsec = (long)(timeout_us % 1000000) * 1000,
	};

	(void)syscall(SYS_futex, word, shared ? FUTEX_WAIT : FUTEX_WAIT_PRIVATE,
	    expected, timeout_us < 0 ? NULL : &limit, NULL, 0);
}

int
tally_sys_wake(_Atomic uint32_t *word, int count, bool shared)
{
	long n = syscall(SYS_futex, word,
	    shared ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);

	return n < 0 ? 0 : (int)n;
}

void *
tally_sys_alloc(size_t size)
{
	return calloc(1, size != 0 ? size : 1);
}

void *
tally_sys_realloc(void *memory, size_t size)
{
	return realloc(memory, size != 0 ? size : 1);
}

void
tally_sys_free(void *memory)
{
	free(memory);
}

int64_t
tally_sys_time_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
tally_sys_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
tally_sys_yield(void)
{
	int64_t before = tally_sys_monotonic_us();

	(void)sched_yield();
	return tally_sys_monotonic_us() - before;
}

int
tally_sys_random(void *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = getrandom((char *)bytes + done, len - done, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int
tally_sys_boot_id(uint8_t out[16])
{
	char text[37];
	size_t digits = 0;
	int64_t n;
	int fd;

	fd = tally_sys_open(TALLY_SYS_CWD, "/proc/sys/kernel/random/boot_id",
	    TALLY_SYS_READ);
	if (fd < 0)
		return fd;
	n = tally_sys_read(fd, text, sizeof(text), 0);
	tally_sys_close(fd);
	if (n < 0)
		return (int)n;
	memset(out, 0, 16);
	for (int64_t i = 0; i < n && digits < 32; i++) {
		const char *hex = "0123456789abcdef";
		const char *at = text[i] != 0 ? strchr(hex, text[i]) : NULL;

		if (at == NULL)
			continue;
		out[digits / 2] = (uint8_t)(out[digits / 2] << 4 | (at - hex));
		digits++;
	}
	return digits == 32 ? 0 : -EINVAL;
}

_Static_assert(sizeof(sigset_t) <= sizeof(struct tally_sys_signals),
    "a set of signals fits");

void
tally_sys_block_signals(struct tally_sys_signals *out_before)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	memcpy(out_before->words, &before, sizeof(before));
}

void
tally_sys_restore_signals(const struct tally_sys_signals *before)
{
	sigset_t set;

	memcpy(&set, before->words, sizeof(set));
	pthread_sigmask(SIG_SETMASK, &set, NULL);
}

unsigned
tally_sys_processors(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return CPU_COUNT(&set) > 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int
tally_sys_at_fork(void (*prepare)(void), void (*parent)(void),
    void (*child)(void))
{
	return -pthread_atfork(prepare, parent, child);
}
