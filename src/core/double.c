/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles",
 * 2020).  A double v = c * 2^q is the only one in the interval between the
 * middles to its neighbours.  With 10^k just below the interval's length at
 * most one multiple of 10^(k+1), or one or two of 10^k, have to be looked at.
 * All is counted in quarters of 10^k, so that the middles are integers, and
 * rounded to odd, so that what was cut off still decides comparisons.
 */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "core/double.h"

#define SIGNIFICAND_BITS 52
#define EXPONENT_BIAS 1075 /* 1023 and the bits of the significand */
#define HIDDEN ((uint64_t)1 << SIGNIFICAND_BITS)

/* As many digits decide what the nearest double is: more cannot stand between
 * two doubles and their middle. */
#define DECIDING_DIGITS 770

/* ---- shortest decimal ------------------------------------------------- */

/* The high half of a product, and the low one. */
static inline uint64_t
multiply(uint64_t a, uint64_t b, uint64_t *out_low)
{
#if defined(__SIZEOF_INT128__) && !defined(TALLY_PORTABLE)
	__extension__ unsigned __int128 product;

	product = a;
	product *= b;
	*out_low = (uint64_t)product;
	return (uint64_t)(product >> 64);
#else
	uint64_t a0 = a & 0xffffffff, a1 = a >> 32;
	uint64_t b0 = b & 0xffffffff, b1 = b >> 32;
	uint64_t low = a0 * b0;
	uint64_t middle = a1 * b0 + (low >> 32);
	uint64_t other = a0 * b1 + (middle & 0xffffffff);

	*out_low = other << 32 | (low & 0xffffffff);
	return a1 * b1 + (middle >> 32) + (other >> 32);
#endif
}

/* g * c / 2^128, with the last bit set if anything was cut off. */
static inline uint64_t
scale(const struct tally_pow10 *g, uint64_t c)
{
	uint64_t x0, y0, x1, y1;

	x1 = multiply(g->low, c, &x0);
	y1 = multiply(g->high, c, &y0);
	y0 += x1;
	y1 += y0 < x1;
	return y1 | (y0 > 1);
}

/* x / 2^bits, rounded down. */
static inline int
shift_floor(int64_t x, int bits)
{
	return (int)(x >= 0 ? x >> bits : ~(~x >> bits));
}

/* For a double that is no integer below 2^53. */
static struct tally_decimal
search(uint64_t c, int q, bool lower_is_closer)
{
	/* floor(log10(2^q)), or of 3/4 of it: the interval is shorter then. */
	int k = shift_floor((int64_t)q * 1262611 -
		(lower_is_closer ? 524031 : 0), 22);
	/* q + floor(log2(10^-k)) + 1 */
	int h = q + shift_floor((int64_t)-k * 1741647, 19) + 1;
	const struct tally_pow10 *g = &tally_pow10[-k - TALLY_POW10_MIN];
	uint64_t odd = c & 1;
	uint64_t lower = scale(g, (4 * c - 2 + lower_is_closer) << h) + odd;
	uint64_t at = scale(g, (4 * c) << h);
	uint64_t upper = scale(g, (4 * c + 2) << h) - odd;
	uint64_t s = at / 4, tens = s / 10;
	bool below, above;

	if (s >= 10) {
		below = lower <= 40 * tens;
		above = 40 * tens + 40 <= upper;
		if (below != above)
			return (struct tally_decimal){ tens + above, k + 1 };
	}
	below = lower <= 4 * s;
	above = 4 * s + 4 <= upper;
	if (below == above)
		above = at > 4 * s + 2 || (at == 4 * s + 2 && (s & 1) != 0);
	return (struct tally_decimal){ s + above, k };
}

struct tally_decimal
tally_double_shortest(double value)
{
	struct tally_decimal decimal = { 0, 0 };
	uint64_t bits, c, fraction;
	int biased, q;

	memcpy(&bits, &value, sizeof(bits));
	fraction = bits & (HIDDEN - 1);
	biased = (int)(bits >> SIGNIFICAND_BITS & 0x7ff);
	if (fraction == 0 && biased == 0)
		return decimal;
	c = biased != 0 ? HIDDEN | fraction : fraction;
	q = (biased != 0 ? biased : 1) - EXPONENT_BIAS;
	if (q <= 0 && q > -(SIGNIFICAND_BITS + 1) &&
	    (c & (((uint64_t)1 << -q) - 1)) == 0)
		decimal.digits = c >> -q;
	else
		decimal = search(c, q, fraction == 0 && biased > 1);
	while (decimal.digits % 10 == 0) {
		decimal.digits /= 10;
		decimal.exponent++;
	}
	return decimal;
}

/* ---- spelling --------------------------------------------------------- */

/* Digits of the shortest decimal, and where the point is: 0.ddd * 10^point. */
struct spelling {
	char digits[20];
	int count;
	int point;
};

static char *
spell_begin(double value, struct spelling *s, char *out)
{
	struct tally_decimal decimal = tally_double_shortest(value);
	char reversed[20];
	uint64_t bits;
	int i;

	memcpy(&bits, &value, sizeof(bits));
	s->count = 0;
	do {
		reversed[s->count++] = (char)('0' + decimal.digits % 10);
		decimal.digits /= 10;
	} while (decimal.digits != 0);
	for (i = 0; i < s->count; i++)
		s->digits[i] = reversed[s->count - 1 - i];
	s->point = s->count + decimal.exponent;
	if (bits >> 63 != 0)
		*out++ = '-';
	return out;
}

static char *
put_zeros(char *out, int count)
{
	if (count <= 0)
		return out;
	memset(out, '0', (size_t)count);
	return out + count;
}

static char *
put_digits(char *out, const char *digits, int count)
{
	memcpy(out, digits, (size_t)count);
	return out + count;
}

