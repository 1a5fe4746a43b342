/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: configuration, signals, the loop. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "serve/http.h"
#include "watch/file.h"
#include "watch/watch.h"

#define TARGETS_MAX 256
#define SECOND_US 1000000
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct daemon {
	int lock; /* of the state's directory */
	bool outside;
	json_t *config;
	const char *state_dir;
	struct watch_alerts alerts;
	struct watch_target *targets;
	size_t count;
	struct watch_times times;
	int64_t interval_us, repeat_us;
	struct http_options http_options;
	struct http *http;
	pthread_mutex_t mutex; /* over metrics */
	char *metrics;
};

/* Set by the thread that takes the signals. */
static atomic_bool stopping;
static atomic_bool reloading;
static atomic_bool failed; /* what was reloaded does not hold */

/* ---- the configuration ------------------------------------------------ */

static int64_t
duration(const json_t *config, const char *name, int64_t otherwise_s)
{
	const json_t *value = json_object_get(config, name);
	double seconds = json_number_value(value);

	if (!json_is_number(value) || seconds <= 0 || seconds > 1e9)
		return otherwise_s * SECOND_US;
	return (int64_t)(seconds * SECOND_US);
}

static int
load_config(const char *path, json_t **out, const char **out_state,
    char why[WATCH_WHY_SIZE])
{
	json_error_t error;
	json_t *config = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	const char *state = json_string_value(json_object_get(config, "state"));

	if (config == NULL)
		(void)snprintf(why, WATCH_WHY_SIZE, "\"%s\", line %d: %s", path,
		    error.line, error.text);
	else if (state == NULL)
		(void)snprintf(why, WATCH_WHY_SIZE,
		    "\"%s\" has no string \"state\", the daemon's directory",
		    path);
	if (state == NULL) {
		json_decref(config);
		return -1;
	}
	*out = config;
	*out_state = state;
	return 0;
}

static bool
is_command(const json_t *words)
{
	size_t count = json_array_size(words);

	for (size_t i = 0; i < count; i++) {
		if (!json_is_string(json_array_get(words, i)))
			return false;
	}
	return count > 0 && count <= WATCH_WORDS_MAX;
}

/* A way that can take nothing must not be found out by the first alert. */
static int
check_member(const json_t *way, const char *type, const char *name,
    char why[WATCH_WHY_SIZE])
{
	const json_t *value = json_object_get(way, name);
	bool is_words = strcmp(name, "command") == 0;

	if (is_words ? is_command(value) : json_is_string(value))
		return 0;
	(void)snprintf(why, WATCH_WHY_SIZE,
	    "an alert of type \"%s\" needs \"%s\"%s", type, name,
	    value == NULL  ? ""
		: is_words ? ", an array of 1 to 16 strings"
			   : ", a string");
	return -1;
}

static int
check_ways(const json_t *ways, char why[WATCH_WHY_SIZE])
{
	if (ways != NULL && !json_is_array(ways)) {
		(void)snprintf(why, WATCH_WHY_SIZE, "\"alerts\" is no array");
		return -1;
	}
	for (size_t i = 0; i < json_array_size(ways); i++) {
		const json_t *way = json_array_get(ways, i);
		const char *type = json_string_value(json_object_get(way,
		    "type"));
		const char *needs = NULL, *too = NULL;

		if (type != NULL && strcmp(type, "exec") == 0)
			needs = "command";
		else if (type != NULL && strcmp(type, "webhook") == 0)
			needs = "url";
		else if (type != NULL && strcmp(type, "sendmail") == 0)
			needs = "to";
		else if (type != NULL && strcmp(type, "table") == 0) {
			needs = "pg";
			too = "table";
		} else if (type == NULL || strcmp(type, "syslog") != 0) {
			(void)snprintf(why, WATCH_WHY_SIZE,
			    "an alert's \"type\" is none of exec, webhook,"
			    " sendmail, syslog, table");
			return -1;
		}
		if ((too != NULL && check_member(way, type, too, why) != 0) ||
		    (needs != NULL && check_member(way, type, needs, why) != 0))
			return -1;
	}
	return 0;
}

static int
open_targets(struct daemon *daemon, char why[WATCH_WHY_SIZE])
{
	const json_t *logs = json_object_get(daemon->config, "logs");
	size_t count = json_array_size(logs);

	if (count == 0 || count > TARGETS_MAX) {
		(void)snprintf(why, WATCH_WHY_SIZE,
		    "there are no \"logs\" to watch, or more than %d",
		    TARGETS_MAX);
		return -1;
	}
	daemon->targets = calloc(count, sizeof(*daemon->targets));
	if (daemon->targets == NULL) {
		(void)snprintf(why, WATCH_WHY_SIZE, "out of memory");
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		daemon->count++;
		if (watch_target_open(&daemon->targets[i],
			json_array_get(logs, i), daemon->state_dir,
			daemon->outside, &daemon->alerts, why) != 0)
			return -1;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(daemon->targets[i].name,
				daemon->targets[j].name) == 0) {
				(void)snprintf(why, WATCH_WHY_SIZE,
				    "two logs are called \"%s\"",
				    daemon->targets[i].name);
				return -1;
			}
		}
	}
	return 0;
}

