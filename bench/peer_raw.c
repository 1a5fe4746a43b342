/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the disk gives: the bytes of a record, and nothing but write and
 * fdatasync.  No chain, one writer.  A batch is one write.
 */
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME "raw.jsonl"

struct raw {
	int fd;
	size_t line_len;
	char lines[BENCH_BATCH_MAX * BENCH_LINE_MAX];
};

static int
raw_path(const struct bench_cell *cell, char *out, size_t size)
{
	int len = snprintf(out, size, "%s/" FILE_NAME, cell->dir);

	return len > 0 && (size_t)len < size ? 0 : -1;
}

static int
raw_prepare(const struct bench_cell *cell)
{
	if (cell->processes * cell->threads == 1)
		return 0;
	fprintf(stderr, "the raw peer is one writer\n");
	return -1;
}

/* A line as long as the log's after ten thousand records. */
static int
sample_line(const struct bench_event *event, char out[BENCH_LINE_MAX])
{
	uint8_t zero[BENCH_HASH_SIZE] = { 0 }, hash[BENCH_HASH_SIZE];
	struct bench_sha *sha = bench_sha_new();
	int len = -1;

	if (sha != NULL)
		len = bench_line(sha, 10000, zero, zero, event->text, out,
		    hash);
	bench_sha_free(sha);
	return len;
}

static int
raw_open(const struct bench_cell *cell, void *shared, void **out_writer)
{
	struct raw *raw = calloc(1, sizeof(*raw));
	struct bench_source source;
	struct bench_event event;
	char path[4096];
	int len;

	(void)shared;
	if (raw == NULL || raw_path(cell, path, sizeof(path)) != 0 ||
	    bench_source_init(&source, 0) != 0)
		goto failed;
	bench_source_next(&source, &event);
	len = sample_line(&event, raw->lines);
	raw->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (raw->fd < 0 || len < 0) {
		perror(path);
		goto failed;
	}
	raw->line_len = (size_t)len;
	for (unsigned i = 1; i < cell->batch; i++)
		memcpy(raw->lines + i * raw->line_len, raw->lines,
		    raw->line_len);
	*out_writer = raw;
	return 0;
failed:
	free(raw);
	return -1;
}

static void
raw_close(void *writer)
{
	struct raw *raw = writer;

	(void)close(raw->fd);
	free(raw);
}

static int
raw_append(void *writer, const struct bench_event *events, unsigned count)
{
	struct raw *raw = writer;
	char *line = raw->lines;

	for (unsigned i = 0; i < count; i++) {
		line += raw->line_len;
		memcpy(line - BENCH_EVENT_SIZE - 2, events[i].text,
		    BENCH_EVENT_SIZE);
	}
	if (bench_write_all(raw->fd, raw->lines, count * raw->line_len) != 0)
		return -1;
	if (fdatasync(raw->fd) == 0)
		return 0;
	perror("fdatasync");
	return -1;
}

static int
raw_check(const struct bench_cell *cell, uint64_t records)
{
	char line[BENCH_LINE_MAX];
	uint64_t found = 0;
	char path[4096];
	FILE *file;

	if (raw_path(cell, path, sizeof(path)) != 0)
		return -1;
	file = fopen(path, "re");
	if (file == NULL) {
		perror(path);
		return -1;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "{\"chain\":", 9) != 0 ||
		    strchr(line, '\n') == NULL)
			break;
		found++;
	}
	(void)fclose(file);
	if (found == records)
		return 0;
	fprintf(stderr, "raw: %llu lines instead of %llu\n",
	    (unsigned long long)found, (unsigned long long)records);
	return -1;
}

const struct bench_peer bench_peer_raw = {
	.name = "raw",
	.prepare = raw_prepare,
	.open = raw_open,
	.close = raw_close,
	.append = raw_append,
	.check = raw_check,
};
