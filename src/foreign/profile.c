/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a profile: its fields, its eras and traps, their inputs. */
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "foreign/parse.h"
#include "log/sys.h"

static int
field_of(struct tally_parser *p, json_t *name)
{
	struct tally_profile *profile = p->profile;
	struct tally_canon_text text;
	int i;

	if (name == NULL)
		return TALLY_NO_FIELD;
	text = tally_parse_text(name);
	if (text.len == 0) {
		tally_parse_refuse(p, "the name of a field is empty");
		return TALLY_NO_FIELD;
	}
	for (i = 0; i < profile->fields_len; i++) {
		if (profile->fields[i].len == text.len &&
		    memcmp(profile->fields[i].at, text.at, text.len) == 0)
			return i;
	}
	if (i == TALLY_FIELDS_MAX) {
		tally_parse_refuse(p, "more than %d fields", TALLY_FIELDS_MAX);
		return TALLY_NO_FIELD;
	}
	profile->fields[profile->fields_len++] = text;
	return i;
}

static struct tally_step *
add_step(struct tally_parser *p, struct tally_input *input,
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
	return step;
}

static void
add_literal(struct tally_parser *p, struct tally_input *input, const char *text,
    size_t len)
{
	struct tally_step *step = add_step(p, input, TALLY_STEP_LITERAL);

	if (step != NULL)
		step->text = (struct tally_canon_text){ text, len };
}

/* {"field": NAME, "as": FILTER, "null": TEXT} */
static void
parse_field(struct tally_parser *p, json_t *json, struct tally_input *input)
{
	static const char *const known[] = { "field", "as", "null", NULL };
	json_t *name, *as, *null;
	struct tally_step *step;
	const char *filter;

	tally_parse_only(p, json, known);
	name = tally_parse_text_member(p, json, "field", true);
	as = tally_parse_text_member(p, json, "as", false);
	null = tally_parse_text_member(p, json, "null", false);
	step = add_step(p, input, TALLY_STEP_TEXT);
	if (step == NULL || name == NULL)
		return;
	step->field = field_of(p, name);
	if (null != NULL)
		step->text = tally_parse_text(null);
	filter = as != NULL ? json_string_value(as) : "text";
	if (tally_parse_form(filter, &step->style.form)) {
		step->kind = TALLY_STEP_JSON;
		if (null == NULL)
			step->text = (struct tally_canon_text){ "null", 4 };
	} else if (strcmp(filter, "hex") == 0) {
		step->kind = TALLY_STEP_HEX;
	} else if (strcmp(filter, "int64") == 0) {
		step->kind = TALLY_STEP_INT64;
	} else if (strcmp(filter, "time-ms") == 0 ||
	    strcmp(filter, "time-us") == 0) {
		step->kind = TALLY_STEP_TIME;
		step->precision = filter[5] == 'm' ? 3 : 6;
	} else if (strcmp(filter, "text") != 0) {
		tally_parse_enter(p, "as", 0);
		tally_parse_refuse(p,
		    "unknown filter \"%s\"; there are text, hex, int64,"
		    " time-ms, time-us, js-property, js-utf16, python,"
		    " jsonb",
		    filter);
	}
}

/* Names for a style, in the profile's table. */
static const struct tally_canon_text *
parse_names(struct tally_parser *p, json_t *array, size_t *out_len)
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

/* {"record": FORM, "without": [NAME, ...]} */
static void
parse_record(struct tally_parser *p, json_t *json, struct tally_input *input)
{
	static const char *const known[] = { "record", "without", NULL };
	json_t *form = tally_parse_text_member(p, json, "record", true);
	json_t *without = json_object_get(json, "without");
	struct tally_step *step = add_step(p, input, TALLY_STEP_RECORD);
	size_t before;

	tally_parse_only(p, json, known);
	if (step == NULL || form == NULL)
		return;
	if (!tally_parse_form(json_string_value(form), &step->style.form)) {
		tally_parse_enter(p, "record", 0);
		tally_parse_refuse(p, "unknown form \"%s\"",
		    json_string_value(form));
	}
	if (without == NULL)
		return;
	before = tally_parse_enter(p, "without", 0);
	step->style.without = parse_names(p, without, &step->style.without_len);
	tally_parse_leave(p, before);
}

