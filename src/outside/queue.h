/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of one sink: a directory.
 *
 *     <size>-<part>-<parts>    a line that the sink has not got; decimal, 20, 6
 *                              and 6 digits
 *     state                    JSON: what was sent, and how it fails
 *
 * 1. A line is whole under its name, or not there.  A checkpoint whose parts
 *    are not all there was interrupted: it is removed when the queue is
 *    opened, and made anew.  (Its first parts are removed only after they were
 *    sent, in order; what is missing then is what is before the ones there.)
 * 2. First it is sent, then the state says so, then the line is removed: so
 *    it is sent at least once.
 */
#ifndef TALLY_OUTSIDE_QUEUE_H
#define TALLY_OUTSIDE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

#define TALLY_SINK_NAME_MAX 64
#define TALLY_QUEUE_NAME_SIZE 40
#define TALLY_QUEUE_LINES_MAX 1000 /* by default */

struct tally_queue_name {
	char text[TALLY_QUEUE_NAME_SIZE];
	uint64_t size;
	uint32_t part, parts;
};

struct tally_queue {
	int dir; /* -1: closed */
	const char *origin; /* hash of the log's; the caller's */
	size_t lines_max;
	struct tally_queue_name *lines; /* oldest first */
	size_t count, room;
	bool full;
	/* the state */
	uint64_t offered_size, sent_size;
	int64_t sent_us, failing_since_us, next_try_us;
	uint64_t failures;
	char message[480];
};

/*
 * The directory name in base, made if it is missing; read_only: only looked
 * at, beside the process that delivers, and empty if it is missing, or base
 * is -1.  origin is the hash of the log's and stays: TALLY_E_USAGE if the state
 * is another log's, whose sizes say nothing of this one.  Close it in any case.
 */
TALLY_MUST_CHECK int
tally_queue_open(struct tally_queue *queue, int base, const char *name,
    const char *origin, bool read_only, struct tally_error *error);

void
tally_queue_close(struct tally_queue *queue);

/* The size up to which the sink has got, or will get, everything. */
uint64_t
tally_queue_covered(const struct tally_queue *queue);

/* Durable when it returns. */
TALLY_MUST_CHECK int
tally_queue_put(struct tally_queue *queue, uint64_t size, uint32_t part,
    uint32_t parts, const char *line, size_t len, struct tally_error *error);

/* Takes back the parts of one size, after putting one failed. */
void
tally_queue_drop(struct tally_queue *queue, uint64_t size);

/* The oldest line, allocated; free() it.  TALLY_END if there is none. */
TALLY_MUST_CHECK int
tally_queue_peek(struct tally_queue *queue, char **out_line, size_t *out_len,
    struct tally_error *error);

/* The oldest line was sent. */
TALLY_MUST_CHECK int
tally_queue_sent(struct tally_queue *queue, struct tally_error *error);

/* The sink failed: when is it tried again? */
void
tally_queue_failed(struct tally_queue *queue, const char *message);

/* Writes the state. */
TALLY_MUST_CHECK int
tally_queue_save(struct tally_queue *queue, struct tally_error *error);

int64_t
tally_queue_now_us(void);

#endif
