/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon: configuration, signals, the loop.  It has no threads, and nothing
 * that it calls waits for anybody; what may take long is a process's affair.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <tally/record.h>

#include "watch/daemon.h"
#include "watch/file.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define TICK_MS 100
#define SECOND_US 1000000
#define SAVE_US 200000
/* So long processes have to stop by themselves. */
#define STOP_US 1000000
/* And so long those of a daemon that was killed may take to follow it. */
#define FOLLOW_US 2000000

/* ---- metrics ---------------------------------------------------------- */

static void
answer(void *arg, const struct http_request *request, struct http_reply *out)
{
	struct daemon *daemon = arg;
	json_t *statuses[WATCH_TARGETS_MAX] = { NULL };
	unsigned failures[WATCH_TARGETS_MAX] = { 0 };

	if (strcmp(request->path, "/metrics") != 0) {
		out->status = 404;
		return;
	}
	for (size_t i = 0; i < daemon->count; i++) {
		statuses[i] = daemon->logs[i].status;
		failures[i] = daemon->logs[i].failures;
	}
	out->body = watch_metrics(&daemon->alerts, daemon->config.logs,
	    statuses, failures);
	out->status = out->body == NULL ? 503 : 200;
	out->body_len = out->body == NULL ? 0 : strlen(out->body);
	out->type = METRICS_TYPE;
}

static void
stop_metrics(struct metrics *metrics)
{
	if (metrics != NULL)
		http_stop(metrics->http);
	free(metrics);
}

/* NULL without an address. */
static int
serve_metrics(struct daemon *daemon, const char *listen, struct metrics **out,
    char why[WATCH_WHY_SIZE])
{
	char address[HTTP_ADDRESS_SIZE];

	*out = listen == NULL ? NULL : calloc(1, sizeof(**out));
	if (listen == NULL)
		return 0;
	if (*out == NULL) {
		(void)snprintf(why, WATCH_WHY_SIZE, "out of memory");
		return -1;
	}
	(*out)->options = (struct http_options){ .listen = listen,
		.without_threads = true,
		.answer = answer,
		.arg = daemon };
	if (http_start(&(*out)->options, &(*out)->http, address, why) != 0)
		return -1;
	printf("metrics on http://%s/metrics\n", address);
	if (fflush(stdout) == 0)
		return 0;
	(void)snprintf(why, WATCH_WHY_SIZE,
	    "cannot say where the metrics are: %s", strerror(errno));
	return -1;
}

/* ---- the state -------------------------------------------------------- */

