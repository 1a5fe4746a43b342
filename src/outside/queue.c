/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "outside/disk.h"
#include "outside/fail.h"
#include "outside/queue.h"

#define STATE "state"
#define STATE_MAX 8192
#define LINE_MAX ((size_t)1 << 20)
#define RETRY_FIRST_US ((int64_t)1000000)
#define RETRY_MOST_US ((int64_t)300000000)

int64_t
tally_queue_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- names ------------------------------------------------------------ */

static void
format_name(uint64_t size, uint32_t part, uint32_t parts,
    struct tally_queue_name *out)
{
	(void)snprintf(out->text, sizeof(out->text),
	    "%020" PRIu64 "-%06" PRIu32 "-%06" PRIu32, size, part, parts);
	out->size = size;
	out->part = part;
	out->parts = parts;
}

static bool
parse_name(const char *text, struct tally_queue_name *out)
{
	unsigned long long size;
	unsigned part, parts;

	if (strlen(text) != 20 + 1 + 6 + 1 + 6 ||
	    strspn(text, "0123456789-") != strlen(text) ||
	    sscanf(text, "%20llu-%6u-%6u", &size, &part, &parts) != 3)
		return false;
	format_name(size, part, parts, out);
	return strcmp(out->text, text) == 0 && part >= 1 && part <= parts &&
	    size <= INT64_MAX;
}

static int
compare_names(const void *a, const void *b)
{
	const struct tally_queue_name *x = a, *y = b;

	return strcmp(x->text, y->text);
}

static int
add_name(struct tally_queue *queue, const struct tally_queue_name *name)
{
	if (queue->count == queue->room) {
		size_t room = queue->room == 0 ? 64 : 2 * queue->room;
		struct tally_queue_name *lines = realloc(queue->lines,
		    room * sizeof(*lines));

		if (lines == NULL)
			return -ENOMEM;
		queue->lines = lines;
		queue->room = room;
	}
	queue->lines[queue->count++] = *name;
	return 0;
}

/* ---- the state -------------------------------------------------------- */

/* A number that we write is none below 0: as a size it would say that
 * everything was sent. */
static bool
member(const json_t *state, const char *name, int64_t *out)
{
	const json_t *value = json_object_get(state, name);

	*out = json_integer_value(value);
	return json_is_integer(value) && *out >= 0;
}

static bool
take_state(struct tally_queue *queue, const json_t *state)
{
	const char *message = json_string_value(json_object_get(state,
	    "message"));
	int64_t offered, sent, failures;

	if (!member(state, "offered_size", &offered) ||
	    !member(state, "sent_size", &sent) ||
	    !member(state, "failures", &failures) ||
	    !member(state, "sent_us", &queue->sent_us) ||
	    !member(state, "failing_since_us", &queue->failing_since_us) ||
	    !member(state, "next_try_us", &queue->next_try_us))
		return false;
	queue->offered_size = (uint64_t)offered;
	queue->sent_size = (uint64_t)sent;
	queue->failures = (uint64_t)failures;
	(void)snprintf(queue->message, sizeof(queue->message), "%s",
	    message == NULL ? "" : message);
	return true;
}

/* A state that is missing is that of a new sink. */
static int
read_state(struct tally_queue *queue, const char *name,
    struct tally_error *error)
{
	char text[STATE_MAX];
	const char *origin;
	json_t *state;
	bool is_ours;
	ssize_t n;
	int fd = openat(queue->dir, STATE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return TALLY_OK;
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (fd >= 0)
		(void)close(fd);
	if (n < 0)
		return tally_outside_fail(error, errno,
		    "cannot read the state of the sink \"%s\"", name);
	state = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	origin = json_string_value(json_object_get(state, "origin"));
	if (origin != NULL && strcmp(origin, queue->origin) != 0) {
		json_decref(state);
		return tally_fail(error, TALLY_E_USAGE,
		    "the queue of the sink \"%s\" is another log's; give each"
		    " log a queue of its own",
		    name);
	}
	is_ours = take_state(queue, state);
	json_decref(state);
	if (is_ours)
		return TALLY_OK;
	return tally_fail(error, TALLY_E_FORMAT,
	    "the state of the sink \"%s\" is none; remove it, and all heads go"
	    " out again",
	    name);
}

int
tally_queue_save(struct tally_queue *queue, struct tally_error *error)
{
	json_t *state = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:i}", "origin",
	    queue->origin, "offered_size", (json_int_t)queue->offered_size,
	    "sent_size", (json_int_t)queue->sent_size, "sent_us",
	    (json_int_t)queue->sent_us, "failing_since_us",
	    (json_int_t)queue->failing_since_us, "next_try_us",
	    (json_int_t)queue->next_try_us, "failures",
	    (json_int_t)queue->failures, "version", 1);
	/* Words of a server may be no UTF-8. */
	json_t *message = json_string(queue->message);
	char *text;
	int failed;

	if (message != NULL)
		(void)json_object_set_new(state, "message", message);
	text = json_dumps(state, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(state);
	if (text == NULL)
		return tally_outside_fail_memory(error);
	failed = tally_disk_replace(queue->dir, STATE, text, strlen(text));
	free(text);
	if (failed != 0)
		return tally_outside_fail(error, failed,
		    "cannot write the state of a sink");
	return TALLY_OK;
}

/* ---- open and close --------------------------------------------------- */

