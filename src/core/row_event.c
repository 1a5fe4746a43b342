/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <string.h>

#include "core/row_event.h"

static const char *const heads[] = {
	"{\"row\":{",
	"{\"op\":\"update\",\"row\":{",
	"{\"op\":\"backfill\",\"row\":{",
};

static size_t
head_of(const char *event, size_t len)
{
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		size_t head_len = strlen(heads[i]);

		if (len >= head_len && memcmp(event, heads[i], head_len) == 0)
			return head_len;
	}
	return 0;
}

/* Behind the string that begins here; NULL: none does, or it has no end. */
static const char *
skip_string(const char *p, const char *end)
{
	if (p == end || *p != '"')
		return NULL;
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\' && ++p == end)
			return NULL;
	return p < end ? p + 1 : NULL;
}

static const char *
skip_value(const char *p, const char *end)
{
	if (end - p >= 4 && memcmp(p, "null", 4) == 0)
		return p + 4;
	return skip_string(p, end);
}

static bool
is_among(const char *name, size_t len, const char *const *names, size_t nnames)
{
	for (size_t i = 0; i < nnames; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	return false;
}

/* What is written ends there. */
static char *
append(char *out, const char *begin, const char *end)
{
	memcpy(out, begin, (size_t)(end - begin));
	return out + (end - begin);
}

size_t
tally_row_event_reduce(const char *event, size_t event_len,
    const char *const *names, size_t nnames, char *out)
{
	const char *end = event + event_len;
	const char *p = event + head_of(event, event_len);
	char *at = append(out, event, p);
	bool is_first = true;

	if (p == event)
		return 0;
	while (p < end && *p != '}') {
		const char *name = p, *name_end = skip_string(p, end);

		if (name_end == NULL || name_end == end || *name_end != ':')
			return 0;
		p = skip_value(name_end + 1, end);
		if (p == NULL || p == end || (*p != ',' && *p != '}'))
			return 0;
		if (is_among(name, (size_t)(name_end - name), names, nnames)) {
			if (!is_first)
				*at++ = ',';
			at = append(at, name, p);
			is_first = false;
		}
		p += *p == ',';
	}
	if (p == end)
		return 0;
	return (size_t)(append(at, p, end) - out);
}
