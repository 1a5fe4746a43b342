/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records and rows of one key, against each other.
 *
 * Both are put in any order, by any worker, and come out sorted by a hash of
 * source and key, the rows before the records, and these by chain and seq.
 */
#ifndef TALLY_PGCLIENT_MATCH_H
#define TALLY_PGCLIENT_MATCH_H

#include "pgclient/sources.h"
#include "sort/sort.h"

enum {
	TALLY_PG_IS_RECORD = 1,
	TALLY_PG_IS_DELETION = 2, /* its event, which holds, says so */
	TALLY_PG_IS_KEPT = 4,     /* its event holds */
	TALLY_PG_IS_ACCUSED = 8,  /* it was told already, and proves nothing */
	TALLY_PG_HAS_SALT = 16,
	TALLY_PG_IS_PART = 32, /* its digest is that of some columns */
};

/* A record that is of a row, or a row in one form; key and event follow. */
struct tally_pg_item {
	uint64_t tid;
	struct tally_pg_chain *chain; /* of a row: that it belongs to */
	int64_t seq;
	struct tally_pg_use *use; /* of a row: in whose time, or NULL */
	struct tally_pg_form *form;
	uint32_t relation;
	uint32_t flags;
	enum tally_pg_age age;
	int nclasses;             /* of keys that the row was rendered with */
	struct tally_hash digest; /* of a row, as an insertion without salt */
	struct tally_hash update; /* of a row, as an update without salt */
	struct tally_hash old;    /* of a row, as an old one without salt */
	uint8_t salt[TALLY_SALT_SIZE];
	uint32_t key_len;
	uint32_t event_len;
};

TALLY_MUST_CHECK int
tally_pg_match_open(struct tally_pg_verifier *v, struct tally_error *error);
void
tally_pg_match_close(struct tally_pg_verifier *v);

TALLY_MUST_CHECK int
tally_pg_match_put(struct tally_pg_verifier *v,
    const struct tally_pg_item *item, const char *key, const char *event,
    struct tally_error *error);

/* What of a record is wanted here: a record of an epoch that is known. */
void
tally_pg_match_prepare(struct tally_pg_verifier *v,
    const struct tally_pg_record *record, struct tally_pg_item *out);

/*
 * With it, judging tells nothing: the event of each row that a record holds
 * for goes there, by the record's chain and seq.
 */
void
tally_pg_match_export(struct tally_pg_verifier *v, struct tally_sort *events);

/* All were put: judges them key by key, and tells. */
TALLY_MUST_CHECK int
tally_pg_match_judge(struct tally_pg_verifier *v, struct tally_error *error);

#endif
