/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of events in tally:log (doc/format.md, section 8).  Whoever judges
 * a log says of any other that he cannot: a later version may mean by it that
 * something is to be judged in another way.
 */
#ifndef TALLY_CORE_KINDS_H
#define TALLY_CORE_KINDS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/note.h"

/*
 * Is the event of record seq of tally:log one whose kind is known there?
 * *out_kind views event: the name of its first member, as it stands there;
 * empty if it has none.
 */
bool
tally_log_kind_is_known(const char *event, size_t len, uint64_t seq,
    struct tally_span *out_kind);

#endif
