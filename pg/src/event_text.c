/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of tally:log's events, piece by piece.
 */
#include "postgres.h"

#include "event_text.h"

#include "core/jcs.h"
#include "core/json.h"
#include "core/text.h"

#include <tally/record.h>

/* ---- writing ---------------------------------------------------------- */

static void
add_string(StringInfo out, const char *value)
{
	size_t		len = strlen(value);
	size_t		quoted;

	enlargeStringInfo(out, tally_jcs_measure(value, len));
	quoted = tally_jcs_quote(value, len, out->data + out->len);
	if (quoted == 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("a name of the configuration is not valid UTF-8")));
	out->len += quoted;
	out->data[out->len] = '\0';
}

void
tally_text_add(StringInfo out, const char *before, const char *value)
{
	appendStringInfoString(out, before);
	add_string(out, value);
}

/* ---- reading ---------------------------------------------------------- */

bool
tally_text_skip(struct tally_text_reader *reader, const char *literal)
{
	size_t		len = strlen(literal);

	if (strncmp(reader->p, literal, len) != 0)
		return false;
	reader->p += len;
	return true;
}

bool
tally_text_string(struct tally_text_reader *reader, const char *before,
				  char **out)
{
	const uint8_t *p;
	const char *stop;
	char	   *to;
	int32_t		c;

	if (!tally_text_skip(reader, before) || !tally_text_skip(reader, "\""))
		return false;
	for (stop = reader->p; stop < reader->end && *stop != '"'; stop++)
	{
		if (*stop == '\\')
			stop++;
	}
	if (stop >= reader->end)
		return false;
	to = *out = palloc(stop - reader->p + 1);
	p = (const uint8_t *) reader->p;
	while (p < (const uint8_t *) stop)
	{
		if (*p != '\\')
		{
			*to++ = *p++;
			continue;
		}
		c = tally_json_escape(&p, (const uint8_t *) stop);
		if (c < 0)
			return false;
		to += tally_utf8_encode(c, (uint8_t *) to);
	}
	*to = '\0';
	reader->p = stop + 1;
	return true;
}

/* A number from -1 to max. */
bool
tally_text_number(struct tally_text_reader *reader, const char *before,
				  int64 max, int64 *out)
{
	size_t		digits;
	uint64_t	value;

	if (!tally_text_skip(reader, before))
		return false;
	if (tally_text_skip(reader, "-1"))
	{
		*out = -1;
		return true;
	}
	digits = strspn(reader->p, "0123456789");
	if (tally_decimal_parse(reader->p, digits, max, &value) != 0)
		return false;
	*out = value;
	reader->p += digits;
	return true;
}

/* A number of 64 bits, which JSON has to write as a string. */
bool
tally_text_uint64(struct tally_text_reader *reader, const char *before,
				  uint64 *out)
{
	char	   *digits;
	uint64_t	value;

	if (!tally_text_string(reader, before, &digits) ||
		tally_decimal_parse(digits, strlen(digits), PG_UINT64_MAX, &value) != 0)
		return false;
	*out = value;
	return true;
}

bool
tally_text_relation(struct tally_text_reader *reader, Oid *out)
{
	int64		number;

	if (!tally_text_number(reader, ",\"relation\":", PG_UINT32_MAX, &number) ||
		number <= 0)
		return false;
	*out = number;
	return true;
}

/* Is the text of a length and an encoding that an event can have? */
bool
tally_text_open(const char *event, struct tally_text_reader *out_reader)
{
	size_t		len = strnlen(event, TALLY_EVENT_MAX + 1);

	out_reader->p = event;
	out_reader->end = event + len;
	return len <= TALLY_EVENT_MAX && tally_is_utf8(event, len);
}
