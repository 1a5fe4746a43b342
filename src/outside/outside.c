/* SPDX-License-Identifier: Apache-2.0 */
/* The sinks of one log: opening them, offering, delivering. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outside/fail.h"
#include "outside/hash.h"
#include "outside/outside.h"

#define SINKS_MAX 64
#define RETRY_MOST_US ((int64_t)300000000)
/* What a sink that is slow takes of a cycle, before the others' turn. */
#define SHARE_US ((int64_t)10000000)

static const struct tally_sink_kind *const kinds[] = {
	&tally_sink_file,
	&tally_sink_git,
	&tally_sink_syslog,
	&tally_sink_journald,
	&tally_sink_webhook,
	&tally_sink_s3,
	&tally_sink_rfc3161,
	&tally_sink_witnesses,
};

/* ---- opening ---------------------------------------------------------- */

static const struct tally_sink_kind *
find_kind(const char *type)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i]->type, type) == 0)
			return kinds[i];
	}
	return NULL;
}

/* Names are directories, and labels of metrics. */
static bool
is_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= TALLY_SINK_NAME_MAX &&
	    strspn(name,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_-") == len;
}

static int
open_sink(struct tally_outside *outside, const json_t *config,
    struct tally_error *error)
{
	struct tally_sink *sink = &outside->sinks[outside->count];
	const char *name = json_string_value(json_object_get(config, "name"));
	const char *type = json_string_value(json_object_get(config, "type"));
	const json_t *lines = json_object_get(config, "queue_lines");
	int result;

	sink->queue.dir = -1;
	if (name == NULL || type == NULL || !is_name(name))
		return tally_fail(error, TALLY_E_USAGE,
		    "a sink has a \"type\" and a \"name\" of letters, digits,"
		    " \"_\" and \"-\"");
	for (size_t i = 0; i < outside->count; i++) {
		if (strcmp(outside->sinks[i].name, name) == 0)
			return tally_fail(error, TALLY_E_USAGE,
			    "there are two sinks \"%s\"", name);
	}
	sink->kind = find_kind(type);
	if (sink->kind == NULL)
		return tally_fail(error, TALLY_E_USAGE,
		    "the sink \"%s\" is of type \"%s\", which there is none"
		    " of",
		    name, type);
	memcpy(sink->name, name, strlen(name) + 1);
	sink->options = &outside->options;
	memcpy(sink->origin_hash, outside->origin_hash,
	    sizeof(sink->origin_hash));
	outside->count++;
	result = tally_queue_open(&sink->queue, outside->dir, name,
	    sink->origin_hash, outside->options.signer == NULL, error);
	if (result != 0)
		return result;
	if (lines != NULL && json_integer_value(lines) < 1)
		return tally_fail(error, TALLY_E_USAGE,
		    "\"queue_lines\" of the sink \"%s\" is no number above 0",
		    name);
	if (lines != NULL)
		sink->queue.lines_max = (size_t)json_integer_value(lines);
	sink->readable = sink->kind->read != NULL;
	return sink->kind->open(sink, config, error);
}

static int
open_sinks(struct tally_outside *outside, struct tally_error *error)
{
	const struct tally_outside_options *options = &outside->options;
	json_error_t what;
	json_t *config = json_loadb(options->config, options->config_len,
	    JSON_REJECT_DUPLICATES, &what);
	const json_t *sinks = json_object_get(config, "sinks");
	size_t count = json_array_size(sinks);
	int result = TALLY_OK;

	if (config == NULL)
		return tally_fail(error, TALLY_E_USAGE,
		    "line %d of the configuration: %s", what.line, what.text);
	if (!json_is_array(sinks) || count > SINKS_MAX)
		result = tally_fail(error, TALLY_E_USAGE,
		    "the configuration has no array \"sinks\" of at most %d",
		    SINKS_MAX);
	if (result == 0) {
		outside->sinks = calloc(count + 1, sizeof(*outside->sinks));
		if (outside->sinks == NULL)
			result = tally_outside_fail_memory(error);
	}
	for (size_t i = 0; i < count && result == 0; i++)
		result = open_sink(outside, json_array_get(sinks, i), error);
	json_decref(config);
	return result;
}

