/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of an input. */
#include <string.h>

#include "foreign/steps.h"

/* {"record": FORM, "without": [NAME, ...]} */
static void
parse_record(struct tally_parser *p, json_t *json, struct tally_input *input)
{
	static const char *const known[] = { "record", "without", NULL };
	json_t *form = tally_parse_text_member(p, json, "record", true);
	json_t *without = json_object_get(json, "without");
	struct tally_step *step = tally_parse_step(p, input, TALLY_STEP_RECORD);
	size_t before;

	tally_parse_only(p, json, known);
	if (step == NULL || form == NULL)
		return;
	p->profile->whole = true;
	if (!tally_parse_form(json_string_value(form), &step->style.form)) {
		before = tally_parse_enter(p, "record", 0);
		tally_parse_refuse(p, "unknown form \"%s\"",
		    json_string_value(form));
		tally_parse_leave(p, before);
	}
	if (without == NULL)
		return;
	before = tally_parse_enter(p, "without", 0);
	step->style.without = tally_parse_names(p, without,
	    &step->style.without_len);
	tally_parse_leave(p, before);
}

static void
parse_prev(struct tally_parser *p, json_t *json, struct tally_input *input)
{
	static const char *const known[] = { "prev", NULL };
	json_t *prev = json_object_get(json, "prev");
	const char *word = json_is_string(prev) ? json_string_value(prev) : "";

	tally_parse_only(p, json, known);
	if (strcmp(word, "text") == 0)
		(void)tally_parse_step(p, input, TALLY_STEP_PREV);
	else if (strcmp(word, "hex") == 0)
		(void)tally_parse_step(p, input, TALLY_STEP_PREV_BYTES);
	else
		tally_parse_refuse(p, "\"prev\" is \"text\" or \"hex\"");
}

static void
parse_step(struct tally_parser *p, json_t *json, struct tally_input *input)
{
	if (json_is_string(json))
		tally_parse_literal(p, input, tally_parse_text(json));
	else if (json_object_get(json, "prev") != NULL)
		parse_prev(p, json, input);
	else if (json_object_get(json, "field") != NULL)
		tally_parse_field_step(p, json, input);
	else if (json_object_get(json, "record") != NULL)
		parse_record(p, json, input);
	else if (json_object_get(json, "object") != NULL)
		tally_parse_object(p, json, input);
	else
		tally_parse_refuse(p,
		    "expected text, or an object with \"prev\","
		    " \"field\", \"record\", \"object\" or \"digest\"");
}

/* {"digest": [STEP, ...], "as": "hex" | "bytes"}, and where it ends. */
static void
begin_nested(struct tally_parser *p, json_t *json, struct tally_input *input,
    enum tally_step_kind *out_end)
{
	static const char *const known[] = { "digest", "as", NULL };
	json_t *as = tally_parse_text_member(p, json, "as", false);
	const char *word = as != NULL ? json_string_value(as) : "hex";

	tally_parse_only(p, json, known);
	*out_end = TALLY_STEP_END_HEX;
	if (strcmp(word, "bytes") == 0)
		*out_end = TALLY_STEP_END_BYTES;
	else if (strcmp(word, "hex") != 0)
		tally_parse_refuse(p, "\"as\" is \"hex\" or \"bytes\"");
	(void)tally_parse_step(p, input, TALLY_STEP_BEGIN);
}

/* Where a nested digest is to be gone on from. */
struct level {
	json_t *steps;
	size_t next;
	size_t before; /* of the path */
	enum tally_step_kind end;
};

static bool
enter_level(struct tally_parser *p, struct level *level, json_t *steps)
{
	level->steps = steps;
	level->next = 0;
	if (json_is_array(steps) && json_array_size(steps) > 0)
		return true;
	tally_parse_refuse(p, "expected an array that is not empty");
	return false;
}

/* Steps, and those of the digests in them, without recursion. */
void
tally_parse_input(struct tally_parser *p, json_t *array,
    struct tally_input *input)
{
	struct level levels[TALLY_NESTED_MAX + 1];
	size_t before = tally_parse_enter(p, "input", 0), element;
	int depth = 0;

	input->steps_len = 0;
	if (!enter_level(p, &levels[0], array))
		depth = -1;
	while (depth >= 0 && p->result == 0) {
		struct level *level = &levels[depth];
		json_t *json = json_array_get(level->steps, level->next);

		if (json == NULL) {
			if (depth > 0) {
				(void)tally_parse_step(p, input, level->end);
				tally_parse_leave(p, level->before);
			}
			depth--;
			continue;
		}
		element = tally_parse_enter(p, NULL, level->next++);
		if (json_object_get(json, "digest") == NULL) {
			parse_step(p, json, input);
		} else if (depth == TALLY_NESTED_MAX) {
			tally_parse_refuse(p, "more than %d digests deep",
			    TALLY_NESTED_MAX);
		} else {
			level = &levels[++depth];
			level->before = element;
			begin_nested(p, json, input, &level->end);
			(void)tally_parse_enter(p, "digest", 0);
			(void)enter_level(p, level,
			    json_object_get(json, "digest"));
			continue;
		}
		tally_parse_leave(p, element);
	}
	tally_parse_leave(p, before);
}
