/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log/sys.h"

#include "hooks.h"

struct hooks hooks;

/* What the linker calls the real ones, and what it calls instead. */
int
__real_tally_sys_write(int fd, const void *buffer, size_t len, uint64_t offset,
    size_t *out_written);
int
__wrap_tally_sys_write(int fd, const void *buffer, size_t len, uint64_t offset,
    size_t *out_written);
int64_t
__real_tally_sys_read(int fd, void *buffer, size_t len, uint64_t offset);
int64_t
__wrap_tally_sys_read(int fd, void *buffer, size_t len, uint64_t offset);
int
__real_tally_sys_truncate(int fd, uint64_t size);
int
__wrap_tally_sys_truncate(int fd, uint64_t size);
int
__real_tally_sys_sync(int fd);
int
__wrap_tally_sys_sync(int fd);
int
__real_tally_sys_sync_all(int fd);
int
__wrap_tally_sys_sync_all(int fd);
int
__real_tally_sys_rename(int dir, const char *from, const char *to);
int
__wrap_tally_sys_rename(int dir, const char *from, const char *to);
int
__real_tally_sys_unlink(int dir, const char *name);
int
__wrap_tally_sys_unlink(int dir, const char *name);
int
__real_tally_sys_mkdir(int dir, const char *name);
int
__wrap_tally_sys_mkdir(int dir, const char *name);
int
__real_tally_sys_open(int dir, const char *name, int flags);
int
__wrap_tally_sys_open(int dir, const char *name, int flags);
int
__real_tally_sys_lock(int fd, bool wait);
int
__wrap_tally_sys_lock(int fd, bool wait);
void
__real_tally_sys_unlock(int fd);
void
__wrap_tally_sys_unlock(int fd);

void
hooks_clear(void)
{
	memset(&hooks, 0, sizeof(hooks));
}

_Noreturn void
hooks_die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static bool
path_has(int fd, const char *part)
{
	char link[64], path[512];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = '\0';
	return strstr(path, part) != NULL;
}

/* One more change; the process may end here. */
static void
change(void)
{
	long now = atomic_fetch_add(&hooks.changes, 1) + 1;

	if (hooks.die_at != 0 && now == hooks.die_at)
		hooks_die();
}

int
__wrap_tally_sys_write(int fd, const void *buffer, size_t len, uint64_t offset,
    size_t *out_written)
{
	change();
	if (hooks.index_write != NULL && path_has(fd, "/index/"))
		hooks.index_write();
	if ((hooks.die_in_write || hooks.segment_write != NULL) &&
	    path_has(fd, ".jsonl")) {
		if (hooks.segment_write != NULL)
			hooks.segment_write();
		if (hooks.die_in_write) {
			if (hooks.die_bytes < len)
				len = hooks.die_bytes;
			(void)!__real_tally_sys_write(fd, buffer, len, offset,
			    out_written);
			hooks_die();
		}
	}
	return __real_tally_sys_write(fd, buffer, len, offset, out_written);
}

int64_t
__wrap_tally_sys_read(int fd, void *buffer, size_t len, uint64_t offset)
{
	int64_t n = __real_tally_sys_read(fd, buffer, len, offset);

	atomic_fetch_add(&hooks.reads, 1);
	if (n > 0)
		atomic_fetch_add(&hooks.read_bytes, (unsigned long long)n);
	return n;
}

int
__wrap_tally_sys_truncate(int fd, uint64_t size)
{
	change();
	return __real_tally_sys_truncate(fd, size);
}

int
hooks_real_sync(int fd)
{
	return __real_tally_sys_sync(fd);
}

int
__wrap_tally_sys_sync(int fd)
{
	change();
	if (hooks.sync != NULL && path_has(fd, ".jsonl")) {
		atomic_fetch_add(&hooks.syncs, 1);
		return hooks.sync(fd);
	}
	return __real_tally_sys_sync(fd);
}

int
__wrap_tally_sys_sync_all(int fd)
{
	change();
	return __real_tally_sys_sync_all(fd);
}

int
__wrap_tally_sys_rename(int dir, const char *from, const char *to)
{
	change();
	return __real_tally_sys_rename(dir, from, to);
}

int
__wrap_tally_sys_unlink(int dir, const char *name)
{
	change();
	return __real_tally_sys_unlink(dir, name);
}

int
__wrap_tally_sys_mkdir(int dir, const char *name)
{
	change();
	return __real_tally_sys_mkdir(dir, name);
}

int
__wrap_tally_sys_open(int dir, const char *name, int flags)
{
	if (flags & (TALLY_SYS_CREATE | TALLY_SYS_EMPTY))
		change();
	return __real_tally_sys_open(dir, name, flags);
}

int
__wrap_tally_sys_lock(int fd, bool wait)
{
	return hooks.no_lock ? 0 : __real_tally_sys_lock(fd, wait);
}

void
__wrap_tally_sys_unlock(int fd)
{
	if (!hooks.no_lock)
		__real_tally_sys_unlock(fd);
}