/* {"object": {NAME: FIELD, ...}, "as": FORM}: members as they are written. */
static void
parse_object(struct tally_parser *p, json_t *json, struct tally_input *input)
{
	static const char *const known[] = { "object", "as", "only", NULL };
	json_t *members = json_object_get(json, "object"), *value;
	json_t *as = tally_parse_text_member(p, json, "as", true);
	json_t *only = json_object_get(json, "only");
	struct tally_canon_style style = { .form = TALLY_CANON_JS_PROPERTY };
	struct tally_step *step;
	const char *name, *mark = "{\"";
	size_t before;

	tally_parse_only(p, json, known);
	if (!json_is_object(members))
		tally_parse_refuse(p, "\"object\" is no object");
	if (as != NULL && !tally_parse_form(json_string_value(as), &style.form))
		tally_parse_refuse(p, "unknown form \"%s\"",
		    json_string_value(as));
	if (only != NULL)
		style.only = parse_names(p, only, &style.only_len);
	json_object_foreach(members, name, value) {
		before = tally_parse_enter(p, name, 0);
		add_literal(p, input, mark, strlen(mark));
		add_literal(p, input, name, strlen(name));
		add_literal(p, input, "\":", 2);
		mark = ",\"";
		step = add_step(p, input, TALLY_STEP_JSON);
		if (step == NULL)
			return;
		step->style = style;
		step->text = (struct tally_canon_text){ "null", 4 };
		if (json_is_string(value) && json_string_length(value) > 0)
			step->field = field_of(p, value);
		else if (json_is_true(json_object_get(value, "prev")))
			step->kind = TALLY_STEP_PREV_JSON;
		else
			tally_parse_refuse(p,
			    "expected the name of a field, or"
			    " {\"prev\": true}");
		tally_parse_leave(p, before);
	}
	add_literal(p, input, "}", 1);
}

static void
parse_step(struct tally_parser *p, json_t *json, struct tally_input *input)
{
	json_t *prev = json_object_get(json, "prev");
	const char *word;

	if (json_is_string(json)) {
		add_literal(p, input, json_string_value(json),
		    json_string_length(json));
	} else if (prev != NULL) {
		word = json_is_string(prev) ? json_string_value(prev) : "";
		if (strcmp(word, "text") == 0)
			(void)add_step(p, input, TALLY_STEP_PREV);
		else if (strcmp(word, "hex") == 0)
			(void)add_step(p, input, TALLY_STEP_PREV_HEX);
		else
			tally_parse_refuse(p,
			    "\"prev\" is \"text\" or \"hex\"");
	} else if (json_object_get(json, "field") != NULL) {
		parse_field(p, json, input);
	} else if (json_object_get(json, "record") != NULL) {
		parse_record(p, json, input);
	} else if (json_object_get(json, "object") != NULL) {
		parse_object(p, json, input);
	} else {
		tally_parse_refuse(p,
		    "expected text, or an object with \"prev\","
		    " \"field\", \"record\" or \"object\"");
	}
}

static void
parse_input(struct tally_parser *p, json_t *array, struct tally_input *input)
{
	size_t i, before = tally_parse_enter(p, "input", 0), element;

	input->steps_len = 0;
	if (!json_is_array(array) || json_array_size(array) == 0)
		tally_parse_refuse(p, "expected an array that is not empty");
	for (i = 0; i < json_array_size(array) && p->result == 0; i++) {
		element = tally_parse_enter(p, NULL, i);
		parse_step(p, json_array_get(array, i), input);
		if (p->result == 0)
			tally_parse_leave(p, element);
	}
	tally_parse_leave(p, before);
}

static void
parse_when(struct tally_parser *p, json_t *when, struct tally_rule *rule)
{
	static const char *const known[] = { "field", "null", NULL };
	size_t before = tally_parse_enter(p, "when", 0);

	tally_parse_only(p, when, known);
	rule->when = field_of(p,
	    tally_parse_text_member(p, when, "field", true));
	if (!json_is_boolean(json_object_get(when, "null")))
		tally_parse_refuse(p, "\"null\" must be true or false");
	rule->when_null = json_is_true(json_object_get(when, "null"));
	tally_parse_leave(p, before);
}

static void
parse_check(struct tally_parser *p, json_t *check, struct tally_rule *rule)
{
	static const char *const known[] = { "field", "input", NULL };
	size_t before = tally_parse_enter(p, "check", 0);

	tally_parse_only(p, check, known);
	rule->check.field = field_of(p,
	    tally_parse_text_member(p, check, "field", true));
	parse_input(p, json_object_get(check, "input"), &rule->check.input);
	tally_parse_leave(p, before);
}

static void
parse_rule(struct tally_parser *p, json_t *json, bool trap,
    struct tally_rule *rule)
{
	static const char *const known[] = { "name", "says", "when", "input",
		"check", "kind", "prev", NULL };
	json_t *name = tally_parse_text_member(p, json, "name", true);
	json_t *says = tally_parse_text_member(p, json, "says", trap);
	json_t *kind = tally_parse_text_member(p, json, "kind", trap);
	json_t *prev = json_object_get(json, "prev");

