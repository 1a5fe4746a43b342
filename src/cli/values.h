/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options.  Each fills its struct and returns NULL, or returns what
 * it wants to see instead ("a number").
 */
#ifndef TALLY_CLI_VALUES_H
#define TALLY_CLI_VALUES_H

#include "options.h"

const char *
value_count(const char *text, struct option_count *out);

/* 65536, 64K, 256M, 1G. */
const char *
value_bytes(const char *text, struct option_count *out);

/* RFC 3339, a date, a date and a time (UTC), or how long ago: 90s, 2h, 7d. */
const char *
value_time(const char *text, struct option_time *out);

const char *
value_root(const char *text, struct option_root *out);

#endif
