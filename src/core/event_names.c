/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names given twice in one object.
 *
 * Most objects are judged by a small hash table on the stack.  It decides
 * nothing where names hold escapes, are too many, or were chosen to collide:
 * then the names are sorted.  They are compared as their decoded bytes,
 * decoded on the way where they hold escapes, and equal ones by where they
 * stand; so the order is total and the first of equal names is the first in
 * the text.  Heap sort, because it needs no further room and foreign input
 * cannot make it slow.
 */
#include <string.h>

#include "core/event_names.h"
#include "core/json.h"

/* Slots of the table, and names that it takes. */
#define SLOTS_MAX 4096
#define TABLE_MAX (SLOTS_MAX / 2)

/* A name on its way through the decoder, a piece at a time. */
struct reader {
	const uint8_t *at;
	const uint8_t *end;
	const uint8_t *piece;
	size_t piece_len;
	uint8_t decoded[4];
};

static void
reader_init(struct reader *reader, const uint8_t *text,
    const struct tally_event_name *name)
{
	reader->at = text + name->offset;
	reader->end = reader->at + tally_event_name_len(name);
	reader->piece_len = 0;
}

/* Makes sure that there is a piece; false at the end of the name. */
static bool
reader_fill(struct reader *reader)
{
	const uint8_t *escape;
	int32_t character;

	if (reader->piece_len > 0)
		return true;
	if (reader->at == reader->end)
		return false;
	if (*reader->at == '\\') {
		character = tally_json_escape(&reader->at, reader->end);
		reader->piece = reader->decoded;
		reader->piece_len = tally_utf8_encode(character,
		    reader->decoded);
		return true;
	}
	escape = memchr(reader->at, '\\', (size_t)(reader->end - reader->at));
	if (escape == NULL)
		escape = reader->end;
	reader->piece = reader->at;
	reader->piece_len = (size_t)(escape - reader->at);
	reader->at = escape;
	return true;
}

/* Compares where one of the names holds escapes. */
static int
compare_decoded(const uint8_t *text, const struct tally_event_name *a,
    const struct tally_event_name *b)
{
	struct reader x, y;
	bool more_x, more_y;
	size_t len;
	int order;

	reader_init(&x, text, a);
	reader_init(&y, text, b);
	for (;;) {
		more_x = reader_fill(&x);
		more_y = reader_fill(&y);
		if (!more_x || !more_y)
			return more_x - more_y;
		len = x.piece_len < y.piece_len ? x.piece_len : y.piece_len;
		order = memcmp(x.piece, y.piece, len);
		if (order != 0)
			return order;
		x.piece += len;
		x.piece_len -= len;
		y.piece += len;
		y.piece_len -= len;
	}
}

static int
compare(const uint8_t *text, const struct tally_event_name *a,
    const struct tally_event_name *b)
{
	size_t len = a->len < b->len ? a->len : b->len;
	int order;

	if ((a->len | b->len) & TALLY_NAME_ESCAPED)
		return compare_decoded(text, a, b);
	order = memcmp(text + a->offset, text + b->offset, len);
	if (order != 0)
		return order;
	return (a->len > b->len) - (a->len < b->len);
}

bool
tally_event_name_is_among(const uint8_t *text,
    const struct tally_event_name *name, const struct tally_event_name *names,
    size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		/* Without escapes, other lengths are other names. */
		if (names[i].len != name->len &&
		    !((names[i].len | name->len) & TALLY_NAME_ESCAPED))
			continue;
		if (compare(text, &names[i], name) == 0)
			return true;
	}
	return false;
}

/* Does a come before b, equal ones by where they stand? */
static bool
is_before(const uint8_t *text, const struct tally_event_name *a,
    const struct tally_event_name *b)
{
	int order = compare(text, a, b);

	return order < 0 || (order == 0 && a->offset < b->offset);
}

