/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that are put in any order and come out sorted: PostgreSQL's external
 * sort, within a share of work_mem and then in temporary files.
 */
#ifndef TALLY_PG_VERIFY_SORT_H
#define TALLY_PG_VERIFY_SORT_H

#include "postgres.h"

#include <tally/record.h>

struct tally_sorter;

/*
 * Columns of these types; the first nkeys of them order the rows.  share: of
 * how many sorters that are filled at the same time this is one.
 */
extern struct tally_sorter *tally_sorter_new(int ncolumns, const Oid *types,
											 int nkeys, int share);

/* What is pointed to is copied. */
extern void tally_sorter_put(struct tally_sorter *sorter, const Datum *values,
							 const bool *nulls);

/* No more is put. */
extern void tally_sorter_sort(struct tally_sorter *sorter);

/*
 * The next row; what it points to is there until the next call.  False at the
 * end.
 */
extern bool tally_sorter_next(struct tally_sorter *sorter, Datum **out_values,
							  bool **out_nulls);

extern int64 tally_sorter_count(const struct tally_sorter *sorter);
extern void tally_sorter_free(struct tally_sorter *sorter);

/* A bytea of up to 32 bytes, to be put. */
struct tally_short_bytes
{
	int32		header;
	uint8		bytes[TALLY_HASH_SIZE];
};

extern Datum tally_sorter_bytes(struct tally_short_bytes *room,
								const void *bytes, Size len);

/* The hash in a bytea that was put so. */
extern struct tally_hash tally_sorter_hash(Datum value);

#endif
