/* SPDX-License-Identifier: Apache-2.0 */
/* What index.c and catchup.c share: the names and shapes of the files. */
#ifndef TALLY_LOG_INDEXFILE_H
#define TALLY_LOG_INDEXFILE_H

#include "log/index.h"

#define TALLY_COVERED_NAME "covered"
#define TALLY_RECORDS_NAME "records"
#define TALLY_RECORD_ENTRY 48 /* offset, hash, sum: a page */
#define TALLY_TREE_ENTRY 40   /* root, sum: likewise */
#define TALLY_TREE_NAME_SIZE 8

/* "tree-08" for level 0, "tree-16" for level 1 ... */
void
tally_tree_name(int level, char out[TALLY_TREE_NAME_SIZE]);

/* Reads "secret" and "covered" into the index; TALLY_END if they do not hold,
 * or not each other. */
TALLY_MUST_CHECK int
tally_covered_read(struct tally_log *log, struct tally_index *index);

/* The file behind index->stated is the one that the index was opened by. */
TALLY_MUST_CHECK int
tally_covered_known(struct tally_index *index, struct tally_error *error);

/* Replaces it. */
TALLY_MUST_CHECK int
tally_covered_write(struct tally_log *log, struct tally_index *index, bool sync,
    struct tally_error *error);

/*
 * Index locked for building, and dropped: a new secret, and the files of before
 * are removed, so that they are made anew.
 */
TALLY_MUST_CHECK int
tally_covered_begin(struct tally_index *index, struct tally_error *error);

/* The root of the tree of the first size records. */
TALLY_MUST_CHECK int
tally_index_root(struct tally_index *index, uint64_t size,
    struct tally_hash *out, struct tally_error *error);

/* Invariant 2, for who builds it: removes "covered". */
void
tally_index_drop(struct tally_index *index);

void
tally_index_shut(struct tally_index *index);

TALLY_MUST_CHECK int
tally_index_fold(struct tally_index *index, struct tally_hasher *hasher,
    unsigned level, uint64_t first, unsigned count, struct tally_hash *out,
    struct tally_error *error);

#endif
