/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical event of a row (doc/format.md, section 6), taken apart. */
#ifndef TALLY_CORE_ROW_EVENT_H
#define TALLY_CORE_ROW_EVENT_H

#include <stddef.h>

/*
 * The event, of a row that came, was changed or is an old one, with only those
 * columns that have one of the names: JSON strings, as RFC 8785 has them.  out
 * holds event_len bytes.  Returns the length; 0: it is no such event.
 */
size_t
tally_row_event_reduce(const char *event, size_t event_len,
    const char *const *names, size_t nnames, char *out);

#endif