/* One process has the queues, and others look; the lock ends with it. */
static int
open_dir(struct tally_outside *outside, struct tally_error *error)
{
	const char *path = outside->options.queue_dir;

	bool read_only = outside->options.signer == NULL;

	if (!read_only && mkdir(path, 0750) != 0 && errno != EEXIST)
		return tally_outside_fail(error, errno, "cannot make \"%s\"",
		    path);
	outside->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (outside->dir < 0 && read_only && errno == ENOENT)
		return TALLY_OK;
	if (outside->dir < 0)
		return tally_outside_fail(error, errno, "cannot open \"%s\"",
		    path);
	if (read_only)
		return TALLY_OK;
	if (flock(outside->dir, LOCK_EX | LOCK_NB) == 0)
		return TALLY_OK;
	if (errno == EWOULDBLOCK)
		return tally_fail(error, TALLY_E_BUSY,
		    "another process delivers from \"%s\"", path);
	return tally_outside_fail(error, errno, "cannot lock \"%s\"", path);
}

int
tally_outside_open(const struct tally_outside_options *options,
    struct tally_outside **out, struct tally_error *error)
{
	struct tally_outside *outside = calloc(1, sizeof(*outside));
	int result;

	if (outside == NULL)
		return tally_outside_fail_memory(error);
	outside->options = *options;
	if (options->log != NULL)
		outside->options.origin = tally_log_identity(options->log)
					      ->origin;
	outside->dir = -1;
	result = tally_outside_hash(outside->options.origin,
	    strlen(outside->options.origin), outside->origin_hash, error);
	if (result == 0)
		result = open_dir(outside, error);
	if (result == 0)
		result = open_sinks(outside, error);
	if (result == 0)
		*out = outside;
	else
		tally_outside_close(outside);
	return result;
}

void
tally_outside_close(struct tally_outside *outside)
{
	if (outside == NULL)
		return;
	for (size_t i = 0; i < outside->count; i++) {
		struct tally_sink *sink = &outside->sinks[i];

		if (sink->own != NULL)
			sink->kind->close(sink);
		tally_queue_close(&sink->queue);
	}
	free(outside->sinks);
	if (outside->dir >= 0)
		(void)close(outside->dir);
	free(outside);
}

size_t
tally_outside_count(const struct tally_outside *outside)
{
	return outside->count;
}

void
tally_outside_status(const struct tally_outside *outside, size_t i,
    struct tally_sink_status *out)
{
	const struct tally_sink *sink = &outside->sinks[i];
	const struct tally_queue *queue = &sink->queue;

	memset(out, 0, sizeof(*out));
	out->name = sink->name;
	out->type = sink->kind->type;
	out->offered_size = queue->offered_size;
	out->sent_size = queue->sent_size;
	out->sent_us = queue->sent_us;
	out->queued = queue->count;
	out->failures = queue->failures;
	out->failing_since_us = queue->failing_since_us;
	out->next_try_us = queue->next_try_us;
	out->full = queue->full;
	out->readable = sink->readable;
	memcpy(out->message, queue->message, sizeof(out->message));
}

/* ---- offering --------------------------------------------------------- */

struct offering {
	struct tally_queue *queue;
	uint64_t size;
	struct tally_error *error;
	bool failed; /* the queue; else the log */
};

static int
put(void *arg, const char *line, size_t len, uint32_t part, uint32_t parts)
{
	struct offering *offering = arg;
	struct tally_queue *queue = offering->queue;
	int result;

	/* A queue that is empty takes anything, or nothing ever went out. */
	if (part == 1 && queue->count > 0 &&
	    queue->count + parts > queue->lines_max) {
		queue->full = true;
		return TALLY_PARTIAL;
	}
	result = tally_queue_put(queue, offering->size, part, parts, line, len,
	    offering->error);
	offering->failed = result != 0;
	return result;
}

