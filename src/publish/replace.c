/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "log/sys.h"
#include "publish/replace.h"

#define NEW_MAX (TALLY_REPLACE_NAME_MAX + sizeof(".new"))

/* The other name; false if there is no room for it. */
static bool
new_name(const char *name, char out[NEW_MAX])
{
	int n = snprintf(out, NEW_MAX, "%s.new", name);

	return n > 0 && (size_t)n < NEW_MAX;
}

int
tally_replace_begin(int dir, const char *other, const void *bytes, size_t len,
    bool is_public)
{
	int fd = tally_sys_open(dir, other,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EMPTY |
		(is_public ? TALLY_SYS_SHOWN : 0));
	int result;

	if (fd < 0)
		return fd;
	result = tally_sys_write(fd, bytes, len, 0, NULL);
	if (result == 0 && is_public)
		result = tally_sys_show(fd);
	if (result == 0)
		return fd;
	tally_sys_close(fd);
	return result;
}

int
tally_replace_file(int dir, const char *name, const void *bytes, size_t len,
    bool is_public)
{
	char new[NEW_MAX];
	int fd, result;

	if (!new_name(name, new))
		return -ENAMETOOLONG;
	fd = tally_replace_begin(dir, new, bytes, len, is_public);
	result = fd < 0 ? fd : tally_sys_sync_all(fd);
	tally_sys_close(fd);
	if (result == 0)
		result = tally_sys_rename(dir, new, name);
	if (result == 0)
		result = tally_sys_sync_all(dir);
	return result;
}