static int
list(struct tally_queue *queue)
{
	int fd = openat(queue->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct tally_queue_name name;
	const struct dirent *entry;
	int failed = 0;

	if (dir == NULL) {
		failed = errno;
		if (fd >= 0)
			(void)close(fd);
		return failed;
	}
	do {
		/* A name's number that is too large sets it, too. */
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			failed = errno;
		else if (parse_name(entry->d_name, &name))
			failed = -add_name(queue, &name);
	} while (entry != NULL && failed == 0);
	(void)closedir(dir);
	if (queue->count > 0)
		qsort(queue->lines, queue->count, sizeof(*queue->lines),
		    compare_names);
	return failed;
}

static void
remove_line(struct tally_queue *queue, size_t i)
{
	(void)unlinkat(queue->dir, queue->lines[i].text, 0);
	memmove(&queue->lines[i], &queue->lines[i + 1],
	    (queue->count - i - 1) * sizeof(*queue->lines));
	queue->count--;
}

void
tally_queue_drop(struct tally_queue *queue, uint64_t size)
{
	while (queue->count > 0 && queue->lines[queue->count - 1].size == size)
		remove_line(queue, queue->count - 1);
}

/* Invariant 1, and what was sent before a kill but not removed. */
static void
clean(struct tally_queue *queue)
{
	const struct tally_queue_name *last;

	while (queue->count > 0 && queue->lines[0].size <= queue->sent_size)
		remove_line(queue, 0);
	if (queue->count == 0)
		return;
	last = &queue->lines[queue->count - 1];
	if (last->part != last->parts)
		tally_queue_drop(queue, last->size);
}

static int
open_dir(int base, const char *name, bool read_only)
{
	int dir;

	if (!read_only) {
		if (mkdirat(base, name, 0750) == 0) {
			if (fsync(base) != 0)
				return -errno;
		} else if (errno != EEXIST) {
			return -errno;
		}
	}
	dir = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -errno : dir;
}

int
tally_queue_open(struct tally_queue *queue, int base, const char *name,
    const char *origin, bool read_only, struct tally_error *error)
{
	int result, failed;

	memset(queue, 0, sizeof(*queue));
	queue->origin = origin;
	queue->lines_max = TALLY_QUEUE_LINES_MAX;
	queue->dir = read_only && base < 0 ? -ENOENT
					   : open_dir(base, name, read_only);
	failed = queue->dir < 0 ? -queue->dir : 0;
	if (failed != 0)
		queue->dir = -1;
	if (read_only && failed == ENOENT)
		return TALLY_OK;
	if (failed != 0)
		return tally_outside_fail(error, failed,
		    "cannot open the queue of the sink \"%s\"", name);
	result = read_state(queue, name, error);
	if (result != 0)
		return result;
	failed = list(queue);
	if (failed != 0)
		return tally_outside_fail(error, failed,
		    "cannot read the queue of the sink \"%s\"", name);
	if (!read_only)
		clean(queue);
	return TALLY_OK;
}

void
tally_queue_close(struct tally_queue *queue)
{
	if (queue->dir >= 0)
		(void)close(queue->dir);
	queue->dir = -1;
	free(queue->lines);
	queue->lines = NULL;
	queue->count = queue->room = 0;
}

/* ---- in and out ------------------------------------------------------- */

uint64_t
tally_queue_covered(const struct tally_queue *queue)
{
	return queue->count > 0 ? queue->lines[queue->count - 1].size
				: queue->sent_size;
}

int
tally_queue_put(struct tally_queue *queue, uint64_t size, uint32_t part,
    uint32_t parts, const char *line, size_t len, struct tally_error *error)
{
	struct tally_queue_name name;
	int failed;

	format_name(size, part, parts, &name);
	failed = tally_disk_replace(queue->dir, name.text, line, len);
	if (failed == 0)
		failed = -add_name(queue, &name);
	if (failed != 0)
		return tally_outside_fail(error, failed,
		    "cannot write into the queue");
	return TALLY_OK;
}

int
tally_queue_peek(struct tally_queue *queue, char **out_line, size_t *out_len,
    struct tally_error *error)
{
	int failed;

	if (queue->count == 0)
		return TALLY_END;
	failed = tally_disk_read(queue->dir, queue->lines[0].text, LINE_MAX,
	    out_line, out_len);
	if (failed != 0)
		return tally_outside_fail(error, failed,
		    "cannot read \"%s\" from the queue", queue->lines[0].text);
	return TALLY_OK;
}

int
tally_queue_sent(struct tally_queue *queue, struct tally_error *error)
{
	const struct tally_queue_name *line = &queue->lines[0];
	int result = TALLY_OK;

	/* What a size stands for is there when its last part is. */
	if (line->part == line->parts) {
		queue->sent_size = line->size;
		queue->sent_us = tally_queue_now_us();
		queue->failures = 0;
		queue->failing_since_us = queue->next_try_us = 0;
		queue->message[0] = '\0';
		result = tally_queue_save(queue, error);
	}
	if (result == 0)
		remove_line(queue, 0);
	queue->full = false;
	return result;
}

void
tally_queue_failed(struct tally_queue *queue, const char *message)
{
	int64_t now = tally_queue_now_us(), wait = RETRY_FIRST_US;

	for (uint64_t i = 0; i < queue->failures && wait < RETRY_MOST_US; i++)
		wait *= 2;
	if (wait > RETRY_MOST_US)
		wait = RETRY_MOST_US;
	queue->failures++;
	if (queue->failing_since_us == 0)
		queue->failing_since_us = now;
	queue->next_try_us = now + wait;
	(void)snprintf(queue->message, sizeof(queue->message), "%s", message);
	/* If even this cannot be written, it is in memory, and told. */
	(void)!tally_queue_save(queue, NULL);
}
