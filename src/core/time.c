/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instants as text: RFC 3339, in UTC where the format has it.
 *
 * Days are counted in the proleptic Gregorian calendar with years that begin
 * in March, so that the leap day is the last one (Hinnant, "chrono-Compatible
 * Low-Level Date Algorithms").  There is no second 60: no clock that we read
 * shows one, and it would not be an instant of its own.
 */
#include <stdbool.h>

#include "core/text.h"

#define DAY_S 86400
#define SECOND_US 1000000
/* 9999-12-31T23:59:59.999999Z */
#define TIME_MAX_US INT64_C(253402300799999999)

/* An instant taken apart. */
struct civil {
	int year, month, day;
	int hour, minute, second;
};

/* Days from 1970-01-01 to a date of the years 0 to 9999. */
static int64_t
days_from_date(int year, int month, int day)
{
	int y = year + 400 - (month <= 2); /* never negative */
	int era = y / 400;
	int of_era = y % 400;
	int of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
	int days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;

	return (int64_t)(era - 1) * 146097 + days - 719468;
}

/* The other way, for days from 0 on. */
static void
date_from_days(int64_t days, struct civil *out)
{
	int shifted = (int)days + 719468;
	int era = shifted / 146097;
	int of_era = shifted % 146097;
	int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) /
	    365;
	int of_year = of_era - (365 * year + year / 4 - year / 100);
	int month = (5 * of_year + 2) / 153;

	out->day = of_year - (153 * month + 2) / 5 + 1;
	out->month = month < 10 ? month + 3 : month - 9;
	out->year = era * 400 + year + (out->month <= 2);
}

static int
days_of_month(int year, int month)
{
	static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30,
		31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* Reads n digits; -1 if they are none. */
static int
digits(const char *text, int n)
{
	int value = 0, i;
	unsigned digit;

	for (i = 0; i < n; i++) {
		digit = (unsigned)(unsigned char)text[i] - '0';
		if (digit > 9)
			return -1;
		value = value * 10 + (int)digit;
	}
	return value;
}

/* Writes n digits. */
static void
put_digits(char *out, int n, int value)
{
	while (n-- > 0) {
		out[n] = (char)('0' + value % 10);
		value /= 10;
	}
}

/*
 * Reads the 19 bytes "YYYY-MM-DDThh:mm:ss" (whatever stands for the T) as
 * seconds since 1970.  Returns whether that is a date and a time of day.
 */
static bool
seconds_parse(const char *text, int64_t *out_s)
{
	struct civil c = {
		.year = digits(text, 4),
		.month = digits(text + 5, 2),
		.day = digits(text + 8, 2),
		.hour = digits(text + 11, 2),
		.minute = digits(text + 14, 2),
		.second = digits(text + 17, 2),
	};

	if (text[4] != '-' || text[7] != '-' || text[13] != ':' ||
	    text[16] != ':')
		return false;
	if ((c.year | c.hour | c.minute | c.second) < 0)
		return false;
	if (c.month < 1 || c.month > 12 || c.day < 1 ||
	    c.day > days_of_month(c.year, c.month))
		return false;
	if (c.hour > 23 || c.minute > 59 || c.second > 59)
		return false;
	*out_s = days_from_date(c.year, c.month, c.day) * DAY_S +
	    c.hour * 3600 + c.minute * 60 + c.second;
	return true;
}

int
tally_time_parse_strict(const char *text, int64_t *out_time_us)
{
	int micros = digits(text + 20, 6);
	int64_t seconds;

	if (text[10] != 'T' || text[19] != '.' || text[26] != 'Z' ||
	    micros < 0 || !seconds_parse(text, &seconds) || seconds < 0)
		return TALLY_E_FORMAT;
	*out_time_us = seconds * SECOND_US + micros;
	return 0;
}

/*
 * Reads a fraction, if text[*at] is its point, and moves *at behind it.
 * Returns microseconds, or -1.
 */
static int
fraction_parse(const char *text, size_t len, size_t *at)
{
	size_t begin = *at + 1, i;
	int micros = 0, scale = 100000;

	if (*at == len || text[*at] != '.')
		return 0;
	for (i = begin; i < len && digits(text + i, 1) >= 0; i++) {
		micros += digits(text + i, 1) * scale;
		scale /= 10;
	}
	*at = i;
	return i > begin && i - begin <= 9 ? micros : -1;
}

/* Reads "Z" or an offset, which must be all of text; seconds east of UTC. */
static bool
zone_parse(const char *text, size_t len, int64_t *out_s)
{
	int hours, minutes;

	*out_s = 0;
	if (len == 1)
		return text[0] == 'Z' || text[0] == 'z';
	if (len != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
		return false;
	hours = digits(text + 1, 2);
	minutes = digits(text + 4, 2);
	if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
		return false;
	*out_s = hours * 3600 + minutes * 60;
	if (text[0] == '-')
		*out_s = -*out_s;
	return true;
}

int
tally_time_parse(const char *text, size_t len, int64_t *out_time_us)
{
	int64_t seconds, east, time_us;
	size_t at = 19;
	int micros;

	if (len < 20 || !seconds_parse(text, &seconds))
		return TALLY_E_FORMAT;
	if (text[10] != 'T' && text[10] != 't' && text[10] != ' ')
		return TALLY_E_FORMAT;
	micros = fraction_parse(text, len, &at);
	if (micros < 0 || !zone_parse(text + at, len - at, &east))
		return TALLY_E_FORMAT;
	time_us = (seconds - east) * SECOND_US + micros;
	if (time_us < 0 || time_us > TIME_MAX_US)
		return TALLY_E_FORMAT;
	*out_time_us = time_us;
	return 0;
}

void
tally_time_format(int64_t time_us, char out[TALLY_TIME_TEXT_SIZE])
{
	struct civil c;
	int64_t seconds;
	int of_day;

	if (time_us < 0)
		time_us = 0;
	if (time_us > TIME_MAX_US)
		time_us = TIME_MAX_US;
	seconds = time_us / SECOND_US;
	of_day = (int)(seconds % DAY_S);
	date_from_days(seconds / DAY_S, &c);
	put_digits(out, 4, c.year);
	out[4] = '-';
	put_digits(out + 5, 2, c.month);
	out[7] = '-';
	put_digits(out + 8, 2, c.day);
	out[10] = 'T';
	put_digits(out + 11, 2, of_day / 3600);
	out[13] = ':';
	put_digits(out + 14, 2, of_day / 60 % 60);
	out[16] = ':';
	put_digits(out + 17, 2, of_day % 60);
	out[19] = '.';
	put_digits(out + 20, 6, (int)(time_us % SECOND_US));
	out[26] = 'Z';
	out[27] = '\0';
}
