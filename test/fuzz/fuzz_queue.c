/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of any content as the queue of a sink: the state, and behind a
 * NUL the names of other files, a line each.  What is taken for a queue is in
 * order, and no state says more than one that we write.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outside/disk.h"
#include "outside/queue.h"

#define NAMES_MAX 16
#define ORIGIN "0123"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/tmp/tally-fuzz-XXXXXX";

static void
remove_top(void)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", top);
	(void)!system(command);
}

static void
make_files(int dir, const char *names, size_t len, char (*out)[64],
    size_t *out_count)
{
	while (len > 0 && *out_count < NAMES_MAX) {
		const char *feed = memchr(names, '\n', len);
		size_t n = feed == NULL ? len : (size_t)(feed - names);
		char *name = out[*out_count];
		int fd;

		if (n > 0 && n < 60 && memchr(names, '/', n) == NULL) {
			memcpy(name, names, n);
			name[n] = '\0';
			fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY,
			    0600);
			if (fd >= 0) {
				(void)close(fd);
				++*out_count;
			}
		}
		n += feed != NULL;
		names += n;
		len -= n;
	}
}

static void
check(const struct tally_queue *queue)
{
	if (queue->sent_size > INT64_MAX || queue->offered_size > INT64_MAX ||
	    queue->sent_us < 0 || queue->failing_since_us < 0)
		abort();
	for (size_t i = 0; i < queue->count; i++) {
		const struct tally_queue_name *name = &queue->lines[i];

		if (name->part == 0 || name->part > name->parts ||
		    name->size > INT64_MAX ||
		    (i > 0 && strcmp(name[-1].text, name->text) >= 0))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char made[NAMES_MAX][64];
	static int base = -1;
	const uint8_t *end = memchr(data, '\0', size);
	size_t state = end == NULL ? size : (size_t)(end - data), count = 0;
	struct tally_queue queue;
	int dir;

	if (base < 0) {
		if (mkdtemp(top) == NULL)
			abort();
		base = open(top, O_RDONLY | O_DIRECTORY);
		if (base < 0 || mkdirat(base, "q", 0700) != 0 ||
		    atexit(remove_top) != 0)
			abort();
	}
	dir = openat(base, "q", O_RDONLY | O_DIRECTORY);
	if (dir < 0 || tally_disk_replace(dir, "state", data, state) != 0)
		abort();
	if (end != NULL)
		make_files(dir, (const char *)end + 1, size - state - 1, made,
		    &count);
	if (tally_queue_open(&queue, base, "q", ORIGIN, size % 2 == 0, NULL) ==
	    0)
		check(&queue);
	tally_queue_close(&queue);
	for (size_t i = 0; i < count; i++)
		(void)unlinkat(dir, made[i], 0);
	(void)close(dir);
	return 0;
}
