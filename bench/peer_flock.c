/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One chain in one file, the careful simple way: lock the file, take the head
 * from its last line (one short read, whatever the length), append the new
 * line, fdatasync, unlock.  The event is hashed before the lock is taken.
 */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "flock.jsonl"
#define SEQ_MARK "\",\"seq\":"

struct locked {
	int fd;
	struct bench_sha *sha;
};

struct head {
	uint64_t seq;
	uint8_t hash[BENCH_HASH_SIZE];
};

static int
flock_path(const struct bench_cell *cell, char *out, size_t size)
{
	int len = snprintf(out, size, "%s/" FILE_NAME, cell->dir);

	return len > 0 && (size_t)len < size ? 0 : -1;
}

static int
flock_prepare(const struct bench_cell *cell)
{
	char path[4096];
	int fd;

	if (flock_path(cell, path, sizeof(path)) != 0)
		return -1;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0 || fsync(fd) != 0) {
		perror(path);
		return -1;
	}
	return close(fd);
}

static void
flock_close(void *writer)
{
	struct locked *locked = writer;

	(void)close(locked->fd);
	bench_sha_free(locked->sha);
	free(locked);
}

static int
flock_open(const struct bench_cell *cell, void *shared, void **out_writer)
{
	struct locked *locked = calloc(1, sizeof(*locked));
	char path[4096];

	(void)shared;
	if (locked == NULL || flock_path(cell, path, sizeof(path)) != 0)
		return -1;
	locked->sha = bench_sha_new();
	locked->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	if (locked->fd >= 0 && locked->sha != NULL) {
		*out_writer = locked;
		return 0;
	}
	perror(path);
	return -1;
}

static int
unhex(const char *text, uint8_t out[BENCH_HASH_SIZE])
{
	unsigned value;

	for (size_t i = 0; i < BENCH_HASH_SIZE; i++) {
		char pair[3] = { text[2 * i], text[2 * i + 1], 0 };

		if (sscanf(pair, "%2x", &value) != 1)
			return -1;
		out[i] = (uint8_t)value;
	}
	return 0;
}

/* line: its end is the file's end; it may begin with a part of another. */
static int
parse_head(const char *line, size_t len, struct head *out)
{
	const char *mark;

	if (len < BENCH_LINE_HASH_BACK || line[len - 1] != '\n')
		return -1;
	mark = memrchr(line, 'q', len - BENCH_LINE_HASH_BACK);
	while (mark != NULL && strncmp(mark - 5, SEQ_MARK, 8) != 0)
		mark = memrchr(line, 'q', (size_t)(mark - line));
	if (mark == NULL)
		return -1;
	out->seq = strtoull(mark + 3, NULL, 10);
	return unhex(line + len - BENCH_LINE_HASH_BACK, out->hash);
}

static int
read_head(int fd, struct head *out)
{
	char end[BENCH_LINE_MAX];
	struct stat stat;
	ssize_t len;

	memset(out, 0, sizeof(*out));
	if (fstat(fd, &stat) != 0)
		return -1;
	if (stat.st_size == 0)
		return 0;
	len = stat.st_size < BENCH_LINE_MAX ? stat.st_size : BENCH_LINE_MAX;
	len = pread(fd, end, (size_t)len, stat.st_size - len);
	if (len <= 0 || parse_head(end, (size_t)len, out) != 0) {
		fprintf(stderr, "flock: no head at the end of the file\n");
		return -1;
	}
	return 0;
}

static int
append_locked(struct locked *locked, const struct bench_event *event,
    const uint8_t digest[BENCH_HASH_SIZE])
{
	char line[BENCH_LINE_MAX];
	struct head head;
	int len;

	if (read_head(locked->fd, &head) != 0)
		return -1;
	len = bench_line(locked->sha, head.seq + 1, head.hash, digest,
	    event->text, line, head.hash);
	if (len < 0 || bench_write_all(locked->fd, line, (size_t)len) != 0)
		return -1;
	return fdatasync(locked->fd);
}

static int
flock_append(void *writer, const struct bench_event *events, unsigned count)
{
	struct locked *locked = writer;
	uint8_t digest[BENCH_HASH_SIZE];
	int result = 0;

	for (unsigned i = 0; i < count && result == 0; i++) {
		if (bench_sha_pair(locked->sha, "\2", 1, events[i].text,
			BENCH_EVENT_SIZE, digest) != 0)
			return -1;
		while (flock(locked->fd, LOCK_EX) != 0) {
			if (errno != EINTR)
				return -1;
		}
		result = append_locked(locked, &events[i], digest);
		(void)flock(locked->fd, LOCK_UN);
	}
	return result;
}

/* Does the line follow the head?  Moves the head on. */
static int
check_line(struct bench_sha *sha, const char *line, struct head *head)
{
	size_t len = strlen(line);
	size_t header = len - BENCH_LINE_HASH_BACK - 9;
	char text[BENCH_LINE_MAX], prev[65];
	uint8_t hash[BENCH_HASH_SIZE];
	struct head next;

	if (parse_head(line, len, &next) != 0 || next.seq != head->seq + 1)
		return -1;
	memcpy(text, line, header);
	text[header] = '}';
	bench_hex(head->hash, BENCH_HASH_SIZE, prev);
	if (bench_sha_pair(sha, "", 1, text, header + 1, hash) != 0 ||
	    memcmp(hash, next.hash, sizeof(hash)) != 0 ||
	    memmem(text, header, prev, 64) == NULL)
		return -1;
	*head = next;
	return 0;
}

static int
flock_check(const struct bench_cell *cell, uint64_t records)
{
	struct bench_sha *sha = bench_sha_new();
	struct head head = { 0 };
	char line[BENCH_LINE_MAX], path[4096];
	FILE *file = NULL;
	int result = -1;

	if (flock_path(cell, path, sizeof(path)) == 0)
		file = fopen(path, "re");
	if (file != NULL && sha != NULL) {
		result = 0;
		while (result == 0 && fgets(line, sizeof(line), file) != NULL)
			result = check_line(sha, line, &head);
		(void)fclose(file);
	}
	bench_sha_free(sha);
	if (result == 0 && head.seq == records)
		return 0;
	fprintf(stderr, "flock: the chain ends at %llu of %llu\n",
	    (unsigned long long)head.seq, (unsigned long long)records);
	return -1;
}

const struct bench_peer bench_peer_flock = {
	.name = "flock",
	.prepare = flock_prepare,
	.open = flock_open,
	.close = flock_close,
	.append = flock_append,
	.check = flock_check,
};
