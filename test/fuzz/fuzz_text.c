/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small texts: what parses strictly is what formatting gives back.  The first
 * byte says what the rest is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

#define MAX 4096

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same(const char *text, size_t len, const char *again, size_t again_len)
{
	if (len != again_len || memcmp(text, again, len) != 0)
		abort();
}

static void
judge_base64(const char *text, size_t len)
{
	static uint8_t bytes[MAX];
	static char again[2 * MAX];
	size_t n;

	if (tally_base64_parse(text, len, bytes, sizeof(bytes), &n) != 0)
		return;
	tally_base64_format(bytes, n, again);
	same(text, len, again, tally_base64_size(n));
}

static void
judge_hex(const char *text, size_t len)
{
	static uint8_t bytes[MAX];
	static char again[2 * MAX];

	if (len > sizeof(again) ||
	    tally_hex_parse(text, len, true, bytes, len / 2) != 0)
		return;
	tally_hex_format(bytes, len / 2, again);
	same(text, len, again, len);
}

static void
judge_time(const char *text, size_t len)
{
	char again[TALLY_TIME_TEXT_SIZE];
	int64_t time_us, strict_us;

	if (len >= 27 && tally_time_parse_strict(text, &strict_us) == 0) {
		tally_time_format(strict_us, again);
		same(text, 27, again, 27);
	}
	if (tally_time_parse(text, len, &time_us) != 0)
		return;
	tally_time_format(time_us, again);
	if (tally_time_parse_strict(again, &strict_us) != 0 ||
	    strict_us != time_us)
		abort();
}

static void
judge_name(const char *text, size_t len)
{
	char escaped[TALLY_CHAIN_TEXT_MAX], plain[TALLY_CHAIN_MAX + 1];
	const char *what;
	size_t n, back;

	if (tally_name_escape(text, len, TALLY_CHAIN_MAX, escaped, &n, &what) ==
	    0) {
		if (tally_name_unescape(escaped, n, TALLY_CHAIN_MAX, plain,
			&back) != 0 ||
		    !tally_is_utf8(text, len))
			abort();
		same(text, len, plain, back);
	}
	if (tally_name_measure(text, len, TALLY_CHAIN_MAX) > len)
		abort();
}

static void
judge_decimal(const char *text, size_t len)
{
	char again[TALLY_DECIMAL_MAX];
	uint64_t value;

	if (tally_decimal_parse(text, len, UINT64_MAX, &value) == 0)
		same(text, len, again, tally_decimal_format(value, again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const judges[])(const char *, size_t) = { judge_base64,
		judge_hex, judge_time, judge_name, judge_decimal };

	if (size > 0)
		judges[data[0] % 5]((const char *)data + 1, size - 1);
	return 0;
}
