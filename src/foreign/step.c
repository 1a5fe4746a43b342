/* SPDX-License-Identifier: Apache-2.0 */
/* One step of an input: a field, or text as it stands. */
#include <string.h>

#include "foreign/steps.h"

#define FILTERS \
	"text, hex, base64, int64, int32, time-s, time-ms, time-us, epoch-s," \
	" epoch-ms, epoch-us, js-property, js-utf16, python, jsonb"

static const struct {
	const char *word;
	enum tally_step_kind kind;
	unsigned precision;
} filters[] = {
	{ "text", TALLY_STEP_TEXT, 0 },
	{ "hex", TALLY_STEP_HEX, 0 },
	{ "base64", TALLY_STEP_BASE64, 0 },
	{ "int64", TALLY_STEP_INT64, 0 },
	{ "int32", TALLY_STEP_INT32, 0 },
	{ "time-s", TALLY_STEP_TIME, 0 },
	{ "time-ms", TALLY_STEP_TIME, 3 },
	{ "time-us", TALLY_STEP_TIME, 6 },
	{ "epoch-s", TALLY_STEP_EPOCH, 0 },
	{ "epoch-ms", TALLY_STEP_EPOCH, 3 },
	{ "epoch-us", TALLY_STEP_EPOCH, 6 },
};

struct tally_step *
tally_parse_step(struct tally_parser *p, struct tally_input *input,
    enum tally_step_kind kind)
{
	struct tally_step *step;

	if (input->steps_len == TALLY_STEPS_MAX) {
		tally_parse_refuse(p, "more than %d steps", TALLY_STEPS_MAX);
		return NULL;
	}
	step = &input->steps[input->steps_len++];
	memset(step, 0, sizeof(*step));
	step->kind = kind;
	step->field = TALLY_NO_FIELD;
	step->path = tally_parse_keep(p, p->path, p->path_len).at;
	return step;
}

void
tally_parse_literal(struct tally_parser *p, struct tally_input *input,
    struct tally_canon_text text)
{
	struct tally_step *step = tally_parse_step(p, input,
	    TALLY_STEP_LITERAL);

	if (step != NULL)
		step->text = text;
}

/* Names for a style, in the profile's table. */
const struct tally_canon_text *
tally_parse_names(struct tally_parser *p, json_t *array, size_t *out_len)
{
	struct tally_profile *profile = p->profile;
	struct tally_canon_text *first = &profile->names[profile->names_len];
	size_t i;

	*out_len = json_array_size(array);
	if (!json_is_array(array) ||
	    profile->names_len + *out_len >
		sizeof(profile->names) / sizeof(profile->names[0])) {
		tally_parse_refuse(p, "expected a short array of names");
		*out_len = 0;
		return NULL;
	}
	for (i = 0; i < *out_len; i++) {
		if (!json_is_string(json_array_get(array, i)))
			tally_parse_refuse(p, "expected names");
		first[i] = tally_parse_text(json_array_get(array, i));
	}
	profile->names_len += *out_len;
	return first;
}

static void
parse_filter(struct tally_parser *p, const char *filter, bool has_null,
    struct tally_step *step)
{
	size_t before, i;

	if (tally_parse_form(filter, &step->style.form)) {
		step->kind = TALLY_STEP_JSON;
		if (!has_null)
			step->text = (struct tally_canon_text){ "null", 4 };
		return;
	}
	for (i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		if (strcmp(filters[i].word, filter) == 0) {
			step->kind = filters[i].kind;
			step->precision = filters[i].precision;
			return;
		}
	}
	before = tally_parse_enter(p, "as", 0);
	tally_parse_refuse(p, "unknown filter \"%s\"; there are " FILTERS,
	    filter);
	tally_parse_leave(p, before);
}

/* {"field": NAME, "as": FILTER, "null": TEXT, "undefined": [NAME, ...]} */
void
tally_parse_field_step(struct tally_parser *p, json_t *json,
    struct tally_input *input)
{
	static const char *const known[] = { "field", "as", "null", "undefined",
		NULL };
	json_t *name, *as, *null;
	json_t *undefined = json_object_get(json, "undefined");
	struct tally_step *step;
	size_t before;

	tally_parse_only(p, json, known);
	name = tally_parse_text_member(p, json, "field", true);
	as = tally_parse_text_member(p, json, "as", false);
	null = tally_parse_text_member(p, json, "null", false);
	step = tally_parse_step(p, input, TALLY_STEP_TEXT);
	if (step == NULL || name == NULL)
		return;
	step->field = tally_parse_field(p, name);
	if (null != NULL)
		step->text = tally_parse_text(null);
	parse_filter(p, as != NULL ? json_string_value(as) : "text",
	    null != NULL, step);
	if (undefined == NULL)
		return;
	before = tally_parse_enter(p, "undefined", 0);
	step->undefined = tally_parse_names(p, undefined, &step->undefined_len);
	if (step->kind != TALLY_STEP_JSON)
		tally_parse_refuse(p, "goes with a form of JSON only");
	tally_parse_leave(p, before);
}
