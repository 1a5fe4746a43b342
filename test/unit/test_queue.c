/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a sink: states and names that are none of ours. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "outside/disk.h"
#include "outside/queue.h"

#define ORIGIN "0123"
#define STATE \
	"{\"failing_since_us\":0,\"failures\":2,\"message\":\"m\"," \
	"\"next_try_us\":5,\"offered_size\":9,\"origin\":\"0123\"," \
	"\"sent_size\":7,\"sent_us\":3,\"version\":1}"

struct place {
	char top[64];
	int base, dir;
};

static int
setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	if (place == NULL)
		return -1;
	(void)snprintf(place->top, sizeof(place->top),
	    "/tmp/tally-queue-XXXXXX");
	if (mkdtemp(place->top) == NULL)
		return -1;
	place->base = open(place->top, O_RDONLY | O_DIRECTORY);
	if (place->base < 0 || mkdirat(place->base, "q", 0700) != 0)
		return -1;
	place->dir = openat(place->base, "q", O_RDONLY | O_DIRECTORY);
	*state = place;
	return place->dir < 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	struct place *place = *state;
	char command[128];

	(void)close(place->dir);
	(void)close(place->base);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", place->top);
	(void)!system(command);
	free(place);
	return 0;
}

static void
put(const struct place *place, const char *name, const char *text, size_t len)
{
	assert_int_equal(tally_disk_replace(place->dir, name, text, len), 0);
}

/* Opens it and closes it; what it was is still there to look at. */
static int
try(const struct place *place, struct tally_queue *queue,
    struct tally_error *error)
{
	int result = tally_queue_open(queue, place->base, "q", ORIGIN, true,
	    error);

	tally_queue_close(queue);
	return result;
}

static void
test_queue__a_state_that_was_cut_is_none(void **state)
{
	const struct place *place = *state;
	struct tally_queue queue;
	struct tally_error error;

	put(place, "state", STATE, sizeof(STATE) - 1);
	assert_int_equal(try(place, &queue, NULL), 0);
	assert_int_equal(queue.sent_size, 7);
	assert_int_equal(queue.offered_size, 9);
	assert_string_equal(queue.message, "m");
	for (size_t n = 0; n < sizeof(STATE) - 1; n++) {
		put(place, "state", STATE, n);
		assert_int_equal(try(place, &queue, &error), TALLY_E_FORMAT);
		assert_string_equal(error.message,
		    "the state of the sink \"q\" is none; remove it, and all"
		    " heads go out again");
		assert_int_equal(queue.sent_size, 0);
	}
}

/* Each of these would say that everything was sent, or nothing ever. */
static void
test_queue__numbers_that_are_none(void **state)
{
	static const char *const members[] = { "offered_size", "sent_size",
		"failures", "sent_us", "failing_since_us", "next_try_us" };
	static const char *const values[] = { "-1", "\"7\"", "null", "7.0",
		"[]", "9223372036854775808", "-9223372036854775808", "true" };
	const struct place *place = *state;
	struct tally_queue queue;
	char text[512];

	for (size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++) {
		for (size_t v = 0; v <= sizeof(values) / sizeof(values[0]);
		     v++) {
			char find[32];
			const char *at, *end;
			int len;

			(void)snprintf(find, sizeof(find),
			    "\"%s\":", members[m]);
			at = strstr(STATE, find);
			assert_non_null(at);
			end = at + strcspn(at, ",}");
			/* The last time it is missing. */
			if (v < sizeof(values) / sizeof(values[0]))
				len = snprintf(text, sizeof(text), "%.*s%s%s%s",
				    (int)(at - STATE), STATE, find, values[v],
				    end);
			else
				len = snprintf(text, sizeof(text),
				    "%.*s\"x\":0%s", (int)(at - STATE), STATE,
				    end);
			put(place, "state", text, (size_t)len);
			assert_int_equal(try(place, &queue, NULL),
			    TALLY_E_FORMAT);
		}
	}
}

