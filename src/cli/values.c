/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "values.h"

bool
parse_count(const char *text, size_t len, uint64_t *out)
{
	uint64_t value = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned digit = (unsigned)text[i] - '0';

		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

const char *
value_count(const char *text, struct option_count *out)
{
	out->given = parse_count(text, strlen(text), &out->value);
	return out->given ? NULL : "a number";
}

const char *
value_bytes(const char *text, struct option_count *out)
{
	static const char *const wanted = "a number of bytes (64K, 256M, 1G)";
	static const char suffixes[] = "KMG";
	size_t len = strlen(text);
	const char *suffix = len > 0 ? strchr(suffixes, text[len - 1]) : NULL;
	unsigned shift = 0;

	if (suffix != NULL) {
		shift = 10 * (unsigned)(suffix - suffixes + 1);
		len--;
	}
	if (!parse_count(text, len, &out->value) ||
	    out->value > UINT64_MAX >> shift || out->value == 0)
		return wanted;
	out->value <<= shift;
	out->given = true;
	return NULL;
}

/* Seconds of "90s", "5m", "2h", "7d", "1w"; 0 if it is nothing of that. */
static uint64_t
seconds_ago(const char *text)
{
	static const char units[] = "smhdw";
	static const uint32_t seconds[] = { 1, 60, 3600, 86400, 604800 };
	size_t len = strlen(text);
	const char *unit;
	uint64_t count;

	if (len < 2)
		return 0;
	unit = strchr(units, text[len - 1]);
	if (unit == NULL || !parse_count(text, len - 1, &count) ||
	    count > UINT32_MAX)
		return 0;
	return count * seconds[unit - units];
}

const char *
value_time(const char *text, struct option_time *out)
{
	/* What makes a whole instant of a date or of a time without zone. */
	static const char *const ends[] = { "", "Z", ":00Z", "T00:00:00Z" };
	uint64_t ago = seconds_ago(text);

	if (ago > 0) {
		out->time_us = ((int64_t)time(NULL) - (int64_t)ago) * 1000000;
		out->given = true;
		return NULL;
	}
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		char whole[64];
		int len = snprintf(whole, sizeof(whole), "%s%s", text, ends[i]);

		if (len < 0 || (size_t)len >= sizeof(whole))
			break;
		if (len > 10 && whole[10] == ' ')
			whole[10] = 'T';
		if (tally_time_parse(whole, (size_t)len, &out->time_us) == 0) {
			out->given = true;
			return NULL;
		}
	}
	return "a time (2026-11-21, 2026-11-21T01:26:18Z, 2h)";
}

const char *
value_root(const char *text, struct option_root *out)
{
	const char *colon = strchr(text, ':');
	const char *hex = colon != NULL ? colon + 1 : text;

	out->has_size = colon != NULL;
	if (out->has_size &&
	    !parse_count(text, (size_t)(colon - text), &out->size))
		return "a root (SIZE:HEX)";
	if (tally_hash_parse(hex, strlen(hex), &out->hash) != 0)
		return "a root (64 hexadecimal digits)";
	out->given = true;
	return NULL;
}
