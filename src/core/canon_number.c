/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of the canonical forms.  JavaScript knows doubles only; Python keeps
 * integers apart from them; jsonb keeps decimal digits, and how many stand
 * behind the point, but no exponent.
 */
#include <float.h>
#include <string.h>

#include "core/canon.h"
#include "core/double.h"
#include "core/fail.h"

/* Integers of so many digits are doubles, and spelled the same. */
#define SAFE_DIGITS 15

/* sys.get_int_max_str_digits(), as Python has it from the factory. */
#define PYTHON_DIGITS_MAX 4300

/* What PostgreSQL's numeric has room for. */
#define NUMERIC_BEFORE_MAX 131072
#define NUMERIC_BEHIND_MAX 16383

static bool
is_infinite(double value)
{
	return value > DBL_MAX || value < -DBL_MAX;
}

static void
put_js(const char *text, const struct tally_canon_node *node,
    struct tally_canon_out *out)
{
	char number[TALLY_DOUBLE_TEXT_MAX];
	double value;

	if ((node->flags & TALLY_CANON_REAL) == 0 && node->len <= SAFE_DIGITS &&
	    memcmp(text, "-0", node->len < 2 ? node->len : 2) != 0) {
		tally_canon_put(out, text, node->len);
		return;
	}
	value = tally_double_read(text, node->len);
	if (is_infinite(value))
		tally_canon_put(out, "null", 4);
	else
		tally_canon_put(out, number,
		    tally_double_format_js(value, number));
}

static int
put_python(const char *text, const struct tally_canon_node *node,
    struct tally_canon_out *out, struct tally_error *error)
{
	char number[TALLY_DOUBLE_TEXT_MAX];
	size_t digits = node->len - (text[0] == '-');
	double value;

	if ((node->flags & TALLY_CANON_REAL) == 0) {
		if (digits > PYTHON_DIGITS_MAX)
			return tally_fail(error, TALLY_E_LIMIT,
			    "json: an integer of more than %d digits, which"
			    " Python refuses",
			    PYTHON_DIGITS_MAX);
		if (node->len == 2 && memcmp(text, "-0", 2) == 0)
			tally_canon_put_char(out, '0');
		else
			tally_canon_put(out, text, node->len);
		return 0;
	}
	value = tally_double_read(text, node->len);
	if (is_infinite(value))
		tally_canon_put(out, value < 0 ? "-Infinity" : "Infinity",
		    value < 0 ? 9 : 8);
	else
		tally_canon_put(out, number,
		    tally_double_format_python(value, number));
	return 0;
}

/* A number of jsonb: digits of [begin, end) that are none are its point. */
struct numeric {
	const char *begin;
	const char *end;
	int64_t before; /* digits before the point, leading zeros included */
	int64_t count;
	int64_t scale; /* digits behind the point that are shown */
	bool zero;
};

static void
numeric_read(const char *text, size_t len, struct numeric *n)
{
	const char *p = text + (text[0] == '-'), *end = text + len;
	int64_t exponent = 0, behind = 0;
	bool point = false, negative;

	n->begin = p;
	n->count = 0;
	n->zero = true;
	for (; p < end && *p != 'e' && *p != 'E'; p++) {
		if (*p == '.') {
			point = true;
			continue;
		}
		n->count++;
		behind += point;
		n->zero &= *p == '0';
	}
	n->end = p;
	if (p < end) {
		negative = *++p == '-';
		for (p += negative || *p == '+'; p < end; p++) {
			if (exponent < 100000000)
				exponent = exponent * 10 + (*p - '0');
		}
		exponent = negative ? -exponent : exponent;
	}
	n->before = n->count - behind + exponent;
	n->scale = behind > exponent ? behind - exponent : 0;
}

/* The digit at a place, 0 being the first one of the number as written. */
static void
put_digits(const struct numeric *n, int64_t from, int64_t to,
    struct tally_canon_out *out)
{
	const char *p = n->begin;
	int64_t at = 0;

	for (; from < to && from < 0; from++)
		tally_canon_put_char(out, '0');
	for (; p < n->end && from < to; p++) {
		if (*p == '.')
			continue;
		if (at++ == from) {
			tally_canon_put_char(out, *p);
			from++;
		}
	}
	for (; from < to; from++)
		tally_canon_put_char(out, '0');
}

/* Where the first digit that is not zero stands, or the count. */
static int64_t
first_digit(const struct numeric *n)
{
	const char *p;
	int64_t at = 0;

	for (p = n->begin; p < n->end; p++) {
		if (*p >= '1' && *p <= '9')
			break;
		at += *p != '.';
	}
	return at;
}

static int
put_jsonb(const char *text, const struct tally_canon_node *node,
    struct tally_canon_out *out, struct tally_error *error)
{
	struct numeric n;
	int64_t first;

	if ((node->flags & TALLY_CANON_REAL) == 0 && text[0] != '-' &&
	    node->len <= SAFE_DIGITS) {
		tally_canon_put(out, text, node->len);
		return 0;
	}
	numeric_read(text, node->len, &n);
	first = first_digit(&n);
	if (n.scale > NUMERIC_BEHIND_MAX ||
	    (!n.zero && n.before - first > NUMERIC_BEFORE_MAX))
		return tally_fail(error, TALLY_E_LIMIT,
		    "json: a number that PostgreSQL's numeric has no room for");
	if (text[0] == '-' && !n.zero)
		tally_canon_put_char(out, '-');
	if (n.zero || n.before <= first)
		tally_canon_put_char(out, '0');
	else
		put_digits(&n, first, n.before, out);
	if (n.scale > 0) {
		tally_canon_put_char(out, '.');
		put_digits(&n, n.before, n.before + n.scale, out);
	}
	return 0;
}

int
tally_canon_number(enum tally_canon_form form, const char *text,
    const struct tally_canon_node *node, struct tally_canon_out *out,
    struct tally_error *error)
{
	text += node->at;
	switch (form) {
	case TALLY_CANON_PYTHON:
		return put_python(text, node, out, error);
	case TALLY_CANON_JSONB:
		return put_jsonb(text, node, out, error);
	default:
		put_js(text, node, out);
		return 0;
	}
}
