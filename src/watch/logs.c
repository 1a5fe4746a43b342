/* SPDX-License-Identifier: Apache-2.0 */
/* The processes of the logs, as the daemon sees them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "watch/daemon.h"

/* One that failed is begun anew after the first time, then twice that, and so
 * on to the last: what fails at once is no load, and nobody's log is full of
 * it.  One that lived so long has not failed in a row. */
#define RESTART_FIRST_US ((int64_t)1000000)
#define RESTART_MOST_US ((int64_t)60000000)
#define STEADY_US ((int64_t)60000000)

struct line {
	struct daemon *daemon;
	struct log *log;
};

const char *
watch_log_name(const struct daemon *daemon, size_t i)
{
	return json_string_value(
	    json_object_get(json_array_get(daemon->config.logs, i), "name"));
}

const char *
watch_log_state(const struct daemon *daemon, size_t i)
{
	return watch_state(&daemon->alerts, watch_log_name(daemon, i),
	    daemon->logs[i].status);
}

static const char *
name_of(const struct daemon *daemon, const struct log *log)
{
	return watch_log_name(daemon, log->work.log);
}

static void
take_break(struct daemon *daemon, const char *target, const json_t *message)
{
	const struct watch_break what = { .target = target,
		.kind = json_string_value(json_object_get(message, "kind")),
		.is_break = json_is_true(json_object_get(message, "break")),
		.chain = json_string_value(json_object_get(message, "chain")),
		.seq = (uint64_t)json_integer_value(json_object_get(message,
		    "seq")),
		.sink = json_string_value(json_object_get(message, "sink")),
		.evidence = json_string_value(json_object_get(message,
		    "evidence")),
		.seen_us = json_integer_value(json_object_get(message, "us")) };

	if (what.kind != NULL)
		watch_alerts_raise(&daemon->alerts, &what);
}

static void
take_line(void *arg, const json_t *message)
{
	const struct line *line = arg;
	const char *name = name_of(line->daemon, line->log);
	const char *report = json_string_value(json_object_get(message,
	    "report"));
	json_t *status = json_object_get(message, "status");

	if (report == NULL)
		return;
	if (strcmp(report, "break") == 0) {
		take_break(line->daemon, name, message);
	} else if (strcmp(report, "settled") == 0) {
		watch_alerts_settle(&line->daemon->alerts, name,
		    json_integer_value(json_object_get(message, "us")),
		    json_is_true(json_object_get(message, "whole")));
	} else if (status != NULL) {
		json_decref(line->log->status);
		line->log->status = json_incref(status);
	}
}

static void
say_failed(struct daemon *daemon, const struct log *log, const char *evidence)
{
	const struct watch_break what = { .target = name_of(daemon, log),
		.kind = WATCH_FAILED,
		.evidence = evidence,
		.seen_us = watch_now_us() };

	watch_alerts_raise(&daemon->alerts, &what);
}

/* Of a log that nobody looks at, somebody is to know. */
static void
say_not_started(struct daemon *daemon, const struct log *log, int failed)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "cannot start its process: %s",
	    strerror(failed));
	watch_say("the log \"%s\": %s", name_of(daemon, log), text);
	say_failed(daemon, log, text);
}

/* It failed once more; returns how long it waits. */
static int64_t
put_off(struct log *log)
{
	int64_t wait = RESTART_FIRST_US;

	for (unsigned i = 0; i < log->failures && wait < RESTART_MOST_US; i++)
		wait *= 2;
	if (wait > RESTART_MOST_US)
		wait = RESTART_MOST_US;
	log->failures++;
	log->restart_us = watch_monotonic_us() + wait;
	return wait;
}

static void
start(struct daemon *daemon, struct log *log)
{
	log->is_killed = false;
	if (watch_process_start(&log->process, watch_work, &log->work) == 0)
		return;
	say_not_started(daemon, log, errno);
	(void)put_off(log);
}

int
watch_logs_start(struct daemon *daemon)
{
	daemon->count = json_array_size(daemon->config.logs);
	daemon->logs = calloc(daemon->count, sizeof(*daemon->logs));
	if (daemon->logs == NULL) {
		daemon->count = 0;
		return -1;
	}
	for (size_t i = 0; i < daemon->count; i++) {
		struct log *log = &daemon->logs[i];

		log->work.config = &daemon->config;
		log->work.log = i;
		log->work.once = daemon->once;
		start(daemon, log);
	}
	return 0;
}

/* It ended, and was not told to. */
static void
judge_end(struct daemon *daemon, struct log *log)
{
	int status = log->process.status;
	int64_t wait;
	char text[128];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	wait = put_off(log);
	(void)snprintf(text, sizeof(text),
	    "its process ended by %s %d, and is begun anew in %lld s",
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	    (long long)(wait / 1000000));
	watch_say("the log \"%s\": %s", name_of(daemon, log), text);
	if (!log->is_killed)
		say_failed(daemon, log, text);
}

static void
judge_sign(struct daemon *daemon, struct log *log, int64_t now)
{
	int64_t hang_us = daemon->config.times.hang_us;
	char text[128];

	if (now - log->process.sign_us < hang_us)
		return;
	(void)snprintf(text, sizeof(text),
	    "a cycle gave no sign for %lld seconds; its process is ended,"
	    " and begun anew",
	    (long long)(hang_us / 1000000));
	say_failed(daemon, log, text);
	(void)kill(log->process.pid, SIGKILL);
	log->is_killed = true;
	log->process.sign_us = now;
}

static void
attend(struct daemon *daemon, struct log *log)
{
	struct line line = { daemon, log };
	int64_t now = watch_monotonic_us();

	if (log->process.pid == 0) {
		if (!log->is_done && !daemon->is_stopping &&
		    now >= log->restart_us)
			start(daemon, log);
		return;
	}
	watch_process_reap(&log->process);
	watch_process_read(&log->process, take_line, &line);
	if (log->process.is_gone) {
		if (!daemon->is_stopping)
			judge_end(daemon, log);
		watch_process_wipe(&log->process);
		log->is_done = daemon->once;
	} else if (!daemon->is_stopping) {
		if (now - log->process.begun_us >= STEADY_US)
			log->failures = 0;
		judge_sign(daemon, log, now);
	}
}

void
watch_logs_tick(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->count; i++)
		attend(daemon, &daemon->logs[i]);
}

void
watch_logs_free(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->count; i++)
		json_decref(daemon->logs[i].status);
	free(daemon->logs);
	daemon->logs = NULL;
	daemon->count = 0;
}

bool
watch_logs_done(const struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->count; i++) {
		if (!daemon->logs[i].is_done)
			return false;
	}
	return true;
}
