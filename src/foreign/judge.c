/* SPDX-License-Identifier: Apache-2.0 */
/* Building the input of a record, step by step, and hashing it. */
#include <string.h>

#include "core/text.h"
#include "foreign/judge.h"
#include "log/sys.h"

#define NODES_FIRST 4096
#define OUT_FIRST ((size_t)1 << 16)
#define OUT_MAX ((size_t)1 << 28)

struct tally_canon_text
tally_row_text(const struct tally_row *row, int field)
{
	struct tally_canon_text text = { "", 0 };
	const struct tally_canon_node *node;

	if (tally_row_is_null(row, field))
		return text;
	node = &row->room->nodes[row->node[field]];
	if (node->type < TALLY_CANON_ARRAY &&
	    (node->flags & TALLY_CANON_ESCAPED) == 0) {
		text.at = row->line + node->at;
		text.len = node->len;
	}
	return text;
}

static int
grow_room(struct tally_canon_room *room)
{
	size_t capacity = room->capacity == 0 ? NODES_FIRST
					      : 2 * room->capacity;
	void *nodes, *order;

	nodes = tally_sys_realloc(room->nodes, capacity * sizeof(*room->nodes));
	if (nodes == NULL)
		return TALLY_E_MEMORY;
	room->nodes = nodes;
	order = tally_sys_realloc(room->order, capacity * sizeof(*room->order));
	if (order == NULL)
		return TALLY_E_MEMORY;
	room->order = order;
	room->capacity = capacity;
	return 0;
}

int
tally_room_read(struct tally_canon_room *room, const char *text, size_t len,
    size_t *out_nodes, struct tally_error *error)
{
	int r;

	do {
		r = tally_canon_read(text, len, TALLY_CANON_READ_NAN, room,
		    out_nodes, error);
		if (r != TALLY_PARTIAL)
			return r;
		r = grow_room(room);
	} while (r == 0);
	return r;
}

void
tally_room_wipe(struct tally_canon_room *room)
{
	tally_sys_free(room->nodes);
	tally_sys_free(room->order);
}

void
tally_row_pick(const struct tally_profile *profile, struct tally_row *row)
{
	const struct tally_canon_node *nodes = row->room->nodes;
	uint32_t name;
	int i;

	memset(row->node, 0, sizeof(row->node));
	for (name = 1; name < nodes[0].end; name = nodes[name + 1].end) {
		for (i = 0; i < profile->fields_len; i++) {
			if (tally_canon_equal(row->line, &nodes[name],
				&profile->fields[i])) {
				row->node[i] = name + 1;
				break;
			}
		}
	}
}

bool
tally_row_is_start(const struct tally_profile *profile,
    const struct tally_row *row)
{
	struct tally_canon_text prev = tally_row_text(row, profile->prev);

	if (tally_row_is_null(row, profile->prev))
		return profile->start_null;
	return !profile->start_null && prev.len == profile->start.len &&
	    memcmp(prev.at, profile->start.at, prev.len) == 0;
}

struct tally_canon_text
tally_row_basis(const struct tally_profile *profile,
    const struct tally_row *row)
{
	if (!tally_row_is_start(profile, row))
		return tally_row_text(row, profile->prev);
	if (profile->basis_field == TALLY_NO_FIELD)
		return profile->basis;
	if (tally_row_is_null(row, profile->basis_field))
		return (struct tally_canon_text){ NULL, 0 };
	return tally_row_text(row, profile->basis_field);
}

static void
put(struct tally_canon_out *out, const struct tally_canon_text *text)
{
	tally_canon_put(out, text->at, text->len);
}

static int
put_hex(struct tally_canon_out *out, const struct tally_canon_text *text)
{
	uint8_t bytes[64];

	if (text->len / 2 > sizeof(bytes) ||
	    tally_hex_parse(text->at, text->len, false, bytes, text->len / 2) !=
		0)
		return TALLY_E_EVENT;
	tally_canon_put(out, (const char *)bytes, text->len / 2);
	return 0;
}

static int
put_int64(struct tally_canon_out *out, const struct tally_canon_text *text)
{
	uint64_t value;
	int shift;

	if (tally_decimal_parse(text->at, text->len, INT64_MAX, &value) != 0)
		return TALLY_E_EVENT;
	for (shift = 56; shift >= 0; shift -= 8)
		tally_canon_put_char(out, (char)(uint8_t)(value >> shift));
	return 0;
}

static int
put_time(struct tally_canon_out *out, const struct tally_canon_text *text,
    unsigned precision)
{
	char whole[TALLY_TIME_TEXT_SIZE];
	int64_t time_us;

	if (tally_time_parse(text->at, text->len, &time_us) != 0)
		return TALLY_E_EVENT;
	tally_time_format(time_us, whole);
	tally_canon_put(out, whole, 20 + precision);
	tally_canon_put_char(out, 'Z');
	return 0;
}

static int
put_field(const struct tally_step *step, const struct tally_row *row,
    struct tally_canon_out *out)
{
	uint32_t at = row->node[step->field];
	const struct tally_canon_node *node = &row->room->nodes[at];
	struct tally_canon_text text = tally_row_text(row, step->field);

