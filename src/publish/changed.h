/* SPDX-License-Identifier: Apache-2.0 */
/* The heads of those chains that changed between two sizes of a log. */
#ifndef TALLY_PUBLISH_CHANGED_H
#define TALLY_PUBLISH_CHANGED_H

#include <tally/log.h>

#include "core/sip.h"

struct tally_changed_head {
	char *chain; /* plain name, NUL-terminated */
	size_t chain_len;
	uint64_t seq;
	struct tally_hash hash;
};

/* A table of chains with open addressing; zero is empty. */
struct tally_changed {
	struct tally_changed_head *slot;
	size_t slots, count; /* slots: 0 or a power of two */
	struct tally_sip_key key;
};

/*
 * Reads the records [from, to).  Wipe it in any case.  TALLY_E_DAMAGED if they
 * are not all there.
 */
TALLY_MUST_CHECK int
tally_changed_read(struct tally_log *log, uint64_t from, uint64_t to,
    struct tally_changed *out, struct tally_error *error);

/* Then the heads are slot[0, count), in the order of the bytes of their names;
 * no more can be read into it. */
void
tally_changed_sort(struct tally_changed *changed);

void
tally_changed_wipe(struct tally_changed *changed);

#endif
