/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line, judged by itself: does it decode, does its header hash to what it
 * says, does its event match its digest, is the event JSON as it must be?
 */
#ifndef TALLY_VERIFY_LINE_H
#define TALLY_VERIFY_LINE_H

#include <pthread.h>

#include "core/event.h"
#include "core/record.h"

/* No line of any log is longer. */
#define TALLY_LINE_LONGEST ((size_t)TALLY_LINE_MAX(TALLY_EVENT_MAX))

/* Names that most events do with; more are taken from the shared room. */
#define TALLY_ROOM_SMALL 512

/*
 * What is too large for every thread to have of its own: room for one line of
 * any length, and for the names of one event.  Made when it is first needed;
 * whoever uses it holds the lock.
 */
struct tally_big {
	pthread_mutex_t lock;
	char *text;
	size_t text_size;
	struct tally_event_room room;
};

/* What one thread judges lines with. */
struct tally_scanner {
	struct tally_hasher hasher;
	struct tally_event_name names[TALLY_ROOM_SMALL];
	struct tally_big *big;
};

enum tally_line_state {
	TALLY_LINE_HOLDS = 0,
	TALLY_LINE_NONE,    /* does not decode */
	TALLY_LINE_HEADER,  /* the header does not hash to what it says */
	TALLY_LINE_CONTENT, /* the event does not match the digest */
	TALLY_LINE_EVENT,   /* it matches, but is no event */
};

/*
 * Makes big->text hold len bytes, at most TALLY_LINE_LONGEST; what it held is
 * lost.  Returns 0 or TALLY_E_MEMORY.  The lock is held.
 */
TALLY_MUST_CHECK int
tally_big_text(struct tally_big *big, size_t len);

/*
 * Judges text[0, len), its line feed included.  out is filled unless the
 * state is TALLY_LINE_NONE.  big_held: the caller holds the big lock.
 * Returns 0, TALLY_E_MEMORY or TALLY_E_BUG (libcrypto failed).
 */
TALLY_MUST_CHECK int
tally_line_judge(struct tally_scanner *scanner, const char *text, size_t len,
    bool big_held, struct tally_line *out, enum tally_line_state *out_state);

/* Only the event, of a line that holds otherwise. */
TALLY_MUST_CHECK int
tally_line_judge_event(struct tally_scanner *scanner,
    const struct tally_line *line, bool big_held, bool *out_valid);

/* Does the line begin as every record does, but for at most two bytes? */
bool
tally_line_begins(const char *text, size_t len);

#endif
