/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that syncs slower than this one: preloaded, it makes every fsync,
 * fdatasync, syncfs and synchronous msync of a program take BENCH_SYNC_US
 * microseconds more, and counts them in the file BENCH_SYNC_FILE (8 bytes,
 * which must be there), across processes.  Every row of a table runs under
 * it, also with 0 microseconds, so that the counts can be compared.
 *
 * A write that syncs by itself (O_DSYNC, RWF_DSYNC) is not seen.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef int
fd_fn(int fd);
typedef int
range_fn(void *start, size_t len, int flags);

static fd_fn *real_fsync;
static fd_fn *real_fdatasync;
static fd_fn *real_syncfs;
static range_fn *real_msync;
static struct timespec delay;
static _Atomic uint64_t own_count;
static _Atomic uint64_t *count = &own_count;

static void
map_count(const char *path)
{
	void *memory;
	int fd;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	memory = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	(void)close(fd);
	if (memory != MAP_FAILED)
		count = memory;
}

__attribute__((constructor)) static void
slow_sync_start(void)
{
	const char *path = getenv("BENCH_SYNC_FILE");
	const char *text = getenv("BENCH_SYNC_US");
	long us = text == NULL ? 0 : atol(text);

	/* POSIX lets dlsym's object pointer be a function's. */
	*(void **)&real_fsync = dlsym(RTLD_NEXT, "fsync");
	*(void **)&real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
	*(void **)&real_syncfs = dlsym(RTLD_NEXT, "syncfs");
	*(void **)&real_msync = dlsym(RTLD_NEXT, "msync");
	delay.tv_sec = us / 1000000;
	delay.tv_nsec = us % 1000000 * 1000;
	if (path != NULL)
		map_count(path);
}

static int
slowed(int result)
{
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
	if (delay.tv_sec != 0 || delay.tv_nsec != 0)
		(void)nanosleep(&delay, NULL);
	return result;
}

uint64_t
bench_slow_sync_count(void);

uint64_t
bench_slow_sync_count(void)
{
	return atomic_load(count);
}

int
fsync(int fd)
{
	return slowed(real_fsync(fd));
}

int
fdatasync(int fd)
{
	return slowed(real_fdatasync(fd));
}

int
syncfs(int fd)
{
	return slowed(real_syncfs(fd));
}

int
msync(void *start, size_t len, int flags)
{
	int result = real_msync(start, len, flags);

	return flags & MS_SYNC ? slowed(result) : result;
}
