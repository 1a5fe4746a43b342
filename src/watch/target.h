/* SPDX-License-Identifier: Apache-2.0 */
/* One log, in the process that is its own. */
#ifndef TALLY_WATCH_TARGET_H
#define TALLY_WATCH_TARGET_H

#include <tally/outside.h>
#include <tally/publish.h>
#include <tally/verify.h>

#include "watch/watch.h"

struct watch_target {
	char name[WATCH_NAME_MAX + 1];
	const json_t *config;
	const struct watch_times *times;
	int report;                 /* where it reports to */
	struct tally_register *reg; /* NULL: a directory */
	char *dir, *register_dir, *state_path, *queue_dir;
	char *resume_path; /* of a whole verification that is going on */
	char *kept_path;   /* what the last one that was good knew ... */
	char *base_path;   /* ... from which each cycle goes on */
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
	/* kept in state_path */
	uint64_t seen_size; /* verified record by record up to here */
	struct tally_hash seen_root;
	int64_t whole_us; /* last whole verification that was intact */
	int64_t published_us;
	uint64_t grown_size; /* of the last checkpoint, and since when */
	int64_t grown_us;
	int64_t beaten_us; /* when it was tried to beat; 0: not yet */
	uint64_t whole_size; /* what went out when it began; 0: nothing */
	struct tally_hash whole_root;
	uint64_t old_count; /* segments that are not to change any more */
	struct tally_hash old_print;
	uint64_t *compared; /* of each sink, up to which size */
	/* since the start */
	bool whole_due;    /* one is going on */
	bool is_all_read;  /* the file of all records was read by this cycle */
	double whole_part; /* of the one that is going on, or 1 */
	uint64_t size, published_size, cycles, failures;
	struct tally_hash published_root;
	int64_t cycle_us;
	int64_t reading_us;       /* since when sinks are read; monotonic */
	_Atomic int64_t alive_us; /* its sinks' threads say so, too */
};

/* outside: only its sinks are here.  Returns 0, or -1 and why; close it in any
 * case. */
int
watch_target_open(struct watch_target *target, const json_t *config,
    const char *state_dir, bool outside, char why[WATCH_WHY_SIZE]);

void
watch_target_close(struct watch_target *target);

/* Opens log, sinks and publisher, unless they are open.  If only the publisher
 * fails (its register), the log and its sinks are open. */
TALLY_MUST_CHECK int
watch_target_connect(struct watch_target *target, struct tally_error *error);

void
watch_target_disconnect(struct watch_target *target);

/* state.c */
void
watch_target_load(struct watch_target *target);

void
watch_target_save(const struct watch_target *target);

/* Tells the daemon how far it is. */
void
watch_target_report(const struct watch_target *target);

/* It goes on: the daemon is told, now and then. */
void
watch_target_alive(struct watch_target *target);

/* One cycle; watch_stopping is looked at in between. */
void
watch_target_cycle(struct watch_target *target);

/* The same for a log of which only sinks are here. */
void
watch_outside_cycle(struct watch_target *target);

#endif