/* Two daemons with one state would each forget what the other told. */
static int
lock_state(const char *dir, char why[WATCH_WHY_SIZE])
{
	const struct timespec pause = { 0, 50000000 };
	int64_t until = watch_monotonic_us() + FOLLOW_US;
	int fd;

	if (mkdir(dir, 0750) != 0 && errno != EEXIST) {
		(void)snprintf(why, WATCH_WHY_SIZE, "cannot make \"%s\": %s",
		    dir, strerror(errno));
		return -1;
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		if (errno != EWOULDBLOCK || watch_monotonic_us() >= until)
			break;
		(void)nanosleep(&pause, NULL);
	}
	(void)snprintf(why, WATCH_WHY_SIZE,
	    errno == EWOULDBLOCK ? "another daemon has the state \"%s\""
				 : "cannot lock the state \"%s\"",
	    dir);
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static void
save(struct daemon *daemon)
{
	int64_t now = watch_monotonic_us();
	char why[WATCH_WHY_SIZE];

	if (now - daemon->acknowledged_us >= SECOND_US) {
		watch_alerts_acknowledge(&daemon->alerts);
		daemon->acknowledged_us = now;
	}
	if (now < daemon->saved_us)
		return;
	daemon->saved_us = now + SAVE_US;
	if (watch_alerts_save(&daemon->alerts, why) == 0)
		return;
	watch_say("%s", why);
	daemon->saved_us = now + daemon->config.times.interval_us;
}

/* ---- waiting ---------------------------------------------------------- */

static int
block_signals(void)
{
	sigset_t signals;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigaddset(&signals, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
take_signals(struct daemon *daemon)
{
	struct signalfd_siginfo signal;

	while (read(daemon->signals, &signal, sizeof(signal)) ==
	    sizeof(signal)) {
		if (signal.ssi_signo == SIGHUP)
			daemon->is_reloading = true;
		else if (signal.ssi_signo != SIGCHLD)
			daemon->is_stopping = true;
	}
}

/* Until something is to be done, or a tick is over. */
static void
wait_for(struct daemon *daemon)
{
	struct pollfd polled[2 + WATCH_TARGETS_MAX + WATCH_WAYS_MAX];
	nfds_t count = 0;

	polled[count++] = (struct pollfd){ daemon->signals, POLLIN, 0 };
	if (daemon->metrics != NULL)
		polled[count++] = (struct pollfd){
			http_fd(daemon->metrics->http), POLLIN, 0
		};
	for (size_t i = 0; i < daemon->count; i++) {
		if (daemon->logs[i].process.pid != 0)
			polled[count++] = (struct pollfd){
				daemon->logs[i].process.fd, POLLIN, 0
			};
	}
	for (size_t i = 0; i < daemon->ways_count; i++) {
		if (daemon->ways[i].process.pid != 0)
			polled[count++] = (struct pollfd){
				daemon->ways[i].process.fd, POLLIN, 0
			};
	}
	(void)poll(polled, count, TICK_MS);
	take_signals(daemon);
	if (daemon->metrics != NULL)
		http_run(daemon->metrics->http);
}

/* ---- stopping --------------------------------------------------------- */

static bool
signal_all(const struct daemon *daemon, int number)
{
	bool any = false;

	for (size_t i = 0; i < daemon->count + daemon->ways_count; i++) {
		const struct watch_process *process = i < daemon->count
		    ? &daemon->logs[i].process
		    : &daemon->ways[i - daemon->count].process;

		if (process->pid == 0)
			continue;
		any = true;
		if (number != 0)
			(void)kill(process->pid, number);
	}
	return any;
}

/* All processes end, by themselves or by force, and what they had to say is
 * heard. */
static void
stop_processes(struct daemon *daemon)
{
	bool was_stopping = daemon->is_stopping, is_killed = false;
	int64_t until = watch_monotonic_us() + STOP_US;

	daemon->is_stopping = true;
	(void)signal_all(daemon, SIGTERM);
	while (signal_all(daemon, 0)) {
		if (!is_killed && watch_monotonic_us() >= until) {
			(void)signal_all(daemon, SIGKILL);
			is_killed = true;
		}
		wait_for(daemon);
		watch_logs_tick(daemon);
		watch_ways_tick(daemon);
	}
	watch_logs_free(daemon);
	daemon->is_stopping = was_stopping;
	daemon->saved_us = 0;
	save(daemon);
}

/* ---- the configuration ------------------------------------------------ */

static bool
is_same_text(const char *a, const char *b)
{
	return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

static int
start_all(struct daemon *daemon, char why[WATCH_WHY_SIZE])
{
	watch_alerts_forget(&daemon->alerts, daemon->config.logs);
	watch_ways_start(daemon);
	if (watch_logs_start(daemon) == 0)
		return 0;
	(void)snprintf(why, WATCH_WHY_SIZE, "out of memory");
	return -1;
}

static int
open_daemon(struct daemon *daemon, bool outside, char why[WATCH_WHY_SIZE])
{
	if (watch_config_load(&daemon->config, daemon->config_path, outside,
		why) != 0)
		return -1;
	daemon->lock = lock_state(daemon->config.state_dir, why);
	if (daemon->lock < 0 ||
	    watch_alerts_open(&daemon->alerts, daemon->config.state_dir, why) !=
		0 ||
	    serve_metrics(daemon, daemon->config.listen, &daemon->metrics,
		why) != 0)
		return -1;
	return start_all(daemon, why);
}

static void
close_daemon(struct daemon *daemon)
{
	stop_metrics(daemon->metrics);
	if (daemon->alerts.list != NULL)
		watch_alerts_close(&daemon->alerts);
	if (daemon->lock >= 0)
		(void)close(daemon->lock);
	if (daemon->signals >= 0)
		(void)close(daemon->signals);
	watch_config_wipe(&daemon->config);
	free(daemon);
}

/* What a new configuration needs, beside what is there. */
static int
prepare(struct daemon *daemon, struct daemon *next, char why[WATCH_WHY_SIZE])
{
	if (watch_config_load(&next->config, daemon->config_path,
		daemon->config.outside, why) != 0)
		return -1;
	if (!is_same_text(next->config.state_dir, daemon->config.state_dir)) {
		next->lock = lock_state(next->config.state_dir, why);
		if (next->lock < 0 ||
		    watch_alerts_open(&next->alerts, next->config.state_dir,
			why) != 0)
			return -1;
	}
	if (is_same_text(next->config.listen, daemon->config.listen))
		return 0;
	return serve_metrics(daemon, next->config.listen, &next->metrics, why);
}

/* Now nothing can fail any more. */
static void
take_over(struct daemon *daemon, struct daemon *next)
{
	stop_processes(daemon);
	if (!is_same_text(next->config.listen, daemon->config.listen)) {
		stop_metrics(daemon->metrics);
		daemon->metrics = next->metrics;
	} else if (daemon->metrics != NULL) {
		daemon->metrics->options.listen = next->config.listen;
	}
	if (next->lock >= 0) {
		watch_alerts_close(&daemon->alerts);
		(void)close(daemon->lock);
		daemon->alerts = next->alerts;
		daemon->lock = next->lock;
	}
	watch_config_wipe(&daemon->config);
	daemon->config = next->config;
}

/* A configuration that does not hold leaves the old one in force, and is
 * told. */
static void
reload(struct daemon *daemon)
{
	struct watch_break what = { .target = WATCH_ITSELF,
		.kind = WATCH_FAILED,
		.seen_us = watch_now_us() };
	char why[WATCH_WHY_SIZE], evidence[WATCH_WHY_SIZE + 64];
	struct daemon next = { .lock = -1, .signals = -1 };

	daemon->is_reloading = false;
	watch_notify_reloading();
	if (prepare(daemon, &next, why) == 0) {
		take_over(daemon, &next);
		if (start_all(daemon, why) != 0)
			watch_say("%s", why);
	} else {
		(void)snprintf(evidence, sizeof(evidence),
		    "%s; the old configuration stays", why);
		watch_say("%s", evidence);
		what.evidence = evidence;
		watch_alerts_raise(&daemon->alerts, &what);
		stop_metrics(next.metrics);
		if (next.alerts.list != NULL)
			watch_alerts_close(&next.alerts);
		if (next.lock >= 0)
			(void)close(next.lock);
		watch_config_wipe(&next.config);
	}
	watch_notify("READY=1");
}

/* ---- the loop --------------------------------------------------------- */

static void
notify(struct daemon *daemon)
{
	int64_t now = watch_monotonic_us();
	size_t broken = 0;
	char status[128];

	if (now - daemon->notified_us < SECOND_US)
		return;
	daemon->notified_us = now;
	for (size_t i = 0; i < daemon->count; i++)
		broken += strcmp(watch_log_state(daemon, i), "broken") == 0;
	(void)snprintf(status, sizeof(status),
	    "WATCHDOG=1\nSTATUS=%zu logs, %zu broken", daemon->count, broken);
	watch_notify(status);
}

static int
print_states(const struct daemon *daemon)
{
	int broken = 0;

	for (size_t i = 0; i < daemon->count; i++) {
		const char *state = watch_log_state(daemon, i);
		int64_t whole_us = json_integer_value(
		    json_object_get(daemon->logs[i].status, "whole_us"));
		char time[TALLY_TIME_TEXT_SIZE] = "never";

		if (whole_us != 0)
			tally_time_format(whole_us, time);
		printf("%s  %s  verified %s\n", watch_log_name(daemon, i),
		    state, time);
		broken |= strcmp(state, "broken") == 0;
	}
	return broken;
}

static void
run(struct daemon *daemon)
{
	while (!daemon->is_stopping) {
		bool may_tell = !daemon->once || watch_logs_done(daemon);

		save(daemon);
		if (may_tell)
			watch_ways_tick(daemon);
		if (daemon->once && may_tell && watch_ways_done(daemon))
			break;
		notify(daemon);
		wait_for(daemon);
		watch_logs_tick(daemon);
		if (daemon->is_reloading)
			reload(daemon);
	}
}

int
watch_run(const char *config_path, bool once, bool outside,
    char why[WATCH_WHY_SIZE])
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int status = 0;

	if (daemon == NULL) {
		(void)snprintf(why, WATCH_WHY_SIZE, "out of memory");
		return 5;
	}
	daemon->config_path = config_path;
	daemon->once = once;
	daemon->lock = -1;
	daemon->signals = block_signals();
	if (daemon->signals < 0 || open_daemon(daemon, outside, why) != 0) {
		close_daemon(daemon);
		return 2;
	}
	watch_notify("READY=1");
	run(daemon);
	watch_notify("STOPPING=1");
	if (once)
		status = print_states(daemon);
	stop_processes(daemon);
	close_daemon(daemon);
	return status;
}

int
watch_acknowledge(const char *config_path, const char *id,
    char why[WATCH_WHY_SIZE])
{
	struct watch_alerts alerts;
	struct watch_config config;
	json_t *alert;
	char *path;
	size_t i;
	int status = 4, fd;

	if (watch_config_read(&config, config_path, why) != 0) {
		watch_config_wipe(&config);
		return 2;
	}
	/* Where no daemon ever ran nothing was ever told. */
	if (access(config.state_dir, F_OK) != 0) {
		(void)snprintf(why, WATCH_WHY_SIZE,
		    "there is no open alert \"%s\"", id);
		watch_config_wipe(&config);
		return 4;
	}
	if (watch_alerts_open(&alerts, config.state_dir, why) != 0) {
		watch_config_wipe(&config);
		return 5;
	}
	json_array_foreach(alerts.list, i, alert) {
		char number[32];

		(void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
		    json_integer_value(json_object_get(alert, "id")));
		if (strcmp(number, id) != 0)
			continue;
		path = watch_path(alerts.ack_dir, number);
		fd = path == NULL
		    ? -1
		    : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
		status = fd < 0 || fsync(fd) != 0 ? 5 : 0;
		if (fd >= 0)
			(void)close(fd);
		free(path);
	}
	if (status != 0)
		(void)snprintf(why, WATCH_WHY_SIZE,
		    status == 4 ? "there is no open alert \"%s\""
				: "cannot acknowledge \"%s\"",
		    id);
	watch_alerts_close(&alerts);
	watch_config_wipe(&config);
	return status;
}
