/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The durable watermark, log/watermark: a place below which every byte was on
 * stable storage once.  Damage below it is damage; only what lies above may
 * be torn.
 *
 * Two slots in two sectors, written in turn, each with a checksum: a torn
 * write of one leaves the other.
 */
#ifndef TALLY_LOG_MARK_H
#define TALLY_LOG_MARK_H

#include "core/hash.h"
#include "log/segment.h"

#define TALLY_MARK_NAME "watermark"

struct tally_mark {
	struct tally_place place;
	uint64_t turn; /* counts up with every write; 0: there is none */
};

/* The newer of the slots that hold; turn 0 if neither does. */
TALLY_MUST_CHECK int
tally_mark_read(struct tally_hasher *hasher, int log_dir,
    struct tally_mark *out, struct tally_error *error);

/*
 * Raises the watermark and syncs it; what lies below must be durable already.
 * mark is the last one and becomes the new one.
 */
TALLY_MUST_CHECK int
tally_mark_write(struct tally_hasher *hasher, int log_dir,
    const struct tally_place *place, struct tally_mark *mark,
    struct tally_error *error);

#endif