	switch (step->kind) {
	case TALLY_STEP_JSON:
		return tally_canon_write(row->line, row->room, at, &step->style,
		    out, NULL);
	case TALLY_STEP_HEX:
		return put_hex(out, &text);
	case TALLY_STEP_INT64:
		return put_int64(out, &text);
	case TALLY_STEP_TIME:
		return put_time(out, &text, step->precision);
	default:
		if (node->type >= TALLY_CANON_ARRAY)
			return TALLY_E_EVENT;
		if (node->type == TALLY_CANON_STRING)
			tally_canon_write_plain(row->line, node, out);
		else
			put(out, &text);
		return 0;
	}
}

static int
put_step(const struct tally_step *step, const struct tally_row *row,
    const struct tally_canon_text *basis, struct tally_canon_out *out)
{
	switch (step->kind) {
	case TALLY_STEP_LITERAL:
		put(out, &step->text);
		return 0;
	case TALLY_STEP_PREV:
		put(out, basis);
		return 0;
	case TALLY_STEP_PREV_HEX:
		return put_hex(out, basis);
	case TALLY_STEP_PREV_JSON:
		return tally_canon_write_string(step->style.form, basis->at,
		    basis->len, out, NULL);
	case TALLY_STEP_RECORD:
		return tally_canon_write(row->line, row->room, 0, &step->style,
		    out, NULL);
	default:
		if (!tally_row_is_null(row, step->field))
			return put_field(step, row, out);
		put(out, &step->text);
		return 0;
	}
}

static int
grow(struct tally_canon_out *out)
{
	size_t capacity = out->capacity == 0 ? OUT_FIRST : 2 * out->capacity;
	char *at;

	if (capacity > OUT_MAX)
		return TALLY_E_LIMIT;
	at = tally_sys_realloc(out->at, capacity);
	if (at == NULL)
		return TALLY_E_MEMORY;
	out->at = at;
	out->capacity = capacity;
	return 0;
}

/* Builds the input; 0, or that it has no form, or no memory. */
static int
build(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis)
{
	struct tally_canon_out *out = &judging->out;
	size_t i;
	int r;

	do {
		r = out->full || out->capacity == 0 ? grow(out) : 0;
		out->len = 0;
		out->full = false;
		for (i = 0; i < input->steps_len && r == 0; i++)
			r = put_step(&input->steps[i], row, basis, out);
	} while ((r == 0 || r == TALLY_PARTIAL) && out->full);
	return r;
}

int
tally_judge_hash(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    struct tally_hash *out)
{
	int r = build(judging, input, row, basis);

	if (r == 0)
		*out = tally_hash_bytes(&judging->hasher, judging->out.at,
		    judging->out.len);
	return r;
}

static int
matches(struct tally_judging *judging, const struct tally_input *input,
    const struct tally_row *row, const struct tally_canon_text *basis,
    const struct tally_hash *stored, bool *out)
{
	struct tally_hash hash;
	int r = tally_judge_hash(judging, input, row, basis, &hash);

	if (r == 0)
		*out = tally_hash_equal(&hash, stored);
	return r;
}

/* What the rule's record covers by a digest beside its own hash. */
static int
check(struct tally_judging *judging, const struct tally_rule *rule,
    const struct tally_row *row, const struct tally_canon_text *basis,
    bool *out)
{
	struct tally_canon_text text = tally_row_text(row, rule->check.field);
	struct tally_hash stored;

	*out = true;
	if (rule->check.field == TALLY_NO_FIELD)
		return 0;
	*out = false;
	if (tally_hash_parse(text.at, text.len, &stored) != 0)
		return 0;
	return matches(judging, &rule->check.input, row, basis, &stored, out);
}

static int
judge_rule(struct tally_judging *judging, const struct tally_rule *rule,
    const struct tally_row *row, const struct tally_canon_text *basis,
    const struct tally_hash *stored, enum tally_judgement *out)
{
	static const struct tally_canon_text nothing = { "", 0 };
	bool good = false;
	int r;

	if (rule->when != TALLY_NO_FIELD &&
	    tally_row_is_null(row, rule->when) != rule->when_null)
		return 0;
	if (rule->without_prev)
		basis = &nothing;
	else if (basis->at == NULL)
		return 0;
	r = matches(judging, &rule->input, row, basis, stored, &good);
	if (r == 0 && good) {
		r = check(judging, rule, row, basis, &good);
		*out = good ? TALLY_HOLDS : TALLY_CHECK_FAILS;
	}
	if (r == TALLY_E_EVENT || r == TALLY_E_LIMIT) {
		if (*out != TALLY_CHECK_FAILS)
			*out = TALLY_HAS_NO_FORM;
		r = 0;
	}
	return r;
}

int
tally_judge_row(struct tally_judging *judging, const struct tally_row *row,
    const struct tally_canon_text *basis, const struct tally_hash *stored,
    int *era, enum tally_judgement *out)
{
	const struct tally_profile *profile = judging->profile;
	int i, k, r = 0;

	*out = TALLY_HOLDS_NOT;
	for (i = 0; i < profile->eras_len && r == 0; i++) {
		k = (*era + i) % profile->eras_len;
		r = judge_rule(judging, &profile->eras[k], row, basis, stored,
		    out);
		if (*out == TALLY_HOLDS || *out == TALLY_CHECK_FAILS) {
			*era = k;
			return r;
		}
	}
	for (i = 0; i < profile->traps_len && r == 0; i++) {
		enum tally_judgement trap = TALLY_HOLDS_NOT;

		r = judge_rule(judging, &profile->traps[i], row, basis, stored,
		    &trap);
		if (trap == TALLY_HOLDS) {
			*out = TALLY_HOLDS_BY_TRAP;
			*era = i;
			return r;
		}
	}
	return r;
}