/* Lets names[root] sink to its place in the heap of count names. */
static void
sift(const uint8_t *text, struct tally_event_name *names, size_t root,
    size_t count)
{
	struct tally_event_name sinking = names[root];
	size_t child;

	while ((child = 2 * root + 1) < count) {
		if (child + 1 < count &&
		    is_before(text, &names[child], &names[child + 1]))
			child++;
		if (!is_before(text, &sinking, &names[child]))
			break;
		names[root] = names[child];
		root = child;
	}
	names[root] = sinking;
}

static void
sort(const uint8_t *text, struct tally_event_name *names, size_t count)
{
	struct tally_event_name last;
	size_t i;

	for (i = count / 2; i > 0; i--)
		sift(text, names, i - 1, count);
	for (i = count - 1; i > 0; i--) {
		last = names[i];
		names[i] = names[0];
		names[0] = last;
		sift(text, names, 0, i);
	}
}

/* Objects in canonical form have their members in order already. */
static bool
is_rising(const uint8_t *text, const struct tally_event_name *names,
    size_t count)
{
	size_t i;

	for (i = 1; i < count; i++) {
		if (compare(text, &names[i - 1], &names[i]) >= 0)
			return false;
	}
	return true;
}

/* Its ends and its length: what tells the names of one object apart. */
static uint32_t
name_hash(const uint8_t *p, size_t len)
{
	uint64_t head = 0, tail = 0;

	if (len >= 8) {
		memcpy(&head, p, 8);
		memcpy(&tail, p + len - 8, 8);
	} else if (len >= 4) {
		memcpy(&head, p, 4);
		memcpy(&tail, p + len - 4, 4);
	} else if (len > 0) {
		head = (uint64_t)p[0] << 16 | (uint64_t)p[len / 2] << 8 |
		    p[len - 1];
	}
	head = (head ^ len) * UINT64_C(0x9e3779b97f4a7c15);
	head ^= head >> 32;
	head = (head ^ tail) * UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)(head >> 32);
}

/*
 * What looking at names in the table may cost, in bytes compared: linear in
 * their number and total length.  0 if the table does not take them.
 */
static size_t
table_budget(const struct tally_event_name *names, size_t count)
{
	size_t budget = 8 * count, i;

	if (count > TABLE_MAX)
		return 0;
	for (i = 0; i < count; i++) {
		if (names[i].len & TALLY_NAME_ESCAPED)
			return 0;
		budget += 4 * (size_t)names[i].len;
	}
	return budget;
}

/*
 * Puts the names into a table, one after the other.  Returns whether that
 * decided it; *out_twice is as tally_event_names_twice has it then.
 */
static bool
table_twice(const uint8_t *text, const struct tally_event_name *names,
    size_t count, const struct tally_event_name **out_twice)
{
	uint16_t slots[SLOTS_MAX]; /* index + 1 of the name there, or 0 */
	size_t budget = table_budget(names, count), size = 64, i, at;

	if (budget == 0)
		return false;
	while (size < 2 * count)
		size *= 2;
	memset(slots, 0, size * sizeof(slots[0]));
	for (i = 0; i < count; i++) {
		at = name_hash(text + names[i].offset, names[i].len);
		while (slots[at &= size - 1] != 0) {
			if (budget <= names[i].len)
				return false;
			budget -= names[i].len + 1;
			*out_twice = &names[i];
			if (tally_event_name_is_among(text, &names[i],
				&names[slots[at++] - 1], 1))
				return true;
		}
		slots[at] = (uint16_t)(i + 1);
	}
	*out_twice = NULL;
	return true;
}

const struct tally_event_name *
tally_event_names_twice(const uint8_t *text, struct tally_event_name *names,
    size_t count)
{
	const struct tally_event_name *twice = NULL;
	size_t i;

	if (table_twice(text, names, count, &twice))
		return twice;
	twice = NULL; /* where the table gave up */
	if (is_rising(text, names, count))
		return NULL;
	sort(text, names, count);
	for (i = 1; i < count; i++) {
		if (twice != NULL && names[i].offset > twice->offset)
			continue;
		if (compare(text, &names[i - 1], &names[i]) == 0)
			twice = &names[i];
	}
	return twice;
}
