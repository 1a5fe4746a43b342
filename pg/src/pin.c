/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings that output functions read, pinned (P2).
 *
 * What they read are C variables behind the settings.  Setting them through
 * the settings' own machinery costs some 10 us, so the variables themselves
 * are set, and put back.  The machinery does not see it, which is right only
 * because nothing looks meanwhile: no code of a user runs in an output
 * function of a type that types.c accepts, nor in a condition, and files of
 * settings are read between statements.  A backend that ends in the middle
 * takes its variables with it.
 *
 * Money is the exception: what it reads is a cache behind lc_monetary, which
 * the machinery has to throw away.
 *
 * xmlbinary and search_path, which the format names too, are read by no
 * output function of an accepted type.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgtime.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/pg_locale.h"

#include "pin.h"
#include "types.h"

struct settings
{
	pg_tz	   *zone;
	int			date_style;
	int			interval_style;
	int			float_digits;
	int			bytea_output;
};

static struct settings
current_settings(void)
{
	struct settings now = {
		.zone = session_timezone,
		.date_style = DateStyle,
		.interval_style = IntervalStyle,
		.float_digits = extra_float_digits,
		.bytea_output = bytea_output,
	};

	return now;
}

static void
apply(const struct settings *settings)
{
	session_timezone = settings->zone;
	DateStyle = settings->date_style;
	IntervalStyle = settings->interval_style;
	extra_float_digits = settings->float_digits;
	bytea_output = settings->bytea_output;
}

/*
 * GMT and not UTC: the same offset, but compiled in.  A file of time zones can
 * be missing, count leap seconds, or be an adversary's.
 */
static const struct settings *
pinned_settings(void)
{
	static struct settings pinned;

	if (pinned.zone == NULL)
	{
		pinned.date_style = USE_ISO_DATES;
		pinned.interval_style = INTSTYLE_ISO_8601;
		pinned.float_digits = 1;
		pinned.bytea_output = BYTEA_OUTPUT_HEX;
		pinned.zone = pg_tzset("GMT");
		if (pinned.zone == NULL)
			elog(ERROR, "could not load time zone \"GMT\"");
	}
	return &pinned;
}

static bool
is_equal(const struct settings *a, const struct settings *b)
{
	return a->zone == b->zone && a->date_style == b->date_style &&
		a->interval_style == b->interval_style &&
		a->float_digits == b->float_digits &&
		a->bytea_output == b->bytea_output;
}

/* Through the settings' own machinery; the list ends with a NULL. */
static void
call_with(const char *const(*list)[2], void (*body) (void *arg), void *arg)
{
	int			level = NewGUCNestLevel();

	PG_TRY();
	{
		int			i;

		for (i = 0; list[i][0] != NULL; i++)
			(void) set_config_option(list[i][0], list[i][1], PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
									 false);
		body(arg);
	}
	PG_FINALLY();
	{
		AtEOXact_GUC(true, level);
	}
	PG_END_TRY();
}

static void
call(int needs, void (*body) (void *arg), void *arg)
{
	static const char *const monetary[][2] = {{"lc_monetary", "C"}, {NULL}};

	if ((needs & TALLY_NEEDS_MONETARY) != 0 &&
		strcmp(locale_monetary, "C") != 0)
		call_with(monetary, body, arg);
	else
		body(arg);
}

void
tally_pin_call(int needs, void (*body) (void *arg), void *arg)
{
	const struct settings *pinned;
	struct settings saved;

	if ((needs & TALLY_NEEDS_SETTINGS) == 0)
	{
		call(needs, body, arg);
		return;
	}
	pinned = pinned_settings();
	saved = current_settings();
	if (is_equal(&saved, pinned))
	{
		call(needs, body, arg);
		return;
	}
	PG_TRY();
	{
		apply(pinned);
		call(needs, body, arg);
	}
	PG_FINALLY();
	{
		apply(&saved);
	}
	PG_END_TRY();
}

void
tally_pin_call_parser(void (*body) (void *arg), void *arg)
{
	/* Named, pg_temp comes last; unnamed, its types would come first. */
	static const char *const parser[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"TimeZone", "GMT"},
		{"DateStyle", "ISO, MDY"},
		{"IntervalStyle", "iso_8601"},
		{"extra_float_digits", "1"},
		{"bytea_output", "hex"},
		{"lc_monetary", "C"},
		{"array_nulls", "on"},
		{"xmloption", "content"},
		{"standard_conforming_strings", "on"},
		{"transform_null_equals", "off"},
		{"quote_all_identifiers", "off"},
		{NULL}
	};

	call_with(parser, body, arg);
}
