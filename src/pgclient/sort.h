/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting any number of items in bounded memory: what does not fit goes, in
 * sorted runs, to a temporary file without a name, and is merged.
 *
 * Items are put by any thread; what comes after tally_pg_sort_end is one
 * thread's.
 */
#ifndef TALLY_PGCLIENT_SORT_H
#define TALLY_PGCLIENT_SORT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

/* Items are ordered by these, the first one first. */
struct tally_pg_sort_key {
	uint64_t a;
	uint64_t b;
	uint64_t c;
};

struct tally_pg_sort;

/* memory: bytes that may be used, 1 MiB at least. */
TALLY_MUST_CHECK int
tally_pg_sort_new(struct tally_pg_sort **out, size_t memory,
    struct tally_error *error);
void
tally_pg_sort_free(struct tally_pg_sort *sort);

/* Copies the item.  TALLY_E_LIMIT if it is longer than memory allows. */
TALLY_MUST_CHECK int
tally_pg_sort_put(struct tally_pg_sort *sort,
    const struct tally_pg_sort_key *key, const void *item, size_t len,
    struct tally_error *error);

/* All were put. */
TALLY_MUST_CHECK int
tally_pg_sort_end(struct tally_pg_sort *sort, struct tally_error *error);

/* The next item, which lives until the one after it; TALLY_END: no more. */
TALLY_MUST_CHECK int
tally_pg_sort_next(struct tally_pg_sort *sort, struct tally_pg_sort_key *key,
    const void **out_item, size_t *out_len, struct tally_error *error);

#endif
