/* SPDX-License-Identifier: Apache-2.0 */
/* One line, judged by itself. */
#include "verify/line.h"
#include "log/sys.h"
#include "verify/salvage.h"

#define BIG_LEAST ((size_t)16 << 10)

int
tally_big_text(struct tally_big *big, size_t len)
{
	size_t size = BIG_LEAST;

	if (len <= big->text_size)
		return 0;
	while (size < len)
		size *= 2;
	if (size > TALLY_LINE_LONGEST)
		size = TALLY_LINE_LONGEST;
	tally_sys_free(big->text);
	big->text_size = 0;
	/* Not alloc, which would write 16 MiB of zeros. */
	big->text = tally_sys_realloc(NULL, size);
	if (big->text == NULL)
		return TALLY_E_MEMORY;
	big->text_size = size;
	return 0;
}

/* An event with more names than the small room takes. */
static int
check_big(struct tally_big *big, const struct tally_line *line)
{
	size_t most = tally_event_room_max(TALLY_EVENT_MAX);
	struct tally_event_room *room = &big->room;
	size_t capacity;
	void *names;
	int r;

	for (;;) {
		if (room->capacity > 0) {
			r = tally_event_check(line->event, line->event_len,
			    TALLY_EVENT_MAX, room);
			if (r != TALLY_PARTIAL || room->capacity == most)
				return r == TALLY_PARTIAL ? TALLY_E_BUG : r;
		}
		capacity = room->capacity * 4;
		if (capacity == 0)
			capacity = (size_t)TALLY_ROOM_SMALL * 8;
		if (capacity > most)
			capacity = most;
		names = tally_sys_realloc(room->names,
		    capacity * sizeof(*room->names));
		if (names == NULL)
			return TALLY_E_MEMORY;
		room->names = names;
		room->capacity = capacity;
	}
}

int
tally_line_judge_event(struct tally_scanner *scanner,
    const struct tally_line *line, bool big_held, bool *out_valid)
{
	struct tally_event_room room = { scanner->names, TALLY_ROOM_SMALL };
	int r;

	*out_valid = true;
	if (line->body != TALLY_BODY_EVENT)
		return 0;
	r = tally_event_check(line->event, line->event_len, TALLY_EVENT_MAX,
	    &room);
	if (r == TALLY_PARTIAL) {
		if (!big_held)
			pthread_mutex_lock(&scanner->big->lock);
		r = check_big(scanner->big, line);
		if (!big_held)
			pthread_mutex_unlock(&scanner->big->lock);
	}
	if (r == TALLY_E_EVENT || r == TALLY_E_LIMIT) {
		*out_valid = false;
		r = 0;
	}
	return r;
}

int
tally_line_judge(struct tally_scanner *scanner, const char *text, size_t len,
    bool big_held, struct tally_line *out, enum tally_line_state *out_state)
{
	struct tally_hash hash;
	bool valid, holds;
	int r;

	*out_state = TALLY_LINE_NONE;
	if (tally_line_decode(text, len, out) != 0)
		return 0;
	hash = tally_line_header_hash(&scanner->hasher, out);
	*out_state = TALLY_LINE_HEADER;
	if (!tally_hash_equal(&hash, &out->hash))
		return tally_hasher_failed(&scanner->hasher) ? TALLY_E_BUG : 0;
	holds = tally_line_event_holds(&scanner->hasher, out);
	*out_state = TALLY_LINE_CONTENT;
	if (!holds)
		return tally_hasher_failed(&scanner->hasher) ? TALLY_E_BUG : 0;
	r = tally_line_judge_event(scanner, out, big_held, &valid);
	*out_state = valid ? TALLY_LINE_HOLDS : TALLY_LINE_EVENT;
	return r;
}

bool
tally_line_begins(const char *text, size_t len)
{
	return len >= TALLY_BEGIN_LEN &&
	    tally_salvage_near(text, TALLY_BEGIN, TALLY_BEGIN_LEN) <= 2;
}
