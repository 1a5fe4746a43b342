/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon itself: it waits for nothing but for its processes and signals. */
#ifndef TALLY_WATCH_DAEMON_H
#define TALLY_WATCH_DAEMON_H

#include "serve/http.h"
#include "watch/watch.h"

struct log {
	struct watch_process process;
	struct watch_work work;
	json_t *status;     /* as it last reported, or NULL */
	int64_t restart_us; /* monotonic; not before */
	unsigned failures;  /* of its process, in a row */
	bool is_killed;     /* it hung, and was told so */
	bool is_done;       /* once: its cycle is over */
};

struct way {
	char name[48]; /* its type, and a hash of whom it tells */
	const json_t *config;
	json_t *due; /* what its process tells */
	struct watch_process process;
	json_int_t after; /* the alert that it was given last */
	int64_t next_us;  /* monotonic; not before */
	bool has_failed;
	bool is_done; /* once: it was tried */
};

struct metrics {
	struct http_options options;
	struct http *http;
};

struct daemon {
	const char *config_path;
	bool once;
	struct watch_config config;
	int lock; /* of the state's directory */
	struct watch_alerts alerts;
	struct log *logs;
	size_t count;
	struct way ways[WATCH_WAYS_MAX];
	size_t ways_count;
	struct metrics *metrics; /* or NULL */
	int signals;             /* signalfd */
	bool is_stopping, is_reloading;
	int64_t saved_us, notified_us; /* monotonic */
	int64_t acknowledged_us;
};

/* ---- logs.c ----------------------------------------------------------- */

/* Returns 0, or -1: out of memory. */
int
watch_logs_start(struct daemon *daemon);

/* Takes what they report; begins anew what ended or hangs. */
void
watch_logs_tick(struct daemon *daemon);

/* After their processes ended. */
void
watch_logs_free(struct daemon *daemon);

const char *
watch_log_name(const struct daemon *daemon, size_t i);

/* "intact" and so on. */
const char *
watch_log_state(const struct daemon *daemon, size_t i);

/* Once: is every cycle over? */
bool
watch_logs_done(const struct daemon *daemon);

/* ---- ways.c ----------------------------------------------------------- */

void
watch_ways_start(struct daemon *daemon);

/* Takes what was told, and begins what is due. */
void
watch_ways_tick(struct daemon *daemon);

/* Once: was every way tried? */
bool
watch_ways_done(const struct daemon *daemon);

#endif
