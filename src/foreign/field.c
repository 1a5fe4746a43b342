/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a profile, by number. */
#include <string.h>

#include "core/fail.h"
#include "foreign/steps.h"

/* "/a/b" (RFC 6901): a field inside of a field.  "/~1a" is the member "/a". */
static void
parse_path(struct tally_parser *p, struct tally_field *field)
{
	const char *at = field->name.at, *end = at + field->name.len;
	char name[256];

	while (at < end) {
		size_t len = 0;

		if (field->path_len == TALLY_PATH_MAX) {
			tally_parse_refuse(p,
			    "a field inside of more than %d others",
			    TALLY_PATH_MAX - 1);
			return;
		}
		for (at++; at < end && *at != '/'; at++) {
			if (len == sizeof(name)) {
				tally_parse_refuse(p, "a name is too long");
				return;
			}
			name[len] = *at;
			if (*at == '~' && at + 1 < end &&
			    (at[1] == '0' || at[1] == '1'))
				name[len] = *++at == '0' ? '~' : '/';
			len++;
		}
		field->path[field->path_len++] = tally_parse_keep(p, name, len);
	}
}

int
tally_parse_field(struct tally_parser *p, json_t *name)
{
	struct tally_profile *profile = p->profile;
	struct tally_canon_text text;
	struct tally_field *field;
	int i;

	if (name == NULL)
		return TALLY_NO_FIELD;
	text = tally_parse_text(name);
	if (text.len == 0) {
		tally_parse_refuse(p, "the name of a field is empty");
		return TALLY_NO_FIELD;
	}
	for (i = 0; i < profile->fields_len; i++) {
		field = &profile->fields[i];
		if (field->name.len == text.len &&
		    memcmp(field->name.at, text.at, text.len) == 0)
			return i;
	}
	if (i == TALLY_FIELDS_MAX) {
		tally_parse_refuse(p, "more than %d fields", TALLY_FIELDS_MAX);
		return TALLY_NO_FIELD;
	}
	field = &profile->fields[profile->fields_len++];
	field->name = text;
	if (text.at[0] == '/')
		parse_path(p, field);
	else
		field->path[field->path_len++] = text;
	return i;
}

struct tally_canon_text
tally_parse_keep(struct tally_parser *p, const char *text, size_t len)
{
	json_t *string = json_stringn(text, len);

	if (string == NULL || p->profile->made == NULL ||
	    json_array_append_new(p->profile->made, string) != 0) {
		if (p->result == 0)
			p->result = tally_fail(p->error, TALLY_E_MEMORY,
			    "out of memory");
		return (struct tally_canon_text){ "", 0 };
	}
	return tally_parse_text(string);
}
