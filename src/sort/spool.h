/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of one size, kept in the order in which they were added and read
 * again as often as needed: in memory while they are few, then in a temporary
 * file without a name.  One thread at a time.
 */
#ifndef TALLY_SORT_SPOOL_H
#define TALLY_SORT_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

struct tally_spool {
	size_t size; /* bytes of an entry */
	size_t room; /* entries that memory has room for */
	char *added; /* the last ones */
	size_t added_len;
	char *read; /* what was read back */
	size_t read_len, read_next;
	uint64_t written; /* entries in the file */
	uint64_t next;    /* of the file, to be read back */
	int file;         /* -1: none was needed */
};

/* Nothing is allocated before there is an entry. */
void
tally_spool_init(struct tally_spool *spool, size_t size);

void
tally_spool_wipe(struct tally_spool *spool);

/* Copies the entry. */
TALLY_MUST_CHECK int
tally_spool_add(struct tally_spool *spool, const void *entry,
    struct tally_error *error);

/* The next read gives the first entry. */
void
tally_spool_rewind(struct tally_spool *spool);

/* The next entry, which lives until the one after it; TALLY_END: no more. */
TALLY_MUST_CHECK int
tally_spool_next(struct tally_spool *spool, const void **out,
    struct tally_error *error);

/* Forgets all entries; memory and file stay. */
void
tally_spool_empty(struct tally_spool *spool);

static inline uint64_t
tally_spool_count(const struct tally_spool *spool)
{
	return spool->written + spool->added_len;
}

#endif
