/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a profile: how its records are written. */
#include <string.h>

#include "foreign/parse.h"

static void
parse_needs(struct tally_parser *p, json_t *array,
    struct tally_writer_rule *writer)
{
	size_t before = tally_parse_enter(p, "needs", 0), i;

	if (array != NULL && !json_is_array(array))
		tally_parse_refuse(p, "expected an array of names");
	if (json_array_size(array) > TALLY_FIELDS_MAX)
		tally_parse_refuse(p, "more than %d names", TALLY_FIELDS_MAX);
	for (i = 0; i < json_array_size(array) && p->result == 0; i++) {
		json_t *name = json_array_get(array, i);

		if (!json_is_string(name) || json_string_length(name) == 0)
			tally_parse_refuse(p, "expected names");
		writer->needs[writer->needs_len++] = tally_parse_text(name);
	}
	tally_parse_leave(p, before);
}

/* {"field": NAME, "as": "uuid" | "now-ms" | "now-us"}, or "json": TEXT */
static void
parse_fill(struct tally_parser *p, json_t *json, struct tally_fill *fill)
{
	static const char *const known[] = { "field", "as", "json", NULL };
	static const char *const kinds[] = { "", "uuid", "now-ms", "now-us" };
	json_t *name = tally_parse_text_member(p, json, "field", true);
	json_t *as = tally_parse_text_member(p, json, "as", false);
	json_t *value = tally_parse_text_member(p, json, "json", false);
	json_t *parsed;
	int i;

	tally_parse_only(p, json, known);
	if ((as == NULL) == (value == NULL))
		tally_parse_refuse(p, "expected either \"as\" or \"json\"");
	if (p->result != 0)
		return;
	fill->name = tally_parse_text(name);
	if (value != NULL) {
		fill->json = tally_parse_text(value);
		parsed = json_loadb(fill->json.at, fill->json.len,
		    JSON_DECODE_ANY, NULL);
		if (parsed == NULL)
			tally_parse_refuse(p, "\"json\" is no JSON");
		json_decref(parsed);
		return;
	}
	for (i = 1; i < 4 && strcmp(kinds[i], json_string_value(as)) != 0; i++)
		;
	if (i == 4)
		tally_parse_refuse(p, "as: there are uuid, now-ms and now-us");
	fill->kind = (enum tally_fill_kind)i;
}

/* What the writer cannot make. */
static void
refuse_writer(struct tally_parser *p)
{
	const struct tally_profile *profile = p->profile;
	const struct tally_rule *era = &profile->eras[profile->eras_len - 1];

	if (profile->digest_size != sizeof(struct tally_hash) ||
	    strcmp(profile->digest, "sha256") != 0 ||
	    profile->encoding != TALLY_ENCODING_HEX || profile->prefix.len > 0)
		tally_parse_refuse(p,
		    "can write SHA-256 in plain hexadecimal only");
	if (profile->hash >= 0 && profile->prev >= 0 &&
	    (profile->fields[profile->hash].path_len != 1 ||
		profile->fields[profile->prev].path_len != 1))
		tally_parse_refuse(p, "cannot write a hash inside of a field");
	if (profile->chain != TALLY_NO_FIELD)
		tally_parse_refuse(p, "cannot write several chains");
	if (profile->order != TALLY_NO_FIELD)
		tally_parse_refuse(p, "cannot count records (\"order\")");
	if (profile->basis_field != TALLY_NO_FIELD)
		tally_parse_refuse(p, "cannot make up a start's basis");
	if (p->result == 0 && era->check.field != TALLY_NO_FIELD)
		tally_parse_refuse(p, "cannot make a \"check\"");
}

void
tally_parse_writer(struct tally_parser *p, json_t *json)
{
	static const char *const known[] = { "lock", "line", "needs", "fill",
		NULL };
	struct tally_writer_rule *writer = &p->profile->writer;
	json_t *fill = json_object_get(json, "fill"), *lock, *line;
	size_t before = tally_parse_enter(p, "writer", 0), inner, i, element;

	tally_parse_only(p, json, known);
	lock = tally_parse_text_member(p, json, "lock", true);
	line = tally_parse_text_member(p, json, "line", true);
	if (p->result == 0 &&
	    !tally_parse_form(json_string_value(line), &writer->style.form))
		tally_parse_refuse(p, "unknown form \"%s\"",
		    json_string_value(line));
	if (p->result == 0 &&
	    (json_string_length(lock) == 0 ||
		strchr(json_string_value(lock), '/') != NULL))
		tally_parse_refuse(p,
		    "\"lock\" is what the name of the lock ends with");
	writer->lock = json_string_value(lock);
	parse_needs(p, json_object_get(json, "needs"), writer);
	if (fill != NULL && !json_is_array(fill))
		tally_parse_refuse(p, "\"fill\" is no array");
	if (json_array_size(fill) > TALLY_FIELDS_MAX)
		tally_parse_refuse(p, "fill: more than %d", TALLY_FIELDS_MAX);
	inner = tally_parse_enter(p, "fill", 0);
	for (i = 0; i < json_array_size(fill) && p->result == 0; i++) {
		element = tally_parse_enter(p, NULL, i);
		parse_fill(p, json_array_get(fill, i),
		    &writer->fill[writer->fill_len++]);
		tally_parse_leave(p, element);
	}
	writer->present = true;
	tally_parse_leave(p, inner);
	refuse_writer(p);
	tally_parse_leave(p, before);
}