	tally_parse_only(p, json, known);
	rule->name = json_string_value(name);
	rule->says = json_string_value(says);
	rule->when = rule->check.field = TALLY_NO_FIELD;
	rule->kind = TALLY_NOT_JUDGED;
	if (kind != NULL &&
	    strcmp(json_string_value(kind), "link-altered") == 0)
		rule->kind = TALLY_LINK_ALTERED;
	else if (kind != NULL &&
	    strcmp(json_string_value(kind), "unverifiable") != 0)
		tally_parse_refuse(p,
		    "\"kind\" is \"link-altered\" or \"unverifiable\"");
	rule->without_prev = json_is_null(prev);
	if (prev != NULL && !rule->without_prev)
		tally_parse_refuse(p, "\"prev\" of a trap can only be null");
	if (json_object_get(json, "when") != NULL)
		parse_when(p, json_object_get(json, "when"), rule);
	if (json_object_get(json, "check") != NULL)
		parse_check(p, json_object_get(json, "check"), rule);
	parse_input(p, json_object_get(json, "input"), &rule->input);
}

static int
parse_rules(struct tally_parser *p, const char *name, bool trap,
    struct tally_rule *rules)
{
	json_t *array = json_object_get(p->profile->json, name);
	size_t before = tally_parse_enter(p, name, 0), i, element;
	size_t count = json_array_size(array);

	if (!trap && count == 0)
		tally_parse_refuse(p, "expected an array that is not empty");
	if (count > TALLY_RULES_MAX)
		tally_parse_refuse(p, "more than %d", TALLY_RULES_MAX);
	for (i = 0; i < count && p->result == 0; i++) {
		element = tally_parse_enter(p, NULL, i);
		parse_rule(p, json_array_get(array, i), trap, &rules[i]);
		tally_parse_leave(p, element);
	}
	tally_parse_leave(p, before);
	return (int)i;
}

static void
parse_start(struct tally_parser *p, json_t *start)
{
	static const char *const known[] = { "prev", "basis", "pruned", NULL };
	struct tally_profile *profile = p->profile;
	json_t *prev = json_object_get(start, "prev");
	json_t *basis = json_object_get(start, "basis");
	size_t before = tally_parse_enter(p, "start", 0);

	tally_parse_only(p, start, known);
	profile->start_null = json_is_null(prev);
	if (!profile->start_null && !json_is_string(prev))
		tally_parse_refuse(p, "\"prev\" must be null or text");
	else if (!profile->start_null)
		profile->start = profile->basis = tally_parse_text(prev);
	profile->basis_field = TALLY_NO_FIELD;
	if (json_is_string(basis))
		profile->basis = tally_parse_text(basis);
	else if (json_is_object(basis))
		profile->basis_field = field_of(p,
		    tally_parse_text_member(p, basis, "field", true));
	profile->pruned = json_is_true(json_object_get(start, "pruned"));
	tally_parse_leave(p, before);
}

static void
parse_all(struct tally_parser *p)
{
	static const char *const known[] = { "profile", "name", "title",
		"about", "confidence", "query", "chain", "order", "hash",
		"prev", "digest", "start", "eras", "traps", "writer", NULL };
	struct tally_profile *profile = p->profile;
	json_t *json = profile->json, *digest;

	tally_parse_only(p, json, known);
	if (json_integer_value(json_object_get(json, "profile")) != 1)
		tally_parse_refuse(p,
		    "\"profile\" must be 1, the version of the format");
	profile->name = json_string_value(tally_parse_text_member(p, json,
	    "name", true));
	digest = tally_parse_text_member(p, json, "digest", true);
	if (digest != NULL && strcmp(json_string_value(digest), "sha256") != 0)
		tally_parse_refuse(p,
		    "digest: unknown digest \"%s\"; there is sha256",
		    json_string_value(digest));
	profile->chain = field_of(p,
	    tally_parse_text_member(p, json, "chain", false));
	profile->order = field_of(p,
	    tally_parse_text_member(p, json, "order", false));
	profile->hash = field_of(p,
	    tally_parse_text_member(p, json, "hash", true));
	profile->prev = field_of(p,
	    tally_parse_text_member(p, json, "prev", true));
	parse_start(p, json_object_get(json, "start"));
	profile->eras_len = parse_rules(p, "eras", false, profile->eras);
	profile->traps_len = parse_rules(p, "traps", true, profile->traps);
	if (json_object_get(json, "writer") != NULL)
		tally_parse_writer(p, json_object_get(json, "writer"));
}

int
tally_profile_parse(const char *text, size_t len, struct tally_profile **out,
    struct tally_error *error)
{
	struct tally_parser p = { .error = error };
	json_error_t at;

	p.profile = tally_sys_alloc(sizeof(*p.profile));
	if (p.profile == NULL)
		return tally_fail(error, TALLY_E_MEMORY, "out of memory");
	p.profile->json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (p.profile->json == NULL)
		p.result = tally_fail(error, TALLY_E_FORMAT,
		    "profile: line %d, column %d: %s", at.line, at.column,
		    at.text);
	else
		parse_all(&p);
	if (p.result == 0)
		*out = p.profile;
	else
		tally_profile_free(p.profile);
	return p.result;
}

void
tally_profile_free(struct tally_profile *profile)
{
	if (profile == NULL)
		return;
	json_decref(profile->json);
	tally_sys_free(profile);
}
