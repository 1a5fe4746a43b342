/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names given twice in one object (doc/format.md, section 1).
 *
 * The names of one object stand next to each other in the room, in the order
 * of the text.  text is the input that their offsets count in.
 */
#ifndef TALLY_CORE_EVENT_NAMES_H
#define TALLY_CORE_EVENT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/event.h"

/* The top bit of a name's len. */
#define TALLY_NAME_ESCAPED ((uint32_t)1 << 31)

static inline size_t
tally_event_name_len(const struct tally_event_name *name)
{
	return name->len & ~TALLY_NAME_ESCAPED;
}

/* Is name, decoded, one of the count names? */
bool
tally_event_name_is_among(const uint8_t *text,
    const struct tally_event_name *name, const struct tally_event_name *names,
    size_t count);

/*
 * The first name in the text that an earlier one of the count names is equal
 * to, or NULL; count is not 0.  Orders names anew.  O(L log count) for names
 * of total length L.
 */
const struct tally_event_name *
tally_event_names_twice(const uint8_t *text, struct tally_event_name *names,
    size_t count);

#endif
