/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An "object" step: {"object": {NAME: FIELD, ...}, "as": FORM}.  Its members
 * stand in the order of the form, however the profile has them, and their
 * names are written as the form writes text.
 */
#include <string.h>

#include "core/fail.h"
#include "foreign/steps.h"
#include "log/sys.h"

#define MEMBERS_MAX 64
#define NAME_MAX_BYTES 1600 /* of a name of 256 bytes, all of it escaped */

struct names {
	struct tally_canon_room room;
	struct tally_canon_node nodes[2 * MEMBERS_MAX + 1];
	uint32_t order[2 * MEMBERS_MAX + 1];
};

/* The names as a document, for the sort of the forms; the caller's to free. */
static char *
names_of(json_t *members)
{
	json_t *object = json_object();
	const char *name;
	json_t *value;
	char *text;

	json_object_foreach(members, name, value) {
		(void)json_object_set_new(object, name, json_null());
	}
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

static void
add_text(struct tally_parser *p, struct tally_input *input, const char *text)
{
	tally_parse_literal(p, input,
	    (struct tally_canon_text){ text, strlen(text) });
}

/* A name in its quotes, and its colon. */
static void
add_name(struct tally_parser *p, struct tally_input *input,
    enum tally_canon_form form, const char *name)
{
	char text[NAME_MAX_BYTES];
	struct tally_canon_out out = { text, 0, sizeof(text), false };

	if (tally_canon_write_string(form, name, strlen(name), &out, NULL) !=
		0 ||
	    out.full) {
		tally_parse_refuse(p, "the form cannot write this name");
		return;
	}
	tally_canon_put(&out, ": ", form == TALLY_CANON_JSONB ? 2 : 1);
	tally_parse_literal(p, input, tally_parse_keep(p, text, out.len));
}

/* {"field": NAME, "as": FILTER} of a member: its text is a JSON string. */
static void
add_filtered(struct tally_parser *p, json_t *value, struct tally_input *input)
{
	struct tally_step *step;

	tally_parse_field_step(p, value, input);
	if (p->result != 0)
		return;
	step = &input->steps[input->steps_len - 1];
	if (step->kind == TALLY_STEP_INT64 || step->kind == TALLY_STEP_INT32 ||
	    step->kind == TALLY_STEP_HEX || step->kind == TALLY_STEP_BASE64 ||
	    step->kind == TALLY_STEP_TEXT) {
		tally_parse_refuse(p,
		    "a member takes a time, an epoch or a form of JSON");
		return;
	}
	step->quoted = step->kind == TALLY_STEP_TIME;
	if (step->text.len == 0)
		step->text = (struct tally_canon_text){ "null", 4 };
}

static void
add_member(struct tally_parser *p, struct tally_input *input,
    const struct tally_canon_style *style, const char *name, json_t *value)
{
	size_t before = tally_parse_enter(p, name, 0);
	struct tally_step *step;

	add_name(p, input, style->form, name);
	if (json_object_get(value, "field") != NULL) {
		add_filtered(p, value, input);
		tally_parse_leave(p, before);
		return;
	}
	step = tally_parse_step(p, input, TALLY_STEP_JSON);
	if (step != NULL) {
		step->style = *style;
		step->text = (struct tally_canon_text){ "null", 4 };
		if (json_is_string(value) && json_string_length(value) > 0)
			step->field = tally_parse_field(p, value);
		else if (json_is_true(json_object_get(value, "prev")))
			step->kind = TALLY_STEP_PREV_JSON;
		else
			tally_parse_refuse(p,
			    "expected the name of a field, or"
			    " {\"prev\": true}");
	}
	tally_parse_leave(p, before);
}

static void
add_members(struct tally_parser *p, json_t *members, struct names *names,
    const struct tally_canon_style *style, struct tally_input *input)
{
	const char *separator = style->form == TALLY_CANON_JSONB ? ", " : ",";
	const char *name;
	char *text = names_of(members);
	uint32_t count = 0, i;
	size_t nodes;
	json_t *value;

	if (text == NULL ||
	    tally_canon_read(text, strlen(text), 0, &names->room, &nodes,
		NULL) != 0) {
		tally_parse_refuse(p, "the names cannot be read");
		goto out;
	}
	for (i = 1; i < nodes; i += 2)
		names->order[count++] = i;
	count = tally_canon_sort(style->form, text, names->nodes, names->order,
	    count);
	add_text(p, input, "{");
	for (i = 0; i < count && p->result == 0; i++) {
		if (i > 0)
			add_text(p, input, separator);
		json_object_foreach(members, name, value) {
			struct tally_canon_text plain = { name, strlen(name) };

			if (tally_canon_equal(text,
				&names->nodes[names->order[i]], &plain))
				add_member(p, input, style, name, value);
		}
	}
	add_text(p, input, "}");
out:
	tally_sys_free(text);
}

void
tally_parse_object(struct tally_parser *p, json_t *json,
    struct tally_input *input)
{
	static const char *const known[] = { "object", "as", "only", NULL };
	json_t *members = json_object_get(json, "object");
	json_t *as = tally_parse_text_member(p, json, "as", true);
	json_t *only = json_object_get(json, "only");
	struct tally_canon_style style = { .form = TALLY_CANON_JS_PROPERTY };
	struct names *names;

	tally_parse_only(p, json, known);
	if (!json_is_object(members) || json_object_size(members) == 0 ||
	    json_object_size(members) > MEMBERS_MAX)
		tally_parse_refuse(p,
		    "\"object\" must be an object of 1 to %d members",
		    MEMBERS_MAX);
	if (as != NULL && !tally_parse_form(json_string_value(as), &style.form))
		tally_parse_refuse(p, "unknown form \"%s\"",
		    json_string_value(as));
	if (only != NULL)
		style.only = tally_parse_names(p, only, &style.only_len);
	if (p->result != 0)
		return;
	names = tally_sys_alloc(sizeof(*names));
	if (names == NULL) {
		p->result = tally_fail(p->error, TALLY_E_MEMORY,
		    "out of memory");
		return;
	}
	names->room.nodes = names->nodes;
	names->room.order = names->order;
	names->room.capacity = 2 * MEMBERS_MAX + 1;
	add_members(p, members, names, &style, input);
	tally_sys_free(names);
}