/* "123", "1.23", "0.00123", "12300". */
static char *
put_fixed(char *out, const struct spelling *s)
{
	if (s->point <= 0) {
		*out++ = '0';
		*out++ = '.';
		out = put_zeros(out, -s->point);
		return put_digits(out, s->digits, s->count);
	}
	if (s->point >= s->count) {
		out = put_digits(out, s->digits, s->count);
		return put_zeros(out, s->point - s->count);
	}
	out = put_digits(out, s->digits, s->point);
	*out++ = '.';
	return put_digits(out, s->digits + s->point, s->count - s->point);
}

/* "1e+21", "1.5e-7"; at least so many digits behind the sign. */
static char *
put_scientific(char *out, const struct spelling *s, int least)
{
	int exponent = s->point - 1, size = 1;

	*out++ = s->digits[0];
	if (s->count > 1) {
		*out++ = '.';
		out = put_digits(out, s->digits + 1, s->count - 1);
	}
	*out++ = 'e';
	*out++ = exponent < 0 ? '-' : '+';
	exponent = exponent < 0 ? -exponent : exponent;
	while (size < least || (size < 3 && exponent >= (size == 1 ? 10 : 100)))
		size++;
	if (size > 2)
		*out++ = (char)('0' + exponent / 100);
	if (size > 1)
		*out++ = (char)('0' + exponent / 10 % 10);
	*out++ = (char)('0' + exponent % 10);
	return out;
}

size_t
tally_double_format_js(double value, char out[TALLY_DOUBLE_TEXT_MAX])
{
	struct spelling s;
	char *at;

	if (value == 0) {
		out[0] = '0'; /* also what is below zero */
		return 1;
	}
	at = spell_begin(value, &s, out);
	if (s.point > 21 || s.point <= -6)
		at = put_scientific(at, &s, 1);
	else
		at = put_fixed(at, &s);
	return (size_t)(at - out);
}

size_t
tally_double_format_python(double value, char out[TALLY_DOUBLE_TEXT_MAX])
{
	struct spelling s;
	char *at = spell_begin(value, &s, out);

	if (value == 0)
		s.point = 1;
	if (s.point > 16 || s.point <= -4)
		return (size_t)(put_scientific(at, &s, 2) - out);
	at = put_fixed(at, &s);
	if (s.point >= s.count) {
		*at++ = '.';
		*at++ = '0';
	}
	return (size_t)(at - out);
}

/* ---- reading ---------------------------------------------------------- */

/* A number of JSON, taken apart: digits * 10^exponent. */
struct number {
	char digits[DECIDING_DIGITS + 2];
	size_t count; /* without leading zeros */
	int64_t exponent;
	bool negative;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What is behind the deciding digits counts only if it is not zero. */
static void
take_digit(struct number *n, char c, bool fraction)
{
	if (n->count == 0 && c == '0') {
		n->exponent -= fraction;
		return;
	}
	if (n->count < DECIDING_DIGITS) {
		n->digits[n->count++] = c;
		n->exponent -= fraction;
		return;
	}
	n->exponent += !fraction;
	if (c != '0')
		n->digits[DECIDING_DIGITS - 1] |= 1;
}

static int64_t
read_exponent(const char *p, const char *end)
{
	int64_t value = 0;
	bool negative = *p == '-';

	for (p += *p == '-' || *p == '+'; p < end; p++) {
		if (value < 100000000)
			value = value * 10 + (*p - '0');
	}
	return negative ? -value : value;
}

static void
take_apart(const char *text, size_t len, struct number *n)
{
	const char *p = text, *end = text + len;

	n->count = 0;
	n->exponent = 0;
	n->negative = p < end && *p == '-';
	for (p += n->negative; p < end && is_digit(*p); p++)
		take_digit(n, *p, false);
	if (p < end && *p == '.') {
		for (p++; p < end && is_digit(*p); p++)
			take_digit(n, *p, true);
	}
	if (p + 1 < end)
		n->exponent += read_exponent(p + 1, end);
}

/* Both factors are exact, so that the result is rounded once. */
static bool
read_exactly(const struct number *n, double *out)
{
#if FLT_EVAL_METHOD == 0
	static const double tens[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7,
		1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
		1e19, 1e20, 1e21, 1e22 };
	uint64_t digits = 0;
	size_t i;

	if (n->count > 15 || n->exponent < -22 || n->exponent > 22)
		return false;
	for (i = 0; i < n->count; i++)
		digits = digits * 10 + (uint64_t)(n->digits[i] - '0');
	if (n->exponent < 0)
		*out = (double)digits / tens[-n->exponent];
	else
		*out = (double)digits * tens[n->exponent];
	return true;
#else
	(void)n;
	(void)out;
	return false;
#endif
}

/* strtod rounds correctly; without a point, it reads the same anywhere. */
static double
read_rounded(struct number *n)
{
	char text[DECIDING_DIGITS + 32], reversed[20];
	int64_t left = n->exponent < 0 ? -n->exponent : n->exponent;
	size_t len = n->count, count = 0;

	memcpy(text, n->digits, len);
	text[len++] = 'e';
	text[len++] = n->exponent < 0 ? '-' : '+';
	do {
		reversed[count++] = (char)('0' + left % 10);
		left /= 10;
	} while (left != 0);
	while (count > 0)
		text[len++] = reversed[--count];
	text[len] = '\0';
	return strtod(text, NULL);
}

double
tally_double_read(const char *text, size_t len)
{
	struct number n;
	double value = 0;

	take_apart(text, len, &n);
	if (n.count > 0 && !read_exactly(&n, &value))
		value = read_rounded(&n);
	return n.negative ? -value : value;
}
