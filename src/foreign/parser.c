/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "foreign/parser.h"

void
tally_parser_refuse(struct tally_parser *p, const char *format, ...)
{
	char what[160];
	va_list args;

	if (p->result != 0)
		return;
	va_start(args, format);
	(void)vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	p->result = tally_fail(p->error, TALLY_E_FORMAT, "profile: %s%s%s",
	    p->path, p->path_len > 0 ? ": " : "", what);
}

/* Goes down to a member or an element; gives where to come back to. */
size_t
tally_parser_enter(struct tally_parser *p, const char *name, size_t index)
{
	size_t before = p->path_len, left = sizeof(p->path) - before;
	int n;

	if (name != NULL)
		n = snprintf(p->path + before, left, "%s%s",
		    before > 0 ? "." : "", name);
	else
		n = snprintf(p->path + before, left, "[%zu]", index);
	if (n > 0 && (size_t)n < left)
		p->path_len += (size_t)n;
	return before;
}

void
tally_parser_leave(struct tally_parser *p, size_t before)
{
	p->path_len = before;
	p->path[before] = '\0';
}

void
tally_parser_only(struct tally_parser *p, json_t *object,
    const char *const *known)
{
	const char *name;
	json_t *value;
	size_t i;

	if (!json_is_object(object)) {
		tally_parser_refuse(p, "expected an object");
		return;
	}
	json_object_foreach(object, name, value) {
		for (i = 0; known[i] != NULL; i++) {
			if (strcmp(known[i], name) == 0)
				break;
		}
		if (known[i] == NULL)
			tally_parser_refuse(p, "unknown member \"%s\"", name);
	}
}

/* A member that is text; NULL without a refusal if it may be absent. */
json_t *
tally_parser_member(struct tally_parser *p, json_t *object, const char *name,
    bool needed)
{
	json_t *value = json_object_get(object, name);

	if (value == NULL && needed)
		tally_parser_refuse(p, "\"%s\" is missing", name);
	if (value != NULL && !json_is_string(value)) {
		size_t before = tally_parser_enter(p, name, 0);

		tally_parser_refuse(p, "expected text");
		tally_parser_leave(p, before);
		return NULL;
	}
	return value;
}

/* "/a/b" (RFC 6901): a field inside of a field.  "/~1a" is the member "/a". */
static void
parse_path(struct tally_parser *p, struct tally_field *field)
{
	const char *at = field->name.at, *end = at + field->name.len;
	char name[256];

	while (at < end) {
		size_t len = 0;

		if (field->path_len == TALLY_PATH_MAX) {
			tally_parser_refuse(p,
			    "a field inside of more than %d others",
			    TALLY_PATH_MAX - 1);
			return;
		}
		for (at++; at < end && *at != '/'; at++) {
			if (len == sizeof(name)) {
				tally_parser_refuse(p, "a name is too long");
				return;
			}
			name[len] = *at;
			if (*at == '~' && at + 1 < end &&
			    (at[1] == '0' || at[1] == '1'))
				name[len] = *++at == '0' ? '~' : '/';
			len++;
		}
		field->path[field->path_len++] = tally_parser_keep(p, name,
		    len);
	}
}

int
tally_parser_field(struct tally_parser *p, json_t *name)
{
	struct tally_profile *profile = p->profile;
	struct tally_canon_text text;
	struct tally_field *field;
	int i;

	if (name == NULL)
		return TALLY_NO_FIELD;
	text = tally_parser_text(name);
	if (text.len == 0) {
		tally_parser_refuse(p, "the name of a field is empty");
		return TALLY_NO_FIELD;
	}
	for (i = 0; i < profile->fields_len; i++) {
		field = &profile->fields[i];
		if (field->name.len == text.len &&
		    memcmp(field->name.at, text.at, text.len) == 0)
			return i;
	}
	if (i == TALLY_FIELDS_MAX) {
		tally_parser_refuse(p, "more than %d fields", TALLY_FIELDS_MAX);
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
tally_parser_keep(struct tally_parser *p, const char *text, size_t len)
{
	json_t *string = json_stringn(text, len);

	if (string == NULL || p->profile->made == NULL ||
	    json_array_append_new(p->profile->made, string) != 0) {
		if (p->result == 0)
			p->result = tally_fail(p->error, TALLY_E_MEMORY,
			    "out of memory");
		return (struct tally_canon_text){ "", 0 };
	}
	return tally_parser_text(string);
}
