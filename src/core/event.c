/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event scanner: a strict JSON reader (RFC 8259) that goes over the text
 * once and gives it back less insignificant white space.
 *
 * 1. Scanning and checking are one walk.  Checking refuses the white space
 *    that scanning leaves out, and writes nothing; so a text passes the check
 *    if and only if the scan would give it back unchanged.
 * 2. The compact text is the input's bytes between its white space, copied in
 *    runs as long as they are.  Nothing is ever respelled.
 * 3. begin <= run <= p <= end, and no byte outside [begin, end) is read.
 * 4. What is open is a stack of at most TALLY_EVENT_DEPTH levels; the names
 *    of the open objects are a stack in the caller's room.
 *
 * A step takes the place p that it looks at and returns the place behind what
 * it took, or NULL when it refused (then result says why).
 *
 * Every message, N being an offset in the input, counted from 0:
 *   event: longer than L bytes                     TALLY_E_LIMIT
 *   event: input longer than L bytes               TALLY_E_LIMIT
 *   event: nested deeper than 64 at byte N         TALLY_E_LIMIT
 *   event: byte order mark at byte 0               TALLY_E_EVENT, all others
 *   event: unexpected end at byte N
 *   event: expected a value at byte N
 *   event: expected a member name at byte N
 *   event: expected ':' at byte N
 *   event: expected ',' or '}' at byte N
 *   event: expected ',' or ']' at byte N
 *   event: invalid literal at byte N               where the word begins
 *   event: leading zero at byte N                  where the number begins
 *   event: expected a digit at byte N
 *   event: control character in a string at byte N
 *   event: invalid UTF-8 at byte N
 *   event: invalid escape at byte N                its backslash
 *   event: unpaired surrogate at byte N            its backslash
 *   event: duplicate member "x" at byte N          the second one's quote
 *   event: trailing bytes at byte N
 *   event: insignificant white space at byte N     (checking only)
 */
#include <stdbool.h>
#include <string.h>

#include "core/event.h"
#include "core/event_names.h"
#include "core/fail.h"
#include "core/json.h"

/* The names of objects with more members are judged when they close. */
#define PAIRWISE_MAX 16

/* Bytes of a name that a message shows. */
#define SHOWN_MAX 60

/* An open array or object. */
struct level {
	uint64_t seen;  /* a bit per name, see name_bit */
	uint32_t names; /* of the room, when it was opened */
	bool is_object;
};

struct scan {
	const uint8_t *begin;
	const uint8_t *end;
	const uint8_t *run; /* what is not yet copied begins here */
	uint8_t *out;       /* NULL: checking */
	size_t out_len;
	size_t limit;
	const struct tally_event_room *room;
	size_t names; /* of the room, in use */
	struct tally_error *error;
	int result;
	unsigned depth;
	struct level level[TALLY_EVENT_DEPTH];
};

#if defined(__GNUC__)
#define COLD __attribute__((cold, noinline))
#define RARE __attribute__((noinline))
#define HOT inline __attribute__((always_inline))
#else
#define COLD
#define RARE
#define HOT inline
#endif

size_t
tally_event_room_max(size_t limit)
{
	/* A name takes four bytes of compact text: {"": or ,"": */
	if (limit > TALLY_EVENT_MAX)
		limit = TALLY_EVENT_MAX;
	return limit / 4 + 1;
}

static COLD const uint8_t *
refuse(struct scan *s, const uint8_t *at, int code, const char *what)
{
	size_t offset = (size_t)(at - s->begin);

	s->result = tally_fail(s->error, code, "event: %s at byte %zu", what,
	    offset);
	if (s->error != NULL)
		s->error->offset = offset;
	return NULL;
}

static COLD const uint8_t *
refuse_event(struct scan *s, const uint8_t *at, const char *what)
{
	return refuse(s, at, TALLY_E_EVENT, what);
}

static COLD const uint8_t *
refuse_length(struct scan *s, const char *what, size_t limit)
{
	s->result = tally_fail(s->error, TALLY_E_LIMIT,
	    "event: %slonger than %zu bytes", what, limit);
	if (s->error != NULL)
		s->error->offset = limit;
	return NULL;
}

/* Does a terminal or a log show this character of U+0080 on as it is? */
static bool
is_shown(const uint8_t *p, size_t len)
{
	if (p[0] == 0xc2)
		return p[1] >= 0xa0;
	/* U+2000 to U+206F: breaks, joiners and what turns the direction. */
	if (p[0] == 0xe2)
		return p[1] != 0x80 && p[1] != 0x81;
	return len < 3 || memcmp(p, "\xef\xbb\xbf", 3) != 0;
}

