/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event scanner (doc/format.md, section 1): JSON as RFC 8259 has it, kept
 * as given less insignificant white space.  Strict, iterative, allocates
 * nothing.
 *
 * Member names given twice in one object are found by keeping, per open
 * object, where each name stands; a small object is compared pair by pair, a
 * large one when it closes, through a hash table or by sorting (n names of
 * total length L cost O(L log n) whatever they are).  The room for that is the
 * caller's.
 */
#ifndef TALLY_CORE_EVENT_H
#define TALLY_CORE_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include <tally/record.h>

#define TALLY_EVENT_DEPTH 64

/* Where one member name stands in the input, quotes left out. */
struct tally_event_name {
	uint32_t offset;
	uint32_t len; /* top bit: the name holds escapes */
};

/* Room for names; reused from event to event, one thread at a time. */
struct tally_event_room {
	struct tally_event_name *names;
	size_t capacity;
};

/* Enough room for every event of the given limit. */
size_t
tally_event_room_max(size_t limit);

/*
 * Scans in[0, in_len) and writes its compact text to out, which holds at
 * least limit bytes (and may not overlap in).  in may be as long as 4 * limit.
 *
 * Returns 0 with the compact length; TALLY_PARTIAL if the room is too small
 * (retry with twice as many names); TALLY_E_EVENT or TALLY_E_LIMIT with a
 * message that names the byte offset, for example
 *   "event: duplicate member \"a\" at byte 17"
 *   "event: longer than 1048576 bytes".
 * The other messages are listed in event.c, and tests assert them.
 */
TALLY_MUST_CHECK int
tally_event_scan(const char *in, size_t in_len, size_t limit,
    struct tally_event_room *room, char *out, size_t *out_len,
    struct tally_error *error);

/*
 * Judges text that claims to be compact already (an event in a stored line):
 * the same rules, and no insignificant white space.  Writes nothing.
 * Returns 0, TALLY_PARTIAL, or TALLY_E_EVENT / TALLY_E_LIMIT.
 */
TALLY_MUST_CHECK int
tally_event_check(const char *text, size_t len, size_t limit,
    struct tally_event_room *room);

#endif
