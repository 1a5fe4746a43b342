/* SPDX-License-Identifier: Apache-2.0 */
/* What target.c and cycle.c share. */
#ifndef TALLY_WATCH_TARGET_H
#define TALLY_WATCH_TARGET_H

#include "watch/watch.h"

/* Opens log, sinks and publisher, unless they are open.  If only the publisher
 * fails (its register), the log and its sinks are open. */
TALLY_MUST_CHECK int
watch_target_connect(struct watch_target *target, struct tally_error *error);

void
watch_target_disconnect(struct watch_target *target);

void
watch_target_save(const struct watch_target *target);

#endif
