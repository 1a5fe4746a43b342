/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator's daemon: publishes, verifies, compares, alerts, for any number
 * of logs (doc/design/watch.md).
 */
#ifndef TALLY_WATCH_WATCH_H
#define TALLY_WATCH_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>

#include <jansson.h>

#include <tally/outside.h>
#include <tally/publish.h>
#include <tally/verify.h>

#define WATCH_NAME_MAX 64
#define WATCH_KEYS_MAX 64 /* of one log, in all its life */
#define WATCH_WHY_SIZE 512
#define WATCH_WORDS_MAX 16 /* of a command */

/* ---- alerts (alerts.c) ------------------------------------------------ */

/* Names of what is no finding of a verification. */
#define WATCH_FAILED "failed" /* could not publish or verify */
#define WATCH_SILENT "silent" /* heads stopped coming */
#define WATCH_SINK_FAILS "sink-fails"
#define WATCH_SINK_LOST "sink-lost" /* it had more once */
#define WATCH_SINK_FORGED "sink-forged"
#define WATCH_MORE "more-breaks" /* than are told one by one */

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
};

/* Returns 0, or -1 and why. */
int
watch_alerts_open(struct watch_alerts *alerts, const char *state_dir,
    char why[WATCH_WHY_SIZE]);

void
watch_alerts_close(struct watch_alerts *alerts);

/* Notes that it was seen now. */
void
watch_alerts_raise(struct watch_alerts *alerts, const struct watch_break *what);

/* A cycle of the target that began at begin_us is over: what it did not see
 * and is no break of the log has ended; with whole, what was acknowledged has
 * as well. */
void
watch_alerts_settle(struct watch_alerts *alerts, const char *target,
    int64_t begin_us, bool whole);

/* Takes what "--ack" left; sends what is due; writes the file if it changed.
 * Returns 0, or -1 and why it could not be written. */
int
watch_alerts_send(struct watch_alerts *alerts, const json_t *ways,
    int64_t repeat_us, char why[WATCH_WHY_SIZE]);

/* How many of the target, breaks of the log or others. */
unsigned
watch_alerts_count(const struct watch_alerts *alerts, const char *target,
    bool is_break);

/* ---- ways (send.c) ---------------------------------------------------- */

/* One alert, one way; 0, or -1 after it complained. */
int
watch_send(const json_t *way, const json_t *alert);

/* ---- targets (target.c) ----------------------------------------------- */

struct watch_target {
	char name[WATCH_NAME_MAX + 1];
	const json_t *config;
	char *dir, *register_dir, *state_path, *resume_path, *queue_dir;
	char *sinks_text;
	const char *conninfo; /* of the database that it carries, or NULL */
	bool without_events;
	struct tally_signer *signer;
	char vkey[TALLY_VKEY_TEXT_SIZE];
	const char *vkeys[WATCH_KEYS_MAX]; /* the signer's, then "keys" */
	size_t vkeys_len;
	struct tally_log *log; /* NULL: to be opened */
	struct tally_publish_options publish_options;
	struct tally_publisher *publisher;
	struct tally_outside *outside;
	struct watch_alerts *alerts;
	/* kept in state_path */
	uint64_t seen_size; /* verified record by record up to here */
	struct tally_hash seen_root;
	int64_t whole_us; /* last whole verification that was intact */
	int64_t whole_begun_us;
	bool whole_due; /* one is going on */
	uint64_t whole_size; /* what went out when it began; 0: nothing */
	struct tally_hash whole_root;
	/* since the start */
	uint64_t size, published_size, cycles, failures;
	struct tally_hash published_root;
	int64_t published_us, cycle_us;
	uint64_t *compared; /* of each sink, up to which size */
};

/* outside: only its sinks are here.  Returns 0, or -1 and why. */
int
watch_target_open(struct watch_target *target, const json_t *config,
    const char *state_dir, bool outside, struct watch_alerts *alerts,
    char why[WATCH_WHY_SIZE]);

void
watch_target_close(struct watch_target *target);

struct watch_times {
	int64_t whole_us;   /* between whole verifications */
	int64_t slice_us;   /* of a whole one, a cycle */
	int64_t grace_us;   /* for a sink that fails */
	int64_t silence_us; /* until heads that stop coming are told */
};

/* One cycle; stop is looked at in between. */
void
watch_target_cycle(struct watch_target *target, const struct watch_times *times,
    const atomic_bool *stop);

/* The same for a log of which only sinks are here. */
void
watch_outside_cycle(struct watch_target *target,
    const struct watch_times *times, const atomic_bool *stop);

/* "intact", "broken", "never-verified". */
const char *
watch_target_state(const struct watch_target *target);

/* ---- the rest --------------------------------------------------------- */

int64_t
watch_now_us(void);

/* "tally: <message>" on standard error. */
void
watch_say(const char *format, ...) TALLY_PRINTF(1, 2);

/* The metrics as Prometheus reads them; free() it.  NULL: out of memory. */
char *
watch_metrics(struct watch_target *targets, size_t count);

/* To systemd, if it listens. */
void
watch_notify(const char *text);

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
