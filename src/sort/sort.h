/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting any number of items in bounded memory: what does not fit goes, in
 * sorted runs, to a temporary file without a name, and is merged.
 *
 * Items are put by any thread; what comes after tally_sort_end is one
 * thread's.
 */
#ifndef TALLY_SORT_SORT_H
#define TALLY_SORT_SORT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

/* Items are ordered by these, the first one first. */
struct tally_sort_key {
	uint64_t a;
	uint64_t b;
	uint64_t c;
};

struct tally_sort;

/* memory: bytes that may be used, 1 MiB at least. */
TALLY_MUST_CHECK int
tally_sort_new(struct tally_sort **out, size_t memory,
    struct tally_error *error);
void
tally_sort_free(struct tally_sort *sort);

/* Copies the item.  TALLY_E_LIMIT if it is longer than memory allows. */
TALLY_MUST_CHECK int
tally_sort_put(struct tally_sort *sort, const struct tally_sort_key *key,
    const void *item, size_t len, struct tally_error *error);

/* All were put. */
TALLY_MUST_CHECK int
tally_sort_end(struct tally_sort *sort, struct tally_error *error);

/* The next item, which lives until the one after it; TALLY_END: no more. */
TALLY_MUST_CHECK int
tally_sort_next(struct tally_sort *sort, struct tally_sort_key *key,
    const void **out_item, size_t *out_len, struct tally_error *error);

/* A temporary file failed, with this negative errno: TALLY_E_FULL or
 * TALLY_E_IO, and a message. */
int
tally_sort_fail(int os_result, struct tally_error *error);

#endif
