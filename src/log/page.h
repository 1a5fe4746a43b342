/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages: what the files of index/ are read in.
 *
 *  1. The last eight bytes of a page are its sum: a keyed hash of where in the
 *     file it lies and of the bytes before them.
 *  2. The key is the file's own, made from the secret of the index and the
 *     file's name.  So what holds was written there, by this index: a rotten
 *     bit, a page of another place, of another file or of an index that was
 *     there before do not.
 *  3. A page is as small as what is looked for: an entry, a block of a filter.
 *     So none is ever written twice, and readers need no lock.
 */
#ifndef TALLY_LOG_PAGE_H
#define TALLY_LOG_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tally/error.h>

#include "core/sip.h"

#define TALLY_PAGE_SUM 8

/* A file of pages; of one or several sizes. */
struct tally_paged {
	int fd; /* -1: none */
	struct tally_sip_key key;
};

/* Opens the file called so of a directory: TALLY_SYS_... in flags.  Returns 0
 * or a negative errno; closes what was open. */
TALLY_MUST_CHECK int
tally_paged_open(struct tally_paged *file, int dir, const char *name, int flags,
    const struct tally_sip_key *secret);

void
tally_paged_close(struct tally_paged *file);

/* Writes the sum into the last eight of the page's len bytes. */
void
tally_page_seal(const struct tally_sip_key *key, uint64_t offset, char *page,
    size_t len);

/*
 * Reads count adjacent pages of len bytes.  TALLY_E_IO if the file is too
 * short or one of them does not hold.
 */
TALLY_MUST_CHECK int
tally_pages_read(const struct tally_paged *file, uint64_t offset, size_t len,
    size_t count, char *out, struct tally_error *error);

#endif
