/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of a test's own with a log in it.  Include behind cmocka.h, with
 * PLACE_ORIGIN defined where the log has an origin.
 */
#ifndef TALLY_TEST_PLACE_H
#define TALLY_TEST_PLACE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tally/log.h>

#ifndef PLACE_ORIGIN
#define PLACE_ORIGIN NULL
#endif

struct place {
	char top[128];
	char dir[160];
	struct tally_error error;
};

static inline int
shell(const char *format, ...) TALLY_PRINTF(1, 2);

static inline int
shell(const char *format, ...)
{
	char command[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

static inline int
setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	const struct tally_init_options how = { .origin = PLACE_ORIGIN };
	const char *tmp = getenv("TMPDIR");

	if (place == NULL)
		return -1;
	snprintf(place->top, sizeof(place->top), "%.80s/tally-unit-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(place->top) == NULL)
		return -1;
	snprintf(place->dir, sizeof(place->dir), "%s/audit", place->top);
	*state = place;
	return tally_log_init(place->dir, &how, &place->error);
}

static inline int
teardown(void **state)
{
	struct place *place = *state;

	shell("rm -rf '%s'", place->top);
	free(place);
	return 0;
}

static inline struct tally_log *
must_open(struct place *place)
{
	struct tally_log *log = NULL;
	int result = tally_log_open(place->dir, NULL, &log, &place->error);

	if (result != 0)
		fail_msg("open: %s", place->error.message);
	return log;
}

static inline void
must_close(struct tally_log *log)
{
	assert_int_equal(tally_log_close(log, NULL), 0);
}

#endif
