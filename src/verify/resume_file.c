/* SPDX-License-Identifier: Apache-2.0 */
/* The file that keeps an interrupted verification, as a file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/sys.h"
#include "verify/resume.h"

#define FILE_MAX ((uint64_t)1 << 40)

/* Splits a path into the directory, opened, and the name in it. */
static int
open_parent(const char *path, const char **out_name)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];
	size_t len;

	*out_name = path;
	if (slash == NULL)
		return tally_sys_open_dir(TALLY_SYS_CWD, ".");
	*out_name = slash + 1;
	len = slash == path ? 1 : (size_t)(slash - path);
	if (len >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, len);
	dir[len] = 0;
	return tally_sys_open_dir(TALLY_SYS_CWD, dir);
}

int
tally_resume_write(const char *path, const struct tally_bytes *bytes)
{
	char other[256];
	const char *name;
	size_t written;
	int dir, fd, r;

	dir = open_parent(path, &name);
	if (dir < 0)
		return dir;
	if ((size_t)snprintf(other, sizeof(other), "%s.new", name) >=
	    sizeof(other)) {
		tally_sys_close(dir);
		return -ENAMETOOLONG;
	}
	fd = tally_sys_open(dir, other,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EMPTY);
	r = fd;
	if (fd >= 0) {
		r = tally_sys_write(fd, bytes->at, bytes->len, 0, &written);
		if (r == 0)
			r = tally_sys_sync_all(fd);
		tally_sys_close(fd);
	}
	if (r == 0)
		r = tally_sys_rename(dir, other, name);
	if (r == 0)
		r = tally_sys_sync_all(dir);
	tally_sys_close(dir);
	return r;
}

char *
tally_resume_candidate(const char *path)
{
	size_t room = strlen(path) + sizeof(".next");
	char *candidate = tally_sys_alloc(room);

	if (candidate != NULL)
		(void)snprintf(candidate, room, "%s.next", path);
	return candidate;
}

int
tally_resume_promote(const char *candidate, const char *path)
{
	const char *from, *to;
	int r, dir = open_parent(path, &to);

	if (dir < 0)
		return dir;
	from = strrchr(candidate, '/');
	r = tally_sys_rename(dir, from == NULL ? candidate : from + 1, to);
	if (r == 0)
		r = tally_sys_sync_all(dir);
	tally_sys_close(dir);
	return r == -ENOENT ? 0 : r;
}

void
tally_resume_remove(const char *path)
{
	const char *name;
	int dir = open_parent(path, &name);

	if (dir < 0)
		return;
	(void)tally_sys_unlink(dir, name);
	tally_sys_close(dir);
}

int
tally_resume_read(const char *path, struct tally_bytes *out)
{
	struct tally_sys_stat stat;
	const char *name;
	int dir, fd, r;

	dir = open_parent(path, &name);
	if (dir < 0)
		return dir == -ENOENT ? TALLY_END : TALLY_E_IO;
	fd = tally_sys_open(dir, name, TALLY_SYS_READ);
	tally_sys_close(dir);
	if (fd < 0)
		return fd == -ENOENT ? TALLY_END : TALLY_E_IO;
	r = tally_sys_stat(fd, &stat);
	if (r == 0 && stat.size < FILE_MAX)
		out->at = tally_sys_alloc((size_t)stat.size);
	if (out->at != NULL) {
		out->len = out->capacity = (size_t)stat.size;
		r = tally_sys_read(fd, out->at, out->len, 0) !=
		    (int64_t)out->len;
	}
	tally_sys_close(fd);
	return r != 0 ? TALLY_E_IO : out->at == NULL ? TALLY_E_MEMORY : 0;
}