/* ---- metrics ---------------------------------------------------------- */

static void
answer(void *arg, const struct http_request *request, struct http_reply *out)
{
	struct daemon *daemon = arg;

	if (strcmp(request->path, "/metrics") != 0) {
		out->status = 404;
		return;
	}
	(void)pthread_mutex_lock(&daemon->mutex);
	if (daemon->metrics != NULL)
		out->body = strdup(daemon->metrics);
	(void)pthread_mutex_unlock(&daemon->mutex);
	out->status = out->body == NULL ? 503 : 200;
	out->body_len = out->body == NULL ? 0 : strlen(out->body);
	out->type = METRICS_TYPE;
}

/* Metrics are of the last cycle: no request waits for one. */
static void
renew_metrics(struct daemon *daemon)
{
	char *text = watch_metrics(daemon->targets, daemon->count);

	(void)pthread_mutex_lock(&daemon->mutex);
	free(daemon->metrics);
	daemon->metrics = text;
	(void)pthread_mutex_unlock(&daemon->mutex);
}

static int
serve_metrics(struct daemon *daemon, char why[WATCH_WHY_SIZE])
{
	const char *listen = json_string_value(json_object_get(daemon->config,
	    "metrics"));
	char address[HTTP_ADDRESS_SIZE];

	if (listen == NULL)
		return 0;
	daemon->http_options.listen = listen;
	daemon->http_options.body_max = 0;
	daemon->http_options.answer = answer;
	daemon->http_options.arg = daemon;
	if (http_start(&daemon->http_options, &daemon->http, address, why) != 0)
		return -1;
	printf("metrics on http://%s/metrics\n", address);
	return fflush(stdout) == 0 ? 0 : -1;
}

/* ---- begin and end ---------------------------------------------------- */

static void
close_daemon(struct daemon *daemon)
{
	http_stop(daemon->http);
	for (size_t i = 0; i < daemon->count; i++)
		watch_target_close(&daemon->targets[i]);
	free(daemon->targets);
	if (daemon->alerts.list != NULL)
		watch_alerts_close(&daemon->alerts);
	free(daemon->metrics);
	if (daemon->lock >= 0)
		(void)close(daemon->lock);
	json_decref(daemon->config);
	(void)pthread_mutex_destroy(&daemon->mutex);
}

