/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scan and check agree on any text; what scan gives is compact; a member is
 * found or not, but nothing outside the text is read.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"

#define LIMIT ((size_t)1 << 16)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tally_event_name names[LIMIT / 4 + 1];

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tally_event_room room = { names, LIMIT / 4 + 1 };
	const char *text = (const char *)data;
	static char out[LIMIT];
	struct tally_error error = { .code = 0 };
	char value[64];
	size_t len = 0, value_len;
	bool same;
	int r;

	r = tally_event_scan(text, size, LIMIT, &room, out, &len, &error);
	if (r == TALLY_PARTIAL || error.code != r)
		abort();
	if (r != 0 && strncmp(error.message, "event: ", 7) != 0)
		abort();
	same = r == 0 && len == size && memcmp(out, text, len) == 0;
	if ((tally_event_check(text, size, LIMIT, &room) == 0) != same)
		abort();
	if (r == 0 && tally_event_check(out, len, LIMIT, &room) != 0)
		abort();
	r = tally_event_member(text, size, "a", value, sizeof(value),
	    &value_len);
	if (r == 0 && value[value_len] != '\0')
		abort();
	return 0;
}
