/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a node in a canonical form.
 *
 * Open containers are frames of the room.  An object's frame owns the names in
 * order[base, stop): those that are written, sorted; what is opened inside
 * stands behind them.  Names and containers are nodes, so order needs no more
 * room than there are nodes.
 */
#include <string.h>

#include "core/canon.h"
#include "core/fail.h"
#include "core/json.h"

/* As short as this, a number is in the range of every library. */
#define SURE_DIGITS 5

struct writer {
	const char *text;
	struct tally_canon_room *room;
	const struct tally_canon_style *style;
	struct tally_canon_out *out;
	struct tally_error *error;
	unsigned depth;
	uint32_t order; /* names in room->order */
};

/* ---- strings ---------------------------------------------------------- */

static void
put_unit(struct tally_canon_out *out, uint32_t unit)
{
	static const char digits[] = "0123456789abcdef";
	char text[6] = { '\\', 'u', digits[unit >> 12],
		digits[unit >> 8 & 15], digits[unit >> 4 & 15],
		digits[unit & 15] };

	tally_canon_put(out, text, sizeof(text));
}

/* The letter that stands for a character behind a '\', or 0. */
static char
escape_letter(int32_t c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\f':
		return 'f';
	case '\r':
		return 'r';
	default:
		return 0;
	}
}

static void
put_character(struct tally_canon_out *out, int32_t c)
{
	uint8_t bytes[4];
	size_t len = tally_utf8_encode(c, bytes);

	tally_canon_put(out, (const char *)bytes, len);
}

static int
put_escaped(enum tally_canon_form form, int32_t c, struct tally_canon_out *out,
    struct tally_error *error)
{
	bool half = c >= 0xd800 && c <= 0xdfff;
	char letter = escape_letter(c);

	if (form == TALLY_CANON_JSONB && (c == 0 || half))
		return tally_fail(error, TALLY_E_EVENT,
		    "json: %s, which jsonb refuses",
		    half ? "an unpaired surrogate" : "a zero character");
	if (letter != 0) {
		tally_canon_put_char(out, '\\');
		tally_canon_put_char(out, letter);
	} else if (c < 0x20 || half) {
		put_unit(out, (uint32_t)c);
	} else if (form != TALLY_CANON_PYTHON || c < 0x7f) {
		put_character(out, c);
	} else if (c < 0x10000) {
		put_unit(out, (uint32_t)c);
	} else {
		put_unit(out, 0xd800 + (uint32_t)((c - 0x10000) >> 10));
		put_unit(out, 0xdc00 + (uint32_t)((c - 0x10000) & 0x3ff));
	}
	return 0;
}

static int
write_string(const struct writer *w, const struct tally_canon_node *node)
{
	const uint8_t *p = (const uint8_t *)w->text + node->at;
	const uint8_t *begin = p, *end = p + node->len, *stop;
	enum tally_canon_form form = w->style->form;
	unsigned respelled = form == TALLY_CANON_PYTHON
	    ? TALLY_CANON_ESCAPED | TALLY_CANON_WIDE
	    : TALLY_CANON_ESCAPED;
	int r = 0;

	tally_canon_put_char(w->out, '"');
	if ((node->flags & respelled) == 0) {
		tally_canon_put(w->out, (const char *)p, node->len);
		p = end;
	}
	while (p < end && r == 0) {
		stop = tally_json_plain_end(begin, p, end);
		if (stop > p && (node->flags & TALLY_CANON_WIDE) == 0) {
			tally_canon_put(w->out, (const char *)p,
			    (size_t)(stop - p));
			p = stop;
			continue;
		}
		r = put_escaped(form, tally_canon_next(&p, end), w->out,
		    w->error);
	}
	tally_canon_put_char(w->out, '"');
	return r;
}

void
tally_canon_write_plain(const char *text, const struct tally_canon_node *node,
    struct tally_canon_out *out)
{
	const uint8_t *p = (const uint8_t *)text + node->at;
	const uint8_t *end = p + node->len;
	int32_t c;

	if ((node->flags & TALLY_CANON_ESCAPED) == 0) {
		tally_canon_put(out, (const char *)p, node->len);
		return;
	}
	while ((c = tally_canon_next(&p, end)) >= 0)
		put_character(out, c >= 0xd800 && c <= 0xdfff ? 0xfffd : c);
}

int
tally_canon_write_string(enum tally_canon_form form, const char *plain,
    size_t len, struct tally_canon_out *out, struct tally_error *error)
{
	const uint8_t *p = (const uint8_t *)plain, *end = p + len, *next;
	int32_t c;
	int r = 0;

	tally_canon_put_char(out, '"');
	while (p < end && r == 0) {
		/* Here a backslash is a character as others are. */
		if (*p < 0x80) {
			c = *p++;
		} else {
			next = tally_utf8_next(p, end);
			if (next == NULL)
				return tally_fail(error, TALLY_E_EVENT,
				    "json: a text that is not valid UTF-8");
			c = tally_canon_next(&p, end);
		}
		r = put_escaped(form, c, out, error);
	}
	tally_canon_put_char(out, '"');
	return r;
}

