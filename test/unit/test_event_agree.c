/* SPDX-License-Identifier: Apache-2.0 */
/* The event scanner beside itself, cut short, and beside another reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "event_judge.h"

static const char *const samples[] = {
	("{\"actor\":{\"id\":\"usr_01\",\"ip\":\"203.0.113.42\"},"
	 "\"action\":\"document.update\",\"ok\":true,\"ms\":12.5e-3,"
	 "\"tags\":[\"a\",\"b\",null,false],\"n\":-0}"),
	("{\"no\\u0074e\":\"caf\\u00e9 \\ud83d\\ude00 \\\"x\\\" \\\\\",\"z\":"
	 "\"\xd0\x97\xd0\xbe\xd1\x8f \xe6\x97\xa5 \xf0\x9f\x98\x80\"}"),
	"[[[[[]]]],{\"a\":{\"b\":{\"c\":[1,2,3]}}}]",
	" { \"spaced\" : [ 1 , 2 , { \"x\" : \"y z\" } ] ,\r\n\t\"b\":1 }",
	"\"a string that is longer than one vector of sixteen bytes\"",
};

/* No prefix of an object, array or string is an event. */
static void
test_event__every_prefix(void **state)
{
	struct tally_error error;
	size_t i, len, n;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		assert_true(accepted(samples[i], strlen(samples[i])));
		for (len = 0; len < strlen(samples[i]); len++) {
			assert_int_equal(judge(samples[i], len, LIMIT, &n,
					     &error),
			    TALLY_E_EVENT);
			assert_true(error.offset <= len);
		}
	}
}

/*
 * Any byte of the samples changed to any other, and any byte taken out: judge
 * asserts that scan and check agree, and jansson is asked for its opinion.
 */
static void
test_event__agrees_with_another_reader(void **state)
{
	const size_t flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES |
	    JSON_ALLOW_NUL;
	json_error_t error;
	char text[400];
	json_t *value;
	size_t i, at, len;
	int c;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		len = strlen(samples[i]);
		memcpy(text, samples[i], len);
		for (at = 0; at < len; at++) {
			for (c = 0; c < 256; c++) {
				text[at] = (char)c;
				/* It takes a NUL behind a number for space. */
				if (c == 0) {
					assert_false(accepted(text, len));
					continue;
				}
				value = json_loadb(text, len, flags, &error);
				if (accepted(text, len) != (value != NULL) &&
				    json_error_code(&error) !=
					json_error_numeric_overflow &&
				    json_error_code(&error) !=
					json_error_null_byte_in_key)
					fail_msg("jansson says otherwise: "
						 "%.*s",
					    (int)len, text);
				json_decref(value);
			}
			text[at] = samples[i][at];
		}
	}
}

/* Every text of up to five bytes of an alphabet that reaches every state. */
static void
test_event__every_short_text(void **state)
{
	static const char alphabet[] = "{}[]:,\"\\n10-.e ";
	const unsigned base = sizeof(alphabet) - 1;
	const size_t flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES;
	unsigned total = 1, i, rest;
	json_error_t error;
	json_t *value;
	char text[8];
	size_t len, at;

	(void)state;
	for (len = 1; len <= 5; len++) {
		total *= base;
		for (i = 0; i < total; i++) {
			rest = i;
			for (at = 0; at < len; at++) {
				text[at] = alphabet[rest % base];
				rest /= base;
			}
			value = json_loadb(text, len, flags, &error);
			if (accepted(text, len) != (value != NULL))
				fail_msg("jansson says otherwise: %.*s",
				    (int)len, text);
			json_decref(value);
		}
	}
}

/* A fixed sequence of pseudo-random numbers. */
static uint32_t
next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 33);
}

/* Several changes at once, and pieces of one sample put into another. */
static void
test_event__scan_and_check_agree_on_noise(void **state)
{
	static const char pool[] = "{}[]:,\"\\ \n\tu0d8e-.19tfna\xc3\xa9\x80";
	const unsigned count = sizeof(samples) / sizeof(samples[0]);
	uint64_t seed = 1;
	char text[512];
	size_t len, at, from, n;
	const char *other;
	unsigned i, k, yes = 0;

	(void)state;
	for (i = 0; i < 100000; i++) {
		len = strlen(samples[next_random(&seed) % count]);
		memcpy(text, samples[i % count], strlen(samples[i % count]));
		len = strlen(samples[i % count]);
		for (k = next_random(&seed) % 3; k > 0; k--)
			text[next_random(&seed) % len] =
			    pool[next_random(&seed) % (sizeof(pool) - 1)];
		if (next_random(&seed) % 4 == 0) {
			other = samples[next_random(&seed) % count];
			at = next_random(&seed) % len;
			from = next_random(&seed) % strlen(other);
			n = next_random(&seed) % (strlen(other) - from + 1);
			memmove(text + at + n, text + at, len - at);
			memcpy(text + at, other + from, n);
			len += n;
		}
		yes += accepted(text, len);
	}
	assert_true(yes > 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_prefix),
		TEST(agrees_with_another_reader),
		TEST(every_short_text),
		TEST(scan_and_check_agree_on_noise),
	};

	return cmocka_run_group_tests(tests, open_guards, close_guards);
}