static void
test_queue__states_that_are_none(void **state)
{
	static const char *const texts[] = { "", "[]", "{}", "\"x\"", "null",
		STATE STATE, "{\"sent_size\":1,\"sent_size\":7}" };
	const struct place *place = *state;
	struct tally_queue queue;
	struct tally_error error;
	char long_one[16384];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put(place, "state", texts[i], strlen(texts[i]));
		assert_int_equal(try(place, &queue, NULL), TALLY_E_FORMAT);
	}
	memset(long_one, ' ', sizeof(long_one));
	memcpy(long_one, STATE, sizeof(STATE) - 1);
	put(place, "state", long_one, 8192);
	assert_int_equal(try(place, &queue, NULL), 0);
	memmove(long_one + 8192, STATE, sizeof(STATE) - 1);
	memset(long_one, ' ', sizeof(STATE));
	put(place, "state", long_one, 8192 + sizeof(STATE) - 1);
	assert_int_equal(try(place, &queue, NULL), TALLY_E_FORMAT);
	memcpy(long_one, STATE, sizeof(STATE) - 1);
	*strstr(long_one, "0123") = '9';
	put(place, "state", long_one, sizeof(STATE) - 1);
	assert_int_equal(try(place, &queue, &error), TALLY_E_USAGE);
	assert_string_equal(error.message,
	    "the queue of the sink \"q\" is another log's; give each log a"
	    " queue of its own");
	/* A link leads out of the queue. */
	assert_int_equal(unlinkat(place->dir, "state", 0), 0);
	assert_int_equal(symlinkat("/dev/null", place->dir, "state"), 0);
	assert_int_equal(try(place, &queue, NULL), TALLY_E_IO);
}

static void
test_queue__names_of_lines(void **state)
{
	static const char *const none[] = {

		"00000000000000000009-000001-000001x",
		"0000000000000000009-000001-0000001",
		"00000000000000000009-000002-000001",
		"00000000000000000009-000000-000001",
		"00000000000000000009-000000-000000",
		"99999999999999999999-000001-000001",
		"09223372036854775808-000001-000001",
		"18446744073709551615-000001-000001",
		"-0000000000000000009-000001-000001",
		"00000000000000000009--00001-000001",
		"00000000000000000009-000001-00001", "9-1-1", "state.new",
		"00000000000000000009-000001-000001.new"
	};
	static const char *const lines[] = {
		"00000000000000000008-000001-000002",
		"00000000000000000008-000002-000002",
		"00000000000000000010-000001-999999",
		"09223372036854775807-000001-000001"
	};
	const struct place *place = *state;
	struct tally_queue queue;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		put(place, none[i], "x", 1);
	assert_int_equal(tally_queue_open(&queue, place->base, "q", ORIGIN,
			     true, NULL),
	    0);
	assert_int_equal(queue.count, 0);
	tally_queue_close(&queue);
	for (size_t i = 4; i-- > 0;)
		put(place, lines[i], "x", 1);
	assert_int_equal(tally_queue_open(&queue, place->base, "q", ORIGIN,
			     true, NULL),
	    0);
	assert_int_equal(queue.count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(queue.lines[i].text, lines[i]);
	tally_queue_close(&queue);
}

/* A checkpoint of which parts are missing at the end was interrupted. */
static void
test_queue__what_was_interrupted_goes(void **state)
{
	const struct place *place = *state;
	struct tally_queue queue;

	put(place, "state", STATE, sizeof(STATE) - 1);
	put(place, "00000000000000000007-000001-000001", "x", 1);
	put(place, "00000000000000000008-000002-000002", "x", 1);
	put(place, "00000000000000000009-000001-000003", "x", 1);
	put(place, "00000000000000000009-000002-000003", "x", 1);
	assert_int_equal(tally_queue_open(&queue, place->base, "q", ORIGIN,
			     false, NULL),
	    0);
	assert_int_equal(queue.count, 1);
	assert_int_equal(tally_queue_covered(&queue), 8);
	tally_queue_close(&queue);
	assert_int_equal(faccessat(place->dir,
			     "00000000000000000009-000001-000003", F_OK, 0),
	    -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_queue__a_state_that_was_cut_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_queue__numbers_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_queue__states_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue__names_of_lines,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_queue__what_was_interrupted_goes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
