/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file, on another mount: one line a dispatch, only ever appended to.  A
 * line that was cut by a crash is ended by a line feed before the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outside/disk.h"
#include "outside/fail.h"
#include "outside/sink.h"

#define BUFFER ((size_t)1 << 16)
#define LINE_MAX ((size_t)1 << 20)

struct file {
	char *path;
};

static int
file_open(struct tally_sink *sink, const json_t *config,
    struct tally_error *error)
{
	struct file *file = calloc(1, sizeof(*file));

	if (file == NULL)
		return tally_outside_fail_memory(error);
	sink->own = file;
	return tally_sink_text_dup(sink, config, "path", true, &file->path,
	    error);
}

static void
file_close(struct tally_sink *sink)
{
	struct file *file = sink->own;

	free(file->path);
	free(file);
}

/* The directory's entry, in case the file is new. */
static int
sync_folder(const char *path)
{
	char *folder = strdup(path);
	char *slash;
	int fd, failed = 0;

	if (folder == NULL)
		return ENOMEM;
	slash = strrchr(folder, '/');
	if (slash != NULL)
		slash[slash == folder] = '\0';
	fd = open(slash == NULL ? "." : folder,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	if (fd < 0)
		return errno;
	if (fsync(fd) != 0)
		failed = errno;
	(void)close(fd);
	return failed;
}

static int
append(int fd, const struct tally_sink_line *line)
{
	struct stat st;
	char last = '\n', *text;
	size_t len = 0;
	int failed;

	if (fstat(fd, &st) != 0)
		return errno;
	if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
		return errno == 0 ? EIO : errno;
	text = malloc(line->len + 2);
	if (text == NULL)
		return ENOMEM;
	if (last != '\n')
		text[len++] = '\n';
	memcpy(text + len, line->text, line->len);
	len += line->len;
	text[len++] = '\n';
	failed = tally_disk_write(fd, text, len);
	free(text);
	if (failed == 0 && fsync(fd) != 0)
		failed = errno;
	return failed;
}

static int
file_send(struct tally_sink *sink, const struct tally_sink_line *line,
    struct tally_error *error)
{
	const struct file *file = sink->own;
	int fd = open(file->path,
	    O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	int failed;

	if (fd < 0)
		return tally_outside_fail(error, errno, "cannot open \"%s\"",
		    file->path);
	failed = append(fd, line);
	if (close(fd) != 0 && failed == 0)
		failed = errno;
	if (failed == 0)
		failed = sync_folder(file->path);
	if (failed != 0)
		return tally_outside_fail(error, failed,
		    "cannot append to \"%s\"", file->path);
	return TALLY_OK;
}

/*
 * Lines of any file that has some: what is too long, or stands before a
 * dispatch in its line (as a syslog server writes it), is passed over.
 */
int
tally_sink_read_lines(const char *path, tally_sink_line_fn *fn, void *arg,
    struct tally_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char *buffer = malloc(LINE_MAX + BUFFER);
	size_t len = 0;
	ssize_t n = 1;
	int result = TALLY_OK;

	if (fd < 0 || buffer == NULL) {
		result = fd < 0 && errno == ENOENT
		    ? TALLY_OK
		    : tally_outside_fail(error, fd < 0 ? errno : ENOMEM,
			  "cannot read \"%s\"", path);
		n = 0;
	}
	while (n > 0 && result == 0) {
		char *end;

		n = read(fd, buffer + len, BUFFER);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		if (n <= 0)
			break;
		end = buffer + len + n;
		len += (size_t)n;
		while (end > buffer && end[-1] != '\n')
			end--;
		result = tally_sink_each_line(buffer, (size_t)(end - buffer),
		    fn, arg);
		len -= (size_t)(end - buffer);
		memmove(buffer, end, len);
		if (len > LINE_MAX)
			len = 0;
	}
	if (n < 0)
		result = tally_outside_fail(error, errno, "cannot read \"%s\"",
		    path);
	if (result == 0 && len > 0)
		result = tally_sink_each_line(buffer, len, fn, arg);
	free(buffer);
	if (fd >= 0)
		(void)close(fd);
	return result;
}

static int
file_read(struct tally_sink *sink, uint64_t since, tally_sink_line_fn *fn,
    void *arg, struct tally_error *error)
{
	const struct file *file = sink->own;

	(void)since;
	return tally_sink_read_lines(file->path, fn, arg, error);
}

const struct tally_sink_kind tally_sink_file = {
	.type = "file",
	.open = file_open,
	.send = file_send,
	.read = file_read,
	.close = file_close,
};