/* ---- containers ------------------------------------------------------- */

static bool
is_among(const char *text, const struct tally_canon_node *name,
    const struct tally_canon_text *names, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (tally_canon_equal(text, name, &names[i]))
			return true;
	}
	return false;
}

/* Collects the names of the object that is opened, those that are written. */
static uint32_t
collect(struct writer *w, uint32_t object)
{
	const struct tally_canon_node *nodes = w->room->nodes;
	const struct tally_canon_style *style = w->style;
	uint32_t *names = w->room->order + w->order;
	uint32_t name = object + 1, count = 0;

	for (; name < nodes[object].end; name = nodes[name + 1].end) {
		if (w->depth == 0 && style->without_len > 0 &&
		    is_among(w->text, &nodes[name], style->without,
			style->without_len))
			continue;
		if (style->only_len > 0 &&
		    !is_among(w->text, &nodes[name], style->only,
			style->only_len))
			continue;
		names[count++] = name;
	}
	return tally_canon_sort(style->form, w->text, nodes, names, count);
}

static void
open_container(struct writer *w, uint32_t node)
{
	const struct tally_canon_node *n = &w->room->nodes[node];
	struct tally_canon_frame *frame = &w->room->frames[w->depth];
	bool is_object = n->type == TALLY_CANON_OBJECT;

	frame->is_object = is_object;
	frame->base = w->order;
	if (is_object) {
		frame->at = w->order;
		w->order += collect(w, node);
		frame->stop = w->order;
	} else {
		frame->at = node + 1;
		frame->stop = n->end;
	}
	w->depth++;
	tally_canon_put_char(w->out, is_object ? '{' : '[');
}

static int
write_scalar(const struct writer *w, const struct tally_canon_node *node)
{
	switch (node->type) {
	case TALLY_CANON_STRING:
		return write_string(w, node);
	case TALLY_CANON_NUMBER:
		return tally_canon_number(w->style->form, w->text, node,
		    w->out, w->error);
	default:
		tally_canon_put(w->out, w->text + node->at, node->len);
		return 0;
	}
}

static int
write_value(struct writer *w, uint32_t node)
{
	const struct tally_canon_node *n = &w->room->nodes[node];

	if (n->type < TALLY_CANON_ARRAY)
		return write_scalar(w, n);
	open_container(w, node);
	return 0;
}

/* The next element or member of the innermost container, or its end. */
static int
step(struct writer *w, bool *first)
{
	struct tally_canon_frame *frame = &w->room->frames[w->depth - 1];
	bool jsonb = w->style->form == TALLY_CANON_JSONB;
	const struct tally_canon_node *nodes = w->room->nodes;
	uint32_t value;
	int r = 0;

	if (frame->at == frame->stop) {
		tally_canon_put_char(w->out, frame->is_object ? '}' : ']');
		w->order = frame->base;
		w->depth--;
		*first = false;
		return 0;
	}
	if (!*first)
		tally_canon_put(w->out, ", ", jsonb ? 2 : 1);
	value = frame->at;
	if (frame->is_object) {
		value = w->room->order[frame->at++];
		r = write_string(w, &nodes[value++]);
		tally_canon_put(w->out, ": ", jsonb ? 2 : 1);
	} else {
		frame->at = nodes[value].end;
	}
	*first = nodes[value].type >= TALLY_CANON_ARRAY;
	return r != 0 ? r : write_value(w, value);
}

/*
 * Would the library read all of it?  Also what is not written counts: the
 * earlier ones of members with one name.
 */
static int
check_readable(const struct writer *w, uint32_t node)
{
	struct tally_canon_out nowhere = { NULL, 0, 0, false };
	const struct tally_canon_node *n = &w->room->nodes[node];
	const struct tally_canon_node *end = &w->room->nodes[n->end];
	enum tally_canon_form form = w->style->form;
	struct writer dry = *w;
	int r = 0;

	if (form != TALLY_CANON_JSONB && form != TALLY_CANON_PYTHON)
		return 0;
	dry.out = &nowhere;
	for (; n < end && r == 0; n++) {
		if (n->type == TALLY_CANON_NUMBER && n->len > SURE_DIGITS)
			r = tally_canon_number(form, w->text, n, &nowhere,
			    w->error);
		else if (n->type == TALLY_CANON_STRING &&
		    form == TALLY_CANON_JSONB &&
		    (n->flags & TALLY_CANON_ESCAPED) != 0)
			r = write_string(&dry, n);
	}
	return r;
}

int
tally_canon_write(const char *text, struct tally_canon_room *room,
    uint32_t node, const struct tally_canon_style *style,
    struct tally_canon_out *out, struct tally_error *error)
{
	struct writer w = { text, room, style, out, error, 0, 0 };
	bool first = true;
	int r = check_readable(&w, node);

	if (r == 0)
		r = write_value(&w, node);
	while (r == 0 && w.depth > 0 && !out->full)
		r = step(&w, &first);
	return r == 0 && out->full ? TALLY_PARTIAL : r;
}
