/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's daemon: publishes, verifies, compares, alerts, for any number
 * of logs (doc/design/watch.md).
 */
#ifndef TALLY_WATCH_WATCH_H
#define TALLY_WATCH_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include <tally/error.h>

#define WATCH_NAME_MAX 64
#define WATCH_KEYS_MAX 64 /* of one log, in all its life */
#define WATCH_WHY_SIZE 640
#define WATCH_WORDS_MAX 16 /* of a command */
#define WATCH_TARGETS_MAX 256
#define WATCH_WAYS_MAX 32

/* ---- the configuration (config.c) ------------------------------------- */

struct watch_times {
	int64_t interval_us; /* between cycles */
	int64_t whole_us;    /* between whole verifications */
	int64_t slice_us;    /* of a whole one, a cycle */
	int64_t repeat_us;   /* until an alert is repeated */
	int64_t grace_us;    /* for a sink that fails */
	int64_t silence_us;  /* until heads that stop coming are told */
	int64_t beat_us;     /* until one is made although nothing is new */
	int64_t hang_us;     /* until a cycle without a sign is ended */
};

struct watch_config {
	json_t *json;
	bool outside;
	const char *state_dir;
	const char *listen; /* for metrics, or NULL */
	const json_t *logs, *ways;
	struct watch_times times;
};

/* Where the state is, and no more.  Returns 0, or -1 and why; wipe it in any
 * case. */
int
watch_config_read(struct watch_config *config, const char *path,
    char why[WATCH_WHY_SIZE]);

/* The same, and checks all of it, but for what only a cycle can tell. */
int
watch_config_load(struct watch_config *config, const char *path, bool outside,
    char why[WATCH_WHY_SIZE]);

void
watch_config_wipe(struct watch_config *config);

/* ---- alerts (alerts.c) ------------------------------------------------ */

/* Names of what is no finding of a verification. */
#define WATCH_FAILED "failed" /* could not publish or verify */
#define WATCH_SILENT "silent" /* heads stopped coming */
#define WATCH_SINK_FAILS "sink-fails"
#define WATCH_SINK_LOST "sink-lost" /* it had more once */
#define WATCH_SINK_FORGED "sink-forged"
#define WATCH_MORE "more-breaks" /* than are told one by one */

/* The target of an alert about the daemon itself; no log is called so. */
#define WATCH_ITSELF "*"

/*
 * What is wrong, once: the same target, kind, chain, seq and sink are the same
 * alert.  Kept in a file, so that it survives a restart.
 */
struct watch_alerts {
	json_t *list;    /* array of objects */
	json_int_t next; /* id */
	char *path, *ack_dir;
	bool dirty;
};

struct watch_break {
	const char *target;
	const char *kind;
	bool is_break;     /* of the log; else it ends when it is not seen */
	const char *chain; /* or NULL */
	uint64_t seq;      /* or 0 */
	const char *sink;  /* or NULL */
	const char *evidence;
	int64_t seen_us;
};

/* Returns 0, or -1 and why. */
int
watch_alerts_open(struct watch_alerts *alerts, const char *state_dir,
    char why[WATCH_WHY_SIZE]);

void
watch_alerts_close(struct watch_alerts *alerts);

/* Notes that it was seen. */
void
watch_alerts_raise(struct watch_alerts *alerts, const struct watch_break *what);

/* A cycle of the target that began at begin_us is over: what it did not see
 * and is no break of the log has ended; with whole, what was acknowledged has
 * as well. */
void
watch_alerts_settle(struct watch_alerts *alerts, const char *target,
    int64_t begin_us, bool whole);

/* Of logs that are no longer in the configuration, what is no break ends. */
void
watch_alerts_forget(struct watch_alerts *alerts, const json_t *logs);

/* Takes what "--ack" left. */
void
watch_alerts_acknowledge(struct watch_alerts *alerts);

/* What is due on the way with this name, in the order in which it is to be
 * told: those behind the id after come first.  An array of alerts. */
json_t *
watch_alerts_due(const struct watch_alerts *alerts, const char *way,
    int64_t repeat_us, json_int_t after);

/* The way took it, or there is no way. */
void
watch_alerts_told(struct watch_alerts *alerts, json_int_t id, const char *way);

