/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IEEE 754 doubles as text: the shortest decimal that reads back as the same
 * double, nearest to it where there are several, as ECMAScript and Python
 * spell it; and reading a number of JSON.  No locale has a say in it.
 */
#ifndef TALLY_CORE_DOUBLE_H
#define TALLY_CORE_DOUBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "-2.2250738585072014e-308" has 24 bytes, ECMAScript's "-0.0000012345..." and
 * "-123456789012345680000" 25 at most. */
#define TALLY_DOUBLE_TEXT_MAX 32

#define TALLY_POW10_MIN (-292)
#define TALLY_POW10_MAX 324

struct tally_pow10 {
	uint64_t high;
	uint64_t low;
};
extern const struct tally_pow10
    tally_pow10[TALLY_POW10_MAX - TALLY_POW10_MIN + 1];

/* digits * 10^exponent; digits do not end in zero, but for zero itself. */
struct tally_decimal {
	uint64_t digits;
	int exponent;
};

/* The shortest decimal of the absolute value of a finite double. */
struct tally_decimal
tally_double_shortest(double value);

/* Number.prototype.toString of a finite double; no NUL.  Returns the length. */
size_t
tally_double_format_js(double value, char out[TALLY_DOUBLE_TEXT_MAX]);

/* Python's repr() of a finite double; no NUL.  Returns the length. */
size_t
tally_double_format_python(double value, char out[TALLY_DOUBLE_TEXT_MAX]);

/*
 * Reads a number of JSON (RFC 8259, section 6), which text must be, as the
 * nearest double; beyond the largest it is infinite.
 */
double
tally_double_read(const char *text, size_t len);

#endif
