/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/fail.h"
#include "foreign/parameters.h"

/* The value that is in force; NULL if it was refused. */
static json_t *
choose(struct tally_parser *p, const char *name, json_t *parameter,
    const struct tally_profile_setting *settings, size_t settings_len)
{
	static const char *const known[] = { "says", "default", "values",
		NULL };
	json_t *values = json_object_get(parameter, "values"), *value;
	json_t *word;
	const char *chosen;
	size_t i;

	tally_parse_only(p, parameter, known);
	(void)tally_parse_text_member(p, parameter, "says", true);
	word = tally_parse_text_member(p, parameter, "default", true);
	if (!json_is_object(values) || json_object_size(values) == 0)
		tally_parse_refuse(p,
		    "\"values\" must be an object that is not empty");
	if (p->result != 0)
		return NULL;
	chosen = json_string_value(word);
	if (json_object_get(values, chosen) == NULL)
		tally_parse_refuse(p, "\"values\" lack the default \"%s\"",
		    chosen);
	for (i = 0; i < settings_len; i++) {
		if (strcmp(settings[i].name, name) == 0)
			chosen = settings[i].value;
	}
	value = json_object_get(values, chosen);
	if (value == NULL)
		tally_parse_refuse(p, "there is no value \"%s\"", chosen);
	return value;
}

/* What is to stand in the place of value: itself, or a parameter's. */
static json_t *
in_place_of(struct tally_parser *p, json_t *value, json_t *chosen)
{
	json_t *name = json_object_get(value, "parameter"), *found;

	if (name == NULL)
		return value;
	found = json_is_string(name)
	    ? json_object_get(chosen, json_string_value(name))
	    : NULL;
	if (found == NULL || json_object_size(value) != 1) {
		tally_parse_refuse(p,
		    "{\"parameter\": NAME} names none of \"parameters\"");
		return value;
	}
	return found;
}

/* Puts the values in, everywhere but in a value: what is still to be seen is
 * in a list, so that nothing recurses. */
static void
replace(struct tally_parser *p, json_t *chosen)
{
	json_t *todo = json_array(), *at, *value;
	const char *name;
	size_t i, next;
	int r = json_array_append(todo, p->profile->json);

	for (next = 0; next < json_array_size(todo) && p->result == 0; next++) {
		at = json_array_get(todo, next);
		json_array_foreach(at, i, value) {
			json_t *now = in_place_of(p, value, chosen);

			if (now != value)
				r |= json_array_set(at, i, now);
			else if (json_is_object(now) || json_is_array(now))
				r |= json_array_append(todo, now);
		}
		json_object_foreach(at, name, value) {
			json_t *now;

			if (at == p->profile->json &&
			    strcmp(name, "parameters") == 0)
				continue;
			now = in_place_of(p, value, chosen);
			/* The key is there: the walk is not disturbed. */
			if (now != value)
				r |= json_object_set(at, name, now);
			else if (json_is_object(now) || json_is_array(now))
				r |= json_array_append(todo, now);
		}
	}
	if ((r != 0 || todo == NULL) && p->result == 0)
		p->result = tally_fail(p->error, TALLY_E_MEMORY,
		    "out of memory");
	json_decref(todo);
}

void
tally_parameters_apply(struct tally_parser *p,
    const struct tally_profile_setting *settings, size_t settings_len)
{
	json_t *all = json_object_get(p->profile->json, "parameters");
	json_t *chosen, *parameter, *value;
	size_t i, before, inner;
	const char *name;

	for (i = 0; i < settings_len; i++) {
		if (json_object_get(all, settings[i].name) == NULL)
			tally_parse_refuse(p, "there is no parameter \"%s\"",
			    settings[i].name);
	}
	before = tally_parse_enter(p, "parameters", 0);
	if (all != NULL && !json_is_object(all))
		tally_parse_refuse(p, "expected an object");
	chosen = json_object();
	json_object_foreach(all, name, parameter) {
		inner = tally_parse_enter(p, name, 0);
		value = choose(p, name, parameter, settings, settings_len);
		if (value != NULL && json_object_set(chosen, name, value) != 0)
			p->result = tally_fail(p->error, TALLY_E_MEMORY,
			    "out of memory");
		tally_parse_leave(p, inner);
	}
	tally_parse_leave(p, before);
	if (p->result == 0)
		replace(p, chosen);
	json_decref(chosen);
}
