/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process tells the daemon: lines of JSON in a pipe.  A line that cannot
 * be written is one that nobody reads any more.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "watch/watch.h"

/* Threads of one process report: a line is whole. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void
put(int fd, json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT);
	size_t len = text == NULL ? 0 : strlen(text), done = 0;

	json_decref(message);
	if (text == NULL)
		return;
	text[len++] = '\n'; /* in the place of its NUL */
	(void)pthread_mutex_lock(&mutex);
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	(void)pthread_mutex_unlock(&mutex);
	free(text);
}

/* A string that json takes: others' words may be no UTF-8. */
static void
set_text(json_t *object, const char *name, const char *value)
{
	json_t *string = value == NULL ? NULL : json_string(value);

	if (value != NULL && string == NULL)
		string = json_string("(not UTF-8)");
	if (string != NULL)
		(void)json_object_set_new(object, name, string);
}

void
watch_report_break(int fd, const struct watch_break *what)
{
	json_t *message = json_pack("{s:s,s:b,s:I,s:I}", "report", "break",
	    "break", what->is_break, "seq", (json_int_t)what->seq, "us",
	    (json_int_t)watch_now_us());

	set_text(message, "kind", what->kind);
	set_text(message, "chain", what->chain);
	set_text(message, "sink", what->sink);
	set_text(message, "evidence", what->evidence);
	put(fd, message);
}

void
watch_report_settled(int fd, int64_t begin_us, bool whole)
{
	put(fd,
	    json_pack("{s:s,s:I,s:b}", "report", "settled", "us",
		(json_int_t)begin_us, "whole", whole));
}

void
watch_report_status(int fd, json_t *status)
{
	put(fd, json_pack("{s:s,s:o}", "report", "status", "status", status));
}

void
watch_report_alive(int fd)
{
	put(fd, json_pack("{s:s}", "report", "alive"));
}

void
watch_report_told(int fd, json_int_t id, bool taken)
{
	put(fd,
	    json_pack("{s:s,s:I,s:b}", "report", "told", "id", id, "taken",
		taken));
}
