/* SPDX-License-Identifier: Apache-2.0 */
/* The order of members.  Names are compared as they stand in the text, decoded
 * character by character only where one of them has an escape. */
#include <string.h>

#include "core/canon.h"
#include "core/jcs.h"
#include "core/json.h"

/* Fewer names than this are sorted by insertion. */
#define INSERTION_MAX 16

#define INDEX_MAX UINT32_C(4294967294) /* the largest index of an array */
#define INDEX_DIGITS 10

int32_t
tally_canon_next(const uint8_t **p, const uint8_t *end)
{
	const uint8_t *at = *p;
	int32_t c;

	if (at == end)
		return -1;
	if (*at == '\\') {
		c = tally_json_escape(p, end);
		if (c != -2)
			return c;
		*p = at + 6;
		return tally_json_unit(at, end);
	}
	if (*at < 0x80) {
		*p = at + 1;
		return *at;
	}
	if (*at < 0xe0) {
		*p = at + 2;
		return (at[0] & 0x1f) << 6 | (at[1] & 0x3f);
	}
	if (*at < 0xf0) {
		*p = at + 3;
		return (at[0] & 0x0f) << 12 | (at[1] & 0x3f) << 6 |
		    (at[2] & 0x3f);
	}
	*p = at + 4;
	return (at[0] & 0x07) << 18 | (at[1] & 0x3f) << 12 |
	    (at[2] & 0x3f) << 6 | (at[3] & 0x3f);
}

/* A name that is being gone through, by characters or by UTF-16 units. */
struct walk {
	const uint8_t *p;
	const uint8_t *end;
	int32_t low; /* the second half of a pair, or -1 */
};

static struct walk
walk_begin(const char *text, const struct tally_canon_node *node)
{
	const uint8_t *p = (const uint8_t *)text + node->at;

	return (struct walk){ p, p + node->len, -1 };
}

static int32_t
walk_unit(struct walk *walk)
{
	int32_t c = walk->low;

	if (c >= 0) {
		walk->low = -1;
		return c;
	}
	c = tally_canon_next(&walk->p, walk->end);
	if (c < 0x10000)
		return c;
	walk->low = 0xdc00 + ((c - 0x10000) & 0x3ff);
	return 0xd800 + ((c - 0x10000) >> 10);
}

static int
compare_decoded(const char *text, const struct tally_canon_node *a,
    const struct tally_canon_node *b, bool units)
{
	struct walk x = walk_begin(text, a), y = walk_begin(text, b);
	int32_t i, j;

	do {
		i = units ? walk_unit(&x) : tally_canon_next(&x.p, x.end);
		j = units ? walk_unit(&y) : tally_canon_next(&y.p, y.end);
	} while (i == j && i >= 0);
	return (i > j) - (i < j);
}

