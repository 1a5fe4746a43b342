/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outside/disk.h"

#define NAME_MAX_LEN 200

int
tally_disk_write(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n >= 0) {
			at += n;
			len -= (size_t)n;
		} else if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

int
tally_disk_replace(int dir, const char *name, const void *bytes, size_t len)
{
	char new[NAME_MAX_LEN + sizeof(".new")];
	int n = snprintf(new, sizeof(new), "%s.new", name), fd, failed;

	if (n < 0 || (size_t)n >= sizeof(new))
		return ENAMETOOLONG;
	fd = openat(dir, new,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return errno;
	failed = tally_disk_write(fd, bytes, len);
	if (failed == 0 && fsync(fd) != 0)
		failed = errno;
	if (close(fd) != 0 && failed == 0)
		failed = errno;
	if (failed == 0 && renameat(dir, new, dir, name) != 0)
		failed = errno;
	if (failed != 0)
		(void)unlinkat(dir, new, 0);
	else if (fsync(dir) != 0)
		failed = errno;
	return failed;
}

int
tally_disk_read(int dir, const char *name, size_t max, char **out,
    size_t *out_len)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	int failed = 0;

	if (fd < 0)
		return errno;
	if (fstat(fd, &st) != 0)
		failed = errno;
	else if (st.st_size < 0 || (uintmax_t)st.st_size > max)
		failed = EFBIG;
	else if ((text = malloc((size_t)st.st_size + 1)) == NULL)
		failed = ENOMEM;
	while (failed == 0 && len < (size_t)st.st_size) {
		ssize_t n = read(fd, text + len, (size_t)st.st_size - len);

		if (n == 0)
			break;
		if (n > 0)
			len += (size_t)n;
		else if (errno != EINTR)
			failed = errno;
	}
	(void)close(fd);
	if (failed != 0) {
		free(text);
		return failed;
	}
	text[len] = '\0';
	*out = text;
	*out_len = len;
	return 0;
}
