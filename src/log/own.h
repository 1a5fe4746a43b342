/* SPDX-License-Identifier: Apache-2.0 */
/* What the log says of itself, for the layers above. */
#ifndef TALLY_LOG_OWN_H
#define TALLY_LOG_OWN_H

#include <tally/log.h>

/* As tally_log_append; chains may be the log's own. */
TALLY_MUST_CHECK int
tally_log_append_own(struct tally_log *log, const struct tally_append *requests,
    size_t count, enum tally_durability durability,
    struct tally_receipt *receipts, struct tally_error *error);

#endif