/* Writes a name for a message: printable, whole characters, a NUL. */
static void
show_name(const uint8_t *p, size_t len, char out[SHOWN_MAX + 4])
{
	const uint8_t *end = p + len, *next;
	size_t n = 0, step;

	for (; p < end; p = next) {
		next = *p < 0x80 ? p + 1 : tally_utf8_next(p, end);
		step = (size_t)(next - p);
		if (n + step > SHOWN_MAX) {
			memcpy(out + n, "...", 4);
			return;
		}
		if (*p == 0x7f || (*p >= 0x80 && !is_shown(p, step))) {
			out[n++] = '?';
			continue;
		}
		memcpy(out + n, p, step);
		n += step;
	}
	out[n] = '\0';
}

static COLD const uint8_t *
refuse_name(struct scan *s, const struct tally_event_name *name)
{
	char shown[SHOWN_MAX + 4];
	size_t offset = name->offset - 1; /* of its quote */

	show_name(s->begin + name->offset, tally_event_name_len(name), shown);
	s->result = tally_fail(s->error, TALLY_E_EVENT,
	    "event: duplicate member \"%s\" at byte %zu", shown, offset);
	if (s->error != NULL)
		s->error->offset = offset;
	return NULL;
}

/* Copies [run, p); false if the compact text grows too long. */
static bool
flush(struct scan *s, const uint8_t *p)
{
	size_t len = (size_t)(p - s->run);

	if (len > s->limit - s->out_len) {
		refuse_length(s, "", s->limit);
		return false;
	}
	/* Between the white space of spaced text, runs are short: a copy of
	   fixed length is one instruction, and what it writes too much is
	   within the limit and overwritten or not given. */
	if (len <= 16 && s->end - s->run >= 16 && s->limit - s->out_len >= 16)
		memcpy(s->out + s->out_len, s->run, 16);
	else
		memcpy(s->out + s->out_len, s->run, len);
	s->out_len += len;
	s->run = p;
	return true;
}

static HOT bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* At white space, outside strings. */
static RARE const uint8_t *
skip_space(struct scan *s, const uint8_t *p)
{
	if (s->out == NULL)
		return refuse_event(s, p, "insignificant white space");
	if (!flush(s, p))
		return NULL;
	while (p < s->end && is_space(*p))
		p++;
	s->run = p;
	return p;
}

/* The next byte that is no white space, or the end. */
static HOT const uint8_t *
next_or_end(struct scan *s, const uint8_t *p)
{
	if (p == s->end || *p > ' ' || !is_space(*p))
		return p;
	return skip_space(s, p);
}

/* The same, where the text must go on. */
static HOT const uint8_t *
next_token(struct scan *s, const uint8_t *p)
{
	p = next_or_end(s, p);
	if (p == s->end)
		return refuse_event(s, p, "unexpected end");
	return p;
}

/* ---- strings ---------------------------------------------------------- */

/* At a byte inside a string that is neither plain nor its closing quote. */
static RARE const uint8_t *
special(struct scan *s, const uint8_t *p)
{
	const uint8_t *at = p;
	int32_t character;

	if (p == s->end)
		return refuse_event(s, p, "unexpected end");
	if (*p < 0x20)
		return refuse_event(s, p, "control character in a string");
	if (*p != '\\') {
		while (p < s->end && *p >= 0x80) {
			at = p;
			p = tally_utf8_next(p, s->end);
			if (p == NULL)
				return refuse_event(s, at, "invalid UTF-8");
		}
		return p;
	}
	character = tally_json_escape(&p, s->end);
	if (character == -1)
		return refuse_event(s, at, "invalid escape");
	if (character < 0)
		return refuse_event(s, at, "unpaired surrogate");
	return p;
}

/* Behind an opening quote; gives the place of the closing one. */
static HOT const uint8_t *
string_end(struct scan *s, const uint8_t *p, bool *out_escaped)
{
	bool escaped = false;

	p = tally_json_plain_end(s->begin, p, s->end);
	while (p == s->end || *p != '"') {
		escaped |= p < s->end && *p == '\\';
		p = special(s, p);
		if (p == NULL)
			return NULL;
		p = tally_json_plain_end(s->begin, p, s->end);
	}
	*out_escaped = escaped;
	return p;
}

/* ---- objects and arrays ----------------------------------------------- */

/*
 * One of 64 bits for a name: two names with different bits differ.  The
 * quotes make the bytes around an empty name readable.
 */
