/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One key of a source: for verify_match.c, which collects what is of it, and
 * verify_key.c, which judges that.
 */
#ifndef TALLY_PG_VERIFY_KEY_H
#define TALLY_PG_VERIFY_KEY_H

#include "verify_match.h"

struct tally_key_row
{
	struct tally_match_row row;
	bool		is_proven;		/* by a record that stands for what is there */
	bool		is_named;		/* told as what a record does not hold for */
	bool		is_done;
};

struct tally_key_record
{
	struct tally_match_record record;
	struct tally_key_row *row;	/* that it holds for, or NULL */
	const struct tally_key_record *later;	/* in its chain, that stands */
	bool		stands;			/* for what is there now */
};

/* What has one hash: one key, as good as always. */
struct tally_key_group
{
	MemoryContext context;
	int64		hash;
	int			nrows;
	int			rows_size;
	struct tally_key_row *rows;
	int			nrecords;
	int			records_size;
	struct tally_key_record *records;
};

/* Tells of the records; hands the rows that no record proves to take. */
extern void tally_key_judge(struct tally_verifier *v,
							struct tally_key_group *key,
							void (*take) (struct tally_verifier *v,
										  const struct tally_match_row *row));

/* Are both records of one chain and one key? */
extern bool tally_key_same_line(const struct tally_key_record *a,
								const struct tally_key_record *b);

#endif
