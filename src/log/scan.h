/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading lines back into the state: adopting what is whole and linked, and
 * setting aside what is not.  Repair and recovery are made of this.
 */
#ifndef TALLY_LOG_SCAN_H
#define TALLY_LOG_SCAN_H

#include "log/handle.h"

#define TALLY_TORN_EVENT_MAX 512

struct tally_scan {
	struct tally_log *log;
	struct tally_state *state; /* that lines are adopted into */
	struct tally_hasher *hasher;
	bool live;         /* state is the handle's, others see it */
	int run_dir;       /* where a larger one goes; -1: private memory */
	uint64_t ids_from; /* ids of records from here on are remembered */
};

/*
 * Adopts the lines of fd, the segment that the tail is in, from the tail up to
 * end.  The state may be another one afterwards, with more room.
 * Returns 0 if all were; TALLY_END if the tail now stands before one that is
 * no record or not linked; an error.
 */
TALLY_MUST_CHECK int
tally_scan_lines(struct tally_scan *scan, int fd, uint64_t end,
    struct tally_error *error);

/* The tail goes on in the segment that begins here, and is this file. */
void
tally_scan_enter(struct tally_scan *scan, uint64_t first,
    const struct tally_sys_stat *st);

/*
 * Copies the bytes of fd from the tail to end into "log/torn-...", synced, and
 * formats the event for tally:log that says so (doc/format.md, section 8);
 * mark_size is how many records were durable for certain.
 */
TALLY_MUST_CHECK int
tally_scan_set_aside(struct tally_scan *scan, int fd, uint64_t end,
    uint64_t mark_size, char event[TALLY_TORN_EVENT_MAX],
    struct tally_error *error);

#endif