static HOT uint64_t
name_bit(const uint8_t *name, size_t len)
{
	uint32_t mix = (uint32_t)len << 24 | (uint32_t)name[len / 2] << 16 |
	    (uint32_t)name[0] << 8 | name[(ptrdiff_t)len - 1];

	return (uint64_t)1 << (mix * UINT32_C(0x9e3779b1) >> 26);
}

/* No room for a name of the text up to p. */
static COLD const uint8_t *
refuse_room(struct scan *s, const uint8_t *p)
{
	if (s->out_len + (size_t)(p - s->run) > s->limit)
		return refuse_length(s, "", s->limit);
	s->result = TALLY_PARTIAL;
	return NULL;
}

/* Keeps the name [name, end) of the innermost object; false if refused. */
static HOT bool
keep_name(struct scan *s, const uint8_t *name, const uint8_t *end, bool escaped)
{
	struct level *level = &s->level[s->depth - 1];
	struct tally_event_name *kept;
	size_t count = s->names - level->names;
	size_t len = (size_t)(end - name);
	/* A name with escapes may be equal to any other. */
	uint64_t bit = escaped ? UINT64_MAX : name_bit(name, len);

	if (s->names == s->room->capacity)
		return refuse_room(s, end) != NULL;
	kept = s->room->names + level->names;
	kept[count].offset = (uint32_t)(name - s->begin);
	kept[count].len = (uint32_t)len | (escaped ? TALLY_NAME_ESCAPED : 0);
	if (count < PAIRWISE_MAX && (level->seen & bit) != 0 &&
	    tally_event_name_is_among(s->begin, &kept[count], kept, count))
		return refuse_name(s, &kept[count]) != NULL;
	level->seen |= bit;
	s->names++;
	return true;
}

/* At where a member must begin; gives the place of its value. */
static HOT const uint8_t *
member(struct scan *s, const uint8_t *p)
{
	const uint8_t *name = p + 1;
	bool escaped;

	if (*p != '"')
		return refuse_event(s, p, "expected a member name");
	p = string_end(s, name, &escaped);
	if (p == NULL || !keep_name(s, name, p, escaped))
		return NULL;
	p = next_token(s, p + 1);
	if (p == NULL)
		return NULL;
	if (*p != ':')
		return refuse_event(s, p, "expected ':'");
	return next_token(s, p + 1);
}

/* At the bracket that closes the innermost level. */
static HOT const uint8_t *
close_level(struct scan *s, const uint8_t *p)
{
	const struct level *level = &s->level[--s->depth];
	const struct tally_event_name *twice;
	size_t count = s->names - level->names;

	if (count > PAIRWISE_MAX) {
		twice = tally_event_names_twice(s->begin,
		    s->room->names + level->names, count);
		if (twice != NULL)
			return refuse_name(s, twice);
	}
	s->names = level->names;
	return p + 1;
}

/*
 * At '{' or '['.  Gives the place of the first value in it, or the place
 * behind it if it is empty: then depth is what it was.
 */
static HOT const uint8_t *
open_level(struct scan *s, const uint8_t *p)
{
	struct level *level = &s->level[s->depth];
	bool is_object = *p == '{';

	if (s->depth == TALLY_EVENT_DEPTH)
		return refuse(s, p, TALLY_E_LIMIT, "nested deeper than 64");
	level->seen = 0;
	level->names = (uint32_t)s->names;
	level->is_object = is_object;
	p = next_token(s, p + 1);
	if (p == NULL)
		return NULL;
	if (*p == (is_object ? '}' : ']'))
		return p + 1;
	s->depth++;
	return is_object ? member(s, p) : p;
}

/* Behind a value; gives the place of the next one, or the end of all. */
static HOT const uint8_t *
end_value(struct scan *s, const uint8_t *p)
{
	bool in_object;

	while (s->depth > 0) {
		in_object = s->level[s->depth - 1].is_object;
		p = next_token(s, p);
		if (p == NULL)
			return NULL;
		if (*p == ',') {
			p = next_token(s, p + 1);
			return p != NULL && in_object ? member(s, p) : p;
		}
		if (*p != (in_object ? '}' : ']'))
			return refuse_event(s, p,
			    in_object ? "expected ',' or '}'"
				      : "expected ',' or ']'");
		p = close_level(s, p);
		if (p == NULL)
			return NULL;
	}
	return p;
}

/* ---- numbers and words ------------------------------------------------ */

static HOT bool
is_digit(const struct scan *s, const uint8_t *p)
{
	return p < s->end && *p >= '0' && *p <= '9';
}

