/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does an id stand twice in its chain?  In constant memory: every id leaves a
 * mark (a keyed 64-bit hash, and where it stands) in one of 256 partitions of
 * a temporary file without a name; at the end each partition is sorted, and
 * marks that are equal are confirmed by reading their lines.
 */
#ifndef TALLY_VERIFY_IDS_H
#define TALLY_VERIFY_IDS_H

#include <stdint.h>

#include <tally/error.h>

struct tally_ids;
struct tally_judge;

/* Errors: TALLY_E_MEMORY, TALLY_E_IO (no temporary file). */
TALLY_MUST_CHECK int
tally_ids_new(struct tally_ids **out_ids, struct tally_error *error);

void
tally_ids_free(struct tally_ids *ids);

TALLY_MUST_CHECK int
tally_ids_add(struct tally_ids *ids, uint64_t key, uint64_t at,
    struct tally_error *error);

/* Tells what stands twice. */
TALLY_MUST_CHECK int
tally_ids_finish(struct tally_judge *judge);

#endif
