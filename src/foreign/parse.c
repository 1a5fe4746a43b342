/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/fail.h"
#include "foreign/parse.h"

void
tally_parse_refuse(struct tally_parser *p, const char *format, ...)
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

size_t
tally_parse_enter(struct tally_parser *p, const char *name, size_t index)
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
tally_parse_leave(struct tally_parser *p, size_t before)
{
	p->path_len = before;
	p->path[before] = '\0';
}

void
tally_parse_only(struct tally_parser *p, json_t *object,
    const char *const *known)
{
	const char *name;
	json_t *value;
	size_t i;

	if (!json_is_object(object)) {
		tally_parse_refuse(p, "expected an object");
		return;
	}
	json_object_foreach(object, name, value) {
		for (i = 0; known[i] != NULL; i++) {
			if (strcmp(known[i], name) == 0)
				break;
		}
		if (known[i] == NULL)
			tally_parse_refuse(p, "unknown member \"%s\"", name);
	}
}

struct tally_canon_text
tally_parse_text(json_t *string)
{
	return (struct tally_canon_text){ json_string_value(string),
		json_string_length(string) };
}

json_t *
tally_parse_text_member(struct tally_parser *p, json_t *object,
    const char *name, bool needed)
{
	json_t *value = json_object_get(object, name);

	if (value == NULL && needed)
		tally_parse_refuse(p, "\"%s\" is missing", name);
	if (value != NULL && !json_is_string(value)) {
		size_t before = tally_parse_enter(p, name, 0);

		tally_parse_refuse(p, "expected text");
		tally_parse_leave(p, before);
		return NULL;
	}
	return value;
}

bool
tally_parse_form(const char *word, enum tally_canon_form *out)
{
	static const char *const forms[] = { "js-property", "js-utf16",
		"python", "jsonb" };
	size_t i;

	for (i = 0; i < 4; i++) {
		if (strcmp(word, forms[i]) == 0) {
			*out = (enum tally_canon_form)i;
			return true;
		}
	}
	return false;
}
