/* SPDX-License-Identifier: Apache-2.0 */
/* Building the input of a record, step by step. */
#include <string.h>

#include "core/text.h"
#include "foreign/judge.h"
#include "log/sys.h"

static void
put(struct tally_canon_out *out, const struct tally_canon_text *text)
{
	tally_canon_put(out, text->at, text->len);
}

static int
put_hex(struct tally_canon_out *out, const struct tally_canon_text *text)
{
	uint8_t bytes[512];

	if (text->len / 2 > sizeof(bytes) ||
	    tally_hex_parse(text->at, text->len, false, bytes, text->len / 2) !=
		0)
		return TALLY_E_EVENT;
	tally_canon_put(out, (const char *)bytes, text->len / 2);
	return 0;
}

static int
put_base64(struct tally_canon_out *out, const struct tally_canon_text *text)
{
	uint8_t bytes[512];
	size_t len;

	if (tally_base64_parse(text->at, text->len, bytes, sizeof(bytes),
		&len) != 0)
		return TALLY_E_EVENT;
	tally_canon_put(out, (const char *)bytes, len);
	return 0;
}

/* The link's bytes: whatever its encoding. */
static int
put_link(struct tally_judging *judging, const struct tally_canon_text *basis)
{
	const struct tally_profile *profile = judging->profile;
	struct tally_digest digest;

	if (tally_profile_digest(profile, basis->at, basis->len, &digest) != 0)
		return TALLY_E_EVENT;
	tally_canon_put(&judging->out, (const char *)digest.b,
	    profile->digest_size);
	return 0;
}

/* size bytes, big-endian. */
static int
put_integer(struct tally_canon_out *out, const struct tally_canon_text *text,
    int size)
{
	bool negative = text->len > 0 && text->at[0] == '-';
	uint64_t max = size == 8 ? INT64_MAX : INT32_MAX, value;
	int shift;

	if (tally_decimal_parse(text->at + negative, text->len - negative,
		max + negative, &value) != 0)
		return TALLY_E_EVENT;
	if (negative)
		value = ~value + 1;
	for (shift = 8 * (size - 1); shift >= 0; shift -= 8)
		tally_canon_put_char(out, (char)(uint8_t)(value >> shift));
	return 0;
}

static int
put_time(const struct tally_judging *judging, struct tally_canon_out *out,
    const struct tally_canon_text *text, unsigned precision)
{
	char whole[TALLY_TIME_TEXT_SIZE];
	int64_t time_us;

	if (tally_time_parse(text->at, text->len, &time_us) != 0)
		return TALLY_E_EVENT;
	tally_time_format(time_us + judging->shift_us, whole);
	tally_canon_put(out, whole, precision > 0 ? 20 + precision : 19);
	tally_canon_put_char(out, 'Z');
	return 0;
}

static int
put_epoch(const struct tally_judging *judging, struct tally_canon_out *out,
    const struct tally_canon_text *text, unsigned precision)
{
	char digits[TALLY_DECIMAL_MAX];
	int64_t time_us, unit = 1;
	unsigned i;

	if (tally_time_parse(text->at, text->len, &time_us) != 0)
		return TALLY_E_EVENT;
	time_us += judging->shift_us;
	for (i = precision; i < 6; i++)
		unit *= 10;
	/* Before 1970 a part of a unit counts downwards. */
	time_us = time_us / unit - (time_us % unit < 0);
	if (time_us < 0)
		tally_canon_put_char(out, '-');
	tally_canon_put(out, digits,
	    tally_decimal_format(time_us < 0 ? (uint64_t)-time_us
					     : (uint64_t)time_us,
		digits));
	return 0;
}

static int
put_plain(struct tally_canon_out *out, const struct tally_row *row, int field)
{
	const struct tally_canon_node *node = &row->room
						   ->nodes[row->node[field]];

	if (node->type >= TALLY_CANON_ARRAY)
		return TALLY_E_EVENT;
	if (node->type == TALLY_CANON_STRING)
		tally_canon_write_plain(row->line, node, out);
	else
		tally_canon_put(out, row->line + node->at, node->len);
	return 0;
}

/* The field's own members, and behind them those that had no value. */
static int
put_undefined(const struct tally_step *step, const struct tally_row *row,
    uint32_t at, struct tally_canon_out *made)
{
	size_t i;
	int r = tally_canon_write(row->line, row->room, at, &step->style, made,
	    NULL);

	if (r != 0)
		return r;
	made->len--; /* the brace */
	for (i = 0; i < step->undefined_len && r == 0; i++) {
		/* What has a value had one: else any value would hold. */
		if (tally_row_member(row, at, &step->undefined[i]) != 0)
			continue;
		if (made->at[made->len - 1] != '{')
			tally_canon_put_char(made, ',');
		r = tally_canon_write_string(step->style.form,
		    step->undefined[i].at, step->undefined[i].len, made, NULL);
		tally_canon_put(made, ":undefined", 10);
	}
	tally_canon_put_char(made, '}');
	return r;
}