static int
offer(struct tally_outside *outside, struct tally_sink *sink, const char *note,
    size_t len, uint64_t size, struct tally_error *error)
{
	struct tally_queue *queue = &sink->queue;
	struct tally_error detail = { 0 };
	struct offering offering = { queue, size, &detail, false };
	uint64_t since = tally_queue_covered(queue);
	int result;

	queue->offered_size = size;
	if (size <= since)
		return TALLY_OK;
	queue->full = false;
	result = tally_dispatch_make(outside->options.log,
	    outside->options.signer, note, len, since, put, &offering, &detail);
	if (result == TALLY_PARTIAL)
		return TALLY_OK;
	if (result == 0)
		return tally_queue_save(queue, error);
	tally_queue_drop(queue, size);
	if (offering.failed) {
		tally_queue_failed(queue, detail.message);
		return TALLY_OK;
	}
	if (error != NULL)
		*error = detail;
	return result;
}

int
tally_outside_offer(struct tally_outside *outside, const char *note,
    size_t note_len, struct tally_error *error)
{
	struct tally_dispatch checkpoint;
	uint64_t size;
	int result;

	if (outside->options.signer == NULL || outside->options.log == NULL)
		return tally_fail(error, TALLY_E_USAGE,
		    "without a key nothing goes out");
	result = tally_dispatch_parse(note, note_len, NULL, 0, &checkpoint,
	    error);
	if (result != 0)
		return result;
	size = checkpoint.size;
	tally_dispatch_wipe(&checkpoint);
	for (size_t i = 0; i < outside->count && result == 0; i++)
		result = offer(outside, &outside->sinks[i], note, note_len,
		    size, error);
	return result;
}

/* ---- delivering ------------------------------------------------------- */

/* A line under the name of another would say that more was sent. */
static int
check_name(const struct tally_queue_name *name,
    const struct tally_dispatch *dispatch, struct tally_error *error)
{
	if (name->size == dispatch->size && name->part == dispatch->part &&
	    name->parts == dispatch->parts)
		return TALLY_OK;
	return tally_fail(error, TALLY_E_FORMAT,
	    "\"%s\" of the queue is another line; remove it", name->text);
}

static int
send_oldest(struct tally_sink *sink, struct tally_error *error)
{
	struct tally_dispatch dispatch;
	struct tally_sink_line line;
	char *text;
	size_t len;
	int result = tally_queue_peek(&sink->queue, &text, &len, error);

	if (result != 0)
		return result;
	result = tally_dispatch_parse(text, len, NULL, 0, &dispatch, error);
	if (result == 0) {
		line.text = text;
		line.len = len > 0 && text[len - 1] == '\n' ? len - 1 : len;
		line.dispatch = &dispatch;
		result = check_name(&sink->queue.lines[0], &dispatch, error);
		if (result == 0)
			result = sink->kind->send(sink, &line, error);
		tally_dispatch_wipe(&dispatch);
	}
	free(text);
	if (result == 0)
		result = tally_queue_sent(&sink->queue, error);
	return result;
}

int
tally_outside_deliver(struct tally_outside *outside, size_t i, bool now,
    struct tally_error *error)
{
	struct tally_sink *sink = &outside->sinks[i];
	struct tally_queue *queue = &sink->queue;
	int64_t begin = tally_queue_now_us(), wait = queue->next_try_us - begin;
	struct tally_error detail = { 0 };
	int result = TALLY_OK;

	if (queue->count == 0)
		return TALLY_OK;
	/* A clock that was put back must not silence a sink for years. */
	if (!now && wait > 0 && wait <= RETRY_MOST_US)
		return TALLY_PARTIAL;
	while (queue->count > 0 && result == 0) {
		int64_t taken = tally_queue_now_us() - begin;

		if (!now && (taken < 0 || taken >= SHARE_US))
			return TALLY_PARTIAL;
		result = send_oldest(sink, &detail);
	}
	if (result < 0) {
		tally_queue_failed(queue,
		    detail.message[0] != '\0' ? detail.message
					      : tally_strerror(result));
		if (error != NULL)
			*error = detail;
	}
	return result;
}
