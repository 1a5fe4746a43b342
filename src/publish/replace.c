/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>

#include "log/sys.h"
#include "publish/replace.h"

int
tally_replace_file(int dir, const char *name, const void *bytes, size_t len)
{
	char new[TALLY_REPLACE_NAME_MAX + sizeof(".new")];
	int n = snprintf(new, sizeof(new), "%s.new", name);
	int fd, result;

	if (n < 0 || (size_t)n >= sizeof(new))
		return -ENAMETOOLONG;
	fd = tally_sys_open(dir, new,
	    TALLY_SYS_WRITE | TALLY_SYS_CREATE | TALLY_SYS_EMPTY);
	result = fd < 0 ? fd : tally_sys_write(fd, bytes, len, 0, NULL);
	if (result == 0)
		result = tally_sys_sync_all(fd);
	tally_sys_close(fd);
	if (result == 0)
		result = tally_sys_rename(dir, new, name);
	if (result == 0)
		result = tally_sys_sync_all(dir);
	return result;
}