/* That as a document, to be written in the order of its form. */
static int
make_undefined(struct tally_judging *judging, const struct tally_step *step,
    const struct tally_row *row, uint32_t at)
{
	struct tally_canon_out *made = &judging->made;
	size_t nodes;
	int r;

	do {
		r = made->full || made->capacity == 0 ? tally_out_grow(made)
						      : 0;
		made->len = 0;
		made->full = false;
		if (r == 0)
			r = put_undefined(step, row, at, made);
	} while ((r == 0 || r == TALLY_PARTIAL) && made->full);
	if (r != 0)
		return r;
	return tally_room_read(&judging->made_room, made->at, made->len,
	    TALLY_CANON_READ_UNDEFINED | TALLY_CANON_READ_NAN, &nodes, NULL);
}

static int
put_json(struct tally_judging *judging, const struct tally_step *step,
    const struct tally_row *row)
{
	uint32_t at = row->node[step->field];
	int r;

	if (step->undefined_len == 0 ||
	    row->room->nodes[at].type != TALLY_CANON_OBJECT)
		return tally_canon_write(row->line, row->room, at, &step->style,
		    &judging->out, NULL);
	r = make_undefined(judging, step, row, at);
	return r != 0 ? r
		      : tally_canon_write(judging->made.at, &judging->made_room,
			    0, &step->style, &judging->out, NULL);
}

static int
put_value(struct tally_judging *judging, const struct tally_step *step,
    const struct tally_row *row)
{
	struct tally_canon_text text = tally_row_text(row, step->field);
	struct tally_canon_out *out = &judging->out;

	switch (step->kind) {
	case TALLY_STEP_JSON:
		return put_json(judging, step, row);
	case TALLY_STEP_HEX:
		return put_hex(out, &text);
	case TALLY_STEP_BASE64:
		return put_base64(out, &text);
	case TALLY_STEP_INT64:
		return put_integer(out, &text, 8);
	case TALLY_STEP_INT32:
		return put_integer(out, &text, 4);
	case TALLY_STEP_TIME:
		return put_time(judging, out, &text, step->precision);
	case TALLY_STEP_EPOCH:
		return put_epoch(judging, out, &text, step->precision);
	default:
		return put_plain(out, row, step->field);
	}
}

static int
put_field(struct tally_judging *judging, const struct tally_step *step,
    const struct tally_row *row)
{
	int r;

	if (tally_row_is_null(row, step->field)) {
		put(&judging->out, &step->text);
		return 0;
	}
	if (step->quoted)
		tally_canon_put_char(&judging->out, '"');
	r = put_value(judging, step, row);
	if (step->quoted)
		tally_canon_put_char(&judging->out, '"');
	return r;
}

int
tally_judge_step(struct tally_judging *judging, const struct tally_step *step,
    const struct tally_row *row, const struct tally_canon_text *basis)
{
	struct tally_canon_out *out = &judging->out;

	switch (step->kind) {
	case TALLY_STEP_LITERAL:
		put(out, &step->text);
		return 0;
	case TALLY_STEP_PREV:
		put(out, basis);
		return 0;
	case TALLY_STEP_PREV_BYTES:
		return put_link(judging, basis);
	case TALLY_STEP_PREV_JSON:
		return tally_canon_write_string(step->style.form, basis->at,
		    basis->len, out, NULL);
	case TALLY_STEP_RECORD:
		return tally_canon_write(row->line, row->room, 0, &step->style,
		    out, NULL);
	default:
		return put_field(judging, step, row);
	}
}

/* What was put since begin gives way to its digest. */
static void
end_nested(struct tally_judging *judging, const struct tally_step *step,
    size_t begin)
{
	struct tally_canon_out *out = &judging->out;
	size_t size = judging->digester.size;
	char hex[2 * TALLY_DIGEST_MAX];
	struct tally_digest digest;

	tally_digest_bytes(&judging->digester, out->at + begin,
	    out->len - begin, &digest);
	out->len = begin;
	tally_hex_format(digest.b, size, hex);
	if (step->kind == TALLY_STEP_END_BYTES)
		tally_canon_put(out, (const char *)digest.b, size);
	else
		tally_canon_put(out, hex, 2 * size);
}

static int
build_once(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    size_t *out_step)
{
	struct tally_canon_out *out = &judging->out;
	size_t begins[TALLY_NESTED_MAX] = { 0 }, i;
	int depth = 0, r = 0;

	for (i = 0; i < input->steps_len && r == 0; i++) {
		const struct tally_step *step = &input->steps[i];

		*out_step = i;
		if (step->kind == TALLY_STEP_BEGIN)
			begins[depth++] = out->len;
		else if (step->kind >= TALLY_STEP_END_HEX)
			end_nested(judging, step, begins[--depth]);
		else
			r = tally_judge_step(judging, step, row, basis);
	}
	return r;
}

int
tally_judge_build(struct tally_judging *judging,
    const struct tally_input *input, const struct tally_row *row,
    const struct tally_canon_text *basis, size_t *out_step)
{
	struct tally_canon_out *out = &judging->out;
	size_t step;
	int r;

	do {
		r = out->full || out->capacity == 0 ? tally_out_grow(out) : 0;
		out->len = 0;
		out->full = false;
		if (r == 0)
			r = build_once(judging, input, row, basis,
			    out_step != NULL ? out_step : &step);
	} while ((r == 0 || r == TALLY_PARTIAL) && out->full);
	return r;
}