static int
compare_bytes(const char *text, const struct tally_canon_node *a,
    const struct tally_canon_node *b)
{
	uint32_t len = a->len < b->len ? a->len : b->len;
	int order = memcmp(text + a->at, text + b->at, len);

	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

/* The name as an index of an array, or -1: digits without a leading zero. */
static int64_t
array_index(const char *text, const struct tally_canon_node *node)
{
	struct walk walk = walk_begin(text, node);
	int64_t value = 0;
	int32_t c;
	int digits = 0;

	if (node->len == 0 || ((text[node->at] < '0' || text[node->at] > '9') &&
		text[node->at] != '\\'))
		return -1;
	while ((c = tally_canon_next(&walk.p, walk.end)) >= 0) {
		if (c < '0' || c > '9' || digits == INDEX_DIGITS ||
		    (digits == 1 && value == 0))
			return -1;
		value = value * 10 + (c - '0');
		digits++;
	}
	return value <= INDEX_MAX ? value : -1;
}

/* Bytes of the name in UTF-8. */
static uint32_t
decoded_len(const char *text, const struct tally_canon_node *node)
{
	struct walk walk = walk_begin(text, node);
	uint8_t bytes[4];
	uint32_t len = 0;
	int32_t c;

	if ((node->flags & TALLY_CANON_ESCAPED) == 0)
		return node->len;
	while ((c = tally_canon_next(&walk.p, walk.end)) >= 0)
		len += (uint32_t)tally_utf8_encode(c, bytes);
	return len;
}

int
tally_canon_compare(enum tally_canon_form form, const char *text,
    const struct tally_canon_node *a, const struct tally_canon_node *b)
{
	bool escaped = ((a->flags | b->flags) & TALLY_CANON_ESCAPED) != 0;
	int64_t i, j;

	if (form == TALLY_CANON_JS_PROPERTY) {
		i = array_index(text, a);
		j = array_index(text, b);
		if (i >= 0 && j >= 0)
			return (i > j) - (i < j);
		if (i >= 0 || j >= 0)
			return i >= 0 ? -1 : 1;
	}
	if (form == TALLY_CANON_JSONB) {
		i = decoded_len(text, a);
		j = decoded_len(text, b);
		if (i != j)
			return i < j ? -1 : 1;
	}
	if (form == TALLY_CANON_JS_PROPERTY || form == TALLY_CANON_JS_UTF16) {
		if (escaped)
			return compare_decoded(text, a, b, true);
		return tally_jcs_compare(text + a->at, a->len, text + b->at,
		    b->len);
	}
	return escaped ? compare_decoded(text, a, b, false)
		       : compare_bytes(text, a, b);
}

struct sorter {
	enum tally_canon_form form;
	const char *text;
	const struct tally_canon_node *nodes;
	uint32_t *names;
};

/* Equal names keep the order in which they stand. */
static bool
is_before(const struct sorter *s, uint32_t a, uint32_t b)
{
	int order = tally_canon_compare(s->form, s->text, &s->nodes[a],
	    &s->nodes[b]);

	return order < 0 || (order == 0 && a < b);
}

static void
sort_few(const struct sorter *s, uint32_t count)
{
	uint32_t i, j, name;

	for (i = 1; i < count; i++) {
		name = s->names[i];
		for (j = i; j > 0 && is_before(s, name, s->names[j - 1]); j--)
			s->names[j] = s->names[j - 1];
		s->names[j] = name;
	}
}

static void
sift(const struct sorter *s, uint32_t at, uint32_t count)
{
	uint32_t name = s->names[at], child;

	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count &&
		    is_before(s, s->names[child], s->names[child + 1]))
			child++;
		if (!is_before(s, name, s->names[child]))
			break;
		s->names[at] = s->names[child];
		at = child;
	}
	s->names[at] = name;
}

static void
sort_many(const struct sorter *s, uint32_t count)
{
	uint32_t i, last;

	for (i = count / 2; i-- > 0;)
		sift(s, i, count);
	for (i = count; i-- > 1;) {
		last = s->names[i];
		s->names[i] = s->names[0];
		s->names[0] = last;
		sift(s, 0, i);
	}
}

uint32_t
tally_canon_sort(enum tally_canon_form form, const char *text,
    const struct tally_canon_node *nodes, uint32_t *names, uint32_t count)
{
	struct sorter s = { form, text, nodes, names };
	uint32_t i, kept = 0;
	bool sorted = true, equal = false;
	int order;

	for (i = 1; i < count && sorted; i++) {
		order = tally_canon_compare(form, text, &nodes[names[i - 1]],
		    &nodes[names[i]]);
		sorted = order <= 0;
		equal |= order == 0;
	}
	if (sorted && !equal)
		return count;
	if (!sorted && count <= INSERTION_MAX)
		sort_few(&s, count);
	else if (!sorted)
		sort_many(&s, count);
	for (i = 0; i < count; i++) {
		if (i + 1 < count &&
		    tally_canon_compare(form, text, &nodes[names[i]],
			&nodes[names[i + 1]]) == 0)
			continue;
		names[kept++] = names[i];
	}
	return kept;
}

bool
tally_canon_equal(const char *text, const struct tally_canon_node *node,
    const struct tally_canon_text *plain)
{
	const uint8_t *q = (const uint8_t *)plain->at;
	const uint8_t *q_end = q + plain->len;
	struct walk walk;
	uint8_t bytes[4];
	size_t len;
	int32_t c;

	if ((node->flags & TALLY_CANON_ESCAPED) == 0)
		return node->len == plain->len &&
		    memcmp(text + node->at, plain->at, plain->len) == 0;
	walk = walk_begin(text, node);
	while ((c = tally_canon_next(&walk.p, walk.end)) >= 0) {
		len = tally_utf8_encode(c, bytes);
		if ((size_t)(q_end - q) < len || memcmp(q, bytes, len) != 0)
			return false;
		q += len;
	}
	return q == q_end;
}