/* Two daemons with one state would each forget what the other told. */
static int
lock_state(struct daemon *daemon, char why[WATCH_WHY_SIZE])
{
	daemon->lock = open(daemon->state_dir,
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (daemon->lock >= 0 && flock(daemon->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	(void)snprintf(why, WATCH_WHY_SIZE,
	    errno == EWOULDBLOCK ? "another daemon has the state \"%s\""
				 : "cannot lock the state \"%s\"",
	    daemon->state_dir);
	return -1;
}

static int
open_daemon(struct daemon *daemon, const char *path, bool outside,
    char why[WATCH_WHY_SIZE])
{
	const json_t *config;

	memset(daemon, 0, sizeof(*daemon));
	daemon->outside = outside;
	daemon->lock = -1;
	(void)pthread_mutex_init(&daemon->mutex, NULL);
	if (load_config(path, &daemon->config, &daemon->state_dir, why) != 0)
		return -1;
	config = daemon->config;
	daemon->interval_us = duration(config, "interval_s", 60);
	daemon->repeat_us = duration(config, "repeat_s", 3600);
	daemon->times.whole_us = duration(config, "whole_s", 86400);
	daemon->times.slice_us = duration(config, "slice_s", 10);
	daemon->times.grace_us = duration(config, "grace_s", 600);
	daemon->times.silence_us = duration(config, "silence_s", 3600);
	if (mkdir(daemon->state_dir, 0750) != 0 && errno != EEXIST) {
		(void)snprintf(why, WATCH_WHY_SIZE, "cannot make \"%s\": %s",
		    daemon->state_dir, strerror(errno));
		return -1;
	}
	if (lock_state(daemon, why) != 0 ||
	    check_ways(json_object_get(config, "alerts"), why) != 0 ||
	    watch_alerts_open(&daemon->alerts, daemon->state_dir, why) != 0 ||
	    open_targets(daemon, why) != 0)
		return -1;
	return serve_metrics(daemon, why);
}

/* ---- signals ---------------------------------------------------------- */

static void *
take_signals(void *arg)
{
	sigset_t *signals = arg;
	int number;

	while (!stopping && sigwait(signals, &number) == 0) {
		if (number == SIGHUP)
			reloading = true;
		else if (number == SIGUSR1)
			break;
		else
			stopping = true;
	}
	return NULL;
}

static void
block_signals(sigset_t *out)
{
	(void)sigemptyset(out);
	(void)sigaddset(out, SIGINT);
	(void)sigaddset(out, SIGTERM);
	(void)sigaddset(out, SIGHUP);
	(void)sigaddset(out, SIGUSR1);
	(void)pthread_sigmask(SIG_BLOCK, out, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* Until the next cycle, or a signal; a clock that was put back ends it, too. */
static void
wait_for(int64_t begin_us, int64_t interval_us)
{
	const struct timespec pause = { 0, 50000000 };
	int64_t waited_us = watch_now_us() - begin_us;

	while (!stopping && !reloading && waited_us >= 0 &&
	    waited_us < interval_us) {
		(void)nanosleep(&pause, NULL);
		waited_us = watch_now_us() - begin_us;
	}
}

/* ---- the loop --------------------------------------------------------- */

static void
cycle(struct daemon *daemon)
{
	char why[WATCH_WHY_SIZE];
	size_t broken = 0;
	char status[128];

	for (size_t i = 0; i < daemon->count && !stopping; i++) {
		(daemon->outside ? watch_outside_cycle
				 : watch_target_cycle)(&daemon->targets[i],
		    &daemon->times, &stopping);
		broken += strcmp(watch_target_state(&daemon->targets[i]),
			      "broken") == 0;
		watch_notify("WATCHDOG=1");
	}
	if (watch_alerts_send(&daemon->alerts,
		json_object_get(daemon->config, "alerts"), daemon->repeat_us,
		why) != 0)
		watch_say("%s", why);
	renew_metrics(daemon);
	(void)snprintf(status, sizeof(status), "STATUS=%zu logs, %zu broken",
	    daemon->count, broken);
	watch_notify(status);
}

/* A file that is no configuration leaves the old one in force. */
static void
reload(struct daemon *daemon, const char *path)
{
	char why[WATCH_WHY_SIZE];
	json_t *config;
	const char *state;

	reloading = false;
	watch_notify("RELOADING=1");
	if (load_config(path, &config, &state, why) != 0) {
		watch_say("%s; the old configuration stays", why);
	} else {
		bool outside = daemon->outside;

		json_decref(config);
		close_daemon(daemon);
		if (open_daemon(daemon, path, outside, why) != 0) {
			watch_say("%s; the daemon ends", why);
			failed = true;
			stopping = true;
		}
	}
	watch_notify("READY=1");
}

static int
print_states(const struct daemon *daemon)
{
	int broken = 0;

	for (size_t i = 0; i < daemon->count; i++) {
		const struct watch_target *target = &daemon->targets[i];
		const char *state = watch_target_state(target);
		char time[TALLY_TIME_TEXT_SIZE] = "never";

		if (target->whole_us != 0)
			tally_time_format(target->whole_us, time);
		printf("%s  %s  verified %s\n", target->name, state, time);
		broken |= strcmp(state, "broken") == 0;
	}
	return broken;
}

int
watch_run(const char *config_path, bool once, bool outside,
    char why[WATCH_WHY_SIZE])
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	pthread_t thread;
	sigset_t signals;
	int status = 0;

	if (daemon == NULL) {
		(void)snprintf(why, WATCH_WHY_SIZE, "out of memory");
		return 5;
	}
	block_signals(&signals);
	if (open_daemon(daemon, config_path, outside, why) != 0) {
		close_daemon(daemon);
		free(daemon);
		return 2;
	}
	if (pthread_create(&thread, NULL, take_signals, &signals) != 0) {
		(void)snprintf(why, WATCH_WHY_SIZE, "cannot make a thread");
		close_daemon(daemon);
		free(daemon);
		return 5;
	}
	watch_notify("READY=1");
	while (!stopping) {
		int64_t begin = watch_now_us();

		cycle(daemon);
		if (once)
			break;
		wait_for(begin, daemon->interval_us);
		if (reloading)
			reload(daemon, config_path);
	}
	watch_notify("STOPPING=1");
	if (once)
		status = print_states(daemon);
	else if (failed)
		status = 2;
	(void)pthread_kill(thread, SIGUSR1);
	(void)pthread_join(thread, NULL);
	close_daemon(daemon);
	free(daemon);
	return status;
}

int
watch_acknowledge(const char *config_path, const char *id,
    char why[WATCH_WHY_SIZE])
{
	struct watch_alerts alerts;
	const char *state;
	json_t *config, *alert;
	char *path;
	size_t i;
	int status = 4, fd;

	if (load_config(config_path, &config, &state, why) != 0)
		return 2;
	if (watch_alerts_open(&alerts, state, why) != 0) {
		json_decref(config);
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
	json_decref(config);
	return status;
}
