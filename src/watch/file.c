/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "watch/file.h"

char *
watch_path(const char *dir, const char *name)
{
	size_t room = strlen(dir) + strlen(name) + 2;
	char *path = malloc(room);

	if (path != NULL)
		(void)snprintf(path, room, "%s/%s", dir, name);
	return path;
}

static int
sync_parent(char *path)
{
	char *slash = strrchr(path, '/');
	int fd, failed = 0;

	if (slash == NULL)
		return 0;
	*slash = '\0';
	fd = open(path[0] == '\0' ? "/" : path,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (fsync(fd) != 0)
		failed = errno;
	(void)close(fd);
	return failed;
}

int
watch_write_json(const char *path, const json_t *value)
{
	size_t room = strlen(path) + sizeof(".new");
	char *new = malloc(room);
	int fd, failed = 0;

	if (new == NULL || value == NULL) {
		free(new);
		return ENOMEM;
	}
	(void)snprintf(new, room, "%s.new", path);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0) {
		failed = errno;
		free(new);
		return failed;
	}
	if (json_dumpfd(value, fd, JSON_COMPACT | JSON_SORT_KEYS) != 0)
		failed = errno != 0 ? errno : EIO;
	if (fsync(fd) != 0 && failed == 0)
		failed = errno;
	if (close(fd) != 0 && failed == 0)
		failed = errno;
	if (failed == 0 && rename(new, path) != 0)
		failed = errno;
	if (failed == 0)
		failed = sync_parent(new);
	free(new);
	return failed;
}