/* One digit or more. */
static HOT const uint8_t *
digits(struct scan *s, const uint8_t *p)
{
	if (p == s->end)
		return refuse_event(s, p, "unexpected end");
	if (!is_digit(s, p))
		return refuse_event(s, p, "expected a digit");
	do {
		p++;
	} while (is_digit(s, p));
	return p;
}

static HOT const uint8_t *
number(struct scan *s, const uint8_t *p)
{
	const uint8_t *begin = p;

	if (*p == '-')
		p++;
	if (is_digit(s, p) && *p == '0' && is_digit(s, p + 1))
		return refuse_event(s, begin, "leading zero");
	p = digits(s, p);
	if (p != NULL && p < s->end && *p == '.')
		p = digits(s, p + 1);
	if (p == NULL || p == s->end || (*p | 0x20) != 'e')
		return p;
	p++;
	if (p < s->end && (*p == '+' || *p == '-'))
		p++;
	return digits(s, p);
}

static HOT const uint8_t *
word(struct scan *s, const uint8_t *p, const char *literal, size_t len)
{
	if ((size_t)(s->end - p) < len || memcmp(p, literal, len) != 0)
		return refuse_event(s, p, "invalid literal");
	return p + len;
}

/* A value that is neither object nor array. */
static HOT const uint8_t *
scalar(struct scan *s, const uint8_t *p)
{
	bool escaped;

	switch (*p) {
	case '"':
		p = string_end(s, p + 1, &escaped);
		return p != NULL ? p + 1 : NULL;
	case 't':
		return word(s, p, "true", 4);
	case 'f':
		return word(s, p, "false", 5);
	case 'n':
		return word(s, p, "null", 4);
	default:
		if (*p != '-' && !is_digit(s, p))
			return refuse_event(s, p, "expected a value");
		return number(s, p);
	}
}

/* ---- the whole -------------------------------------------------------- */

/* At the first byte of the value; gives the place behind it. */
static const uint8_t *
walk(struct scan *s, const uint8_t *p)
{
	unsigned depth;

	do {
		depth = s->depth;
		if (*p == '{' || *p == '[') {
			p = open_level(s, p);
			if (s->depth > depth && p != NULL)
				continue;
		} else {
			p = scalar(s, p);
		}
		if (p != NULL)
			p = end_value(s, p);
	} while (p != NULL && s->depth > 0);
	return p;
}

static int
run_scan(struct scan *s)
{
	const uint8_t *p = s->begin;

	if (s->end - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		refuse_event(s, p, "byte order mark");
	else
		p = next_token(s, p);
	if (s->result == 0)
		p = walk(s, p);
	if (s->result == 0)
		p = next_or_end(s, p);
	if (s->result == 0 && p != s->end)
		refuse_event(s, p, "trailing bytes");
	return s->result;
}

static void
scan_init(struct scan *s, size_t limit, const struct tally_event_room *room)
{
	s->begin = NULL;
	s->end = NULL;
	s->run = NULL;
	s->out = NULL;
	s->out_len = 0;
	s->limit = limit < TALLY_EVENT_MAX ? limit : TALLY_EVENT_MAX;
	s->room = room;
	s->names = 0;
	s->error = NULL;
	s->result = 0;
	s->depth = 0;
}

/* The text; its length was judged, for beyond it there are no addresses. */
static void
scan_set_text(struct scan *s, const char *text, size_t len)
{
	/* No arithmetic on NULL, where an empty text came without bytes. */
	s->begin = (const uint8_t *)(text != NULL ? text : "");
	s->end = s->begin + len;
	s->run = s->begin;
}

int
tally_event_scan(const char *in, size_t in_len, size_t limit,
    struct tally_event_room *room, char *out, size_t *out_len,
    struct tally_error *error)
{
	struct scan s;

	scan_init(&s, limit, room);
	s.out = (uint8_t *)out;
	s.error = error;
	if (in_len > 4 * s.limit) {
		refuse_length(&s, "input ", 4 * s.limit);
		return s.result;
	}
	scan_set_text(&s, in, in_len);
	if (run_scan(&s) == 0 && flush(&s, s.end))
		*out_len = s.out_len;
	return s.result;
}

int
tally_event_check(const char *text, size_t len, size_t limit,
    struct tally_event_room *room)
{
	struct scan s;

	scan_init(&s, limit, room);
	if (len > s.limit)
		return TALLY_E_LIMIT;
	scan_set_text(&s, text, len);
	return run_scan(&s);
}