/* The way had another name: what it was told under that, it was told. */
void
watch_alerts_rename(struct watch_alerts *alerts, const char *old,
    const char *way);

/* Of the ways that are called by a number, as the first version did, none is
 * there any more. */
void
watch_alerts_forget_numbers(struct watch_alerts *alerts);

/* Writes the file if something changed.  Returns 0, or -1 and why. */
int
watch_alerts_save(struct watch_alerts *alerts, char why[WATCH_WHY_SIZE]);

/* How many of the target, breaks of the log or others. */
unsigned
watch_alerts_count(const struct watch_alerts *alerts, const char *target,
    bool is_break);

/* ---- ways (send.c) ---------------------------------------------------- */

/* One alert, one way; 0, or -1 after it complained. */
int
watch_send(const json_t *way, const json_t *alert);

/* ---- what goes on between the daemon and its processes (report.c) ------ */

/* The ends of the process that reports; one line of JSON each. */
void
watch_report_break(int fd, const struct watch_break *what);
void
watch_report_settled(int fd, int64_t begin_us, bool whole);
void
watch_report_status(int fd, json_t *status); /* takes the reference */
void
watch_report_alive(int fd);
void
watch_report_told(int fd, json_int_t id, bool taken);

/* ---- processes (process.c) -------------------------------------------- */

struct watch_process {
	pid_t pid;    /* 0: none */
	int fd;       /* what it reports */
	bool is_gone; /* it ended; what it reported may still be read */
	int status;   /* as of waitpid, then */
	int64_t sign_us, begun_us; /* monotonic */
	char *text;                /* a line that is not whole yet */
	size_t len, room;
};

/*
 * Starts a process; the caller has no threads.  It gets SIGTERM as
 * watch_stopping, is killed if the daemon dies, and ends with what it returns.
 * Returns 0 or -1.
 */
int
watch_process_start(struct watch_process *process,
    int (*main)(void *arg, int fd), void *arg);

/* Reads what it reported: line for every one; of one that goes on and on a
 * part, since others have something to say, too.  Of one that ended, all. */
void
watch_process_read(struct watch_process *process,
    void (*line)(void *arg, const json_t *message), void *arg);

/* Takes the status of those that ended. */
void
watch_process_reap(struct watch_process *process);

/* It is over: its descriptor is closed, and its memory free. */
void
watch_process_wipe(struct watch_process *process);

/* In a process: SIGTERM came. */
bool
watch_stopping(void);

/* ---- logs (worker.c) -------------------------------------------------- */

struct watch_work {
	const struct watch_config *config;
	size_t log; /* its index */
	bool once;
};

/* The process of one log: cycles until it is to stop; arg is struct
 * watch_work. */
int
watch_work(void *arg, int fd);

/* The parts of a log's configuration that can be checked without it. */
int
watch_target_check(const json_t *log, bool outside, char why[WATCH_WHY_SIZE]);

/* ---- the rest --------------------------------------------------------- */

int64_t
watch_now_us(void);
int64_t
watch_monotonic_us(void);

/* "tally: <message>" on standard error. */
void
watch_say(const char *format, ...) TALLY_PRINTF(1, 2);

/* "intact", "broken", "never-verified". */
const char *
watch_state(const struct watch_alerts *alerts, const char *name,
    const json_t *status);

/* The metrics as Prometheus reads them, of the logs' names, what they reported
 * last, and how often their processes failed in a row; free() it.  NULL: out of
 * memory. */
char *
watch_metrics(const struct watch_alerts *alerts, const json_t *logs,
    json_t *const *statuses, const unsigned *failures);

/* To systemd, if it listens. */
void
watch_notify(const char *text);

/* RELOADING=1, with the time that Type=notify-reload asks for. */
void
watch_notify_reloading(void);

/*
 * Runs until SIGTERM or SIGINT; once: one cycle; outside: by the sinks alone.
 * Returns 0; 1 if a log is broken (once); 2 with why: the configuration; 5
 * with why.
 */
int
watch_run(const char *config_path, bool once, bool outside,
    char why[WATCH_WHY_SIZE]);

/* "--ack": 0; 4: there is no such alert; 5 and why. */
int
watch_acknowledge(const char *config_path, const char *id,
    char why[WATCH_WHY_SIZE]);

#endif
