/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One key of a source: for match.c, which collects what is of it, and key.c,
 * which judges that.
 */
#ifndef TALLY_PGCLIENT_KEY_H
#define TALLY_PGCLIENT_KEY_H

#include "pgclient/match.h"

/* An item of the key at hand. */
struct tally_pg_member {
	struct tally_pg_item item;
	const char *key;
	const char *event; /* NULL: it was not kept */
	struct tally_pg_member
	    *row; /* of a record: that it holds for, or NULL */
	struct tally_pg_member
	    *later;     /* of a record: in its chain, that stands */
	bool stands;    /* for what is there now */
	bool is_proven; /* of a row: by a record that stands */
	bool is_named;  /* told as what a record does not hold for */
	bool is_done;
};

/* What has one hash: one key, as good as always. */
struct tally_pg_key {
	struct tally_pg_verifier *v;
	struct tally_sort *lonely; /* rows, if some have several keys */
	struct tally_sort *events; /* where they are exported to, or NULL */
	struct tally_pg_arena arena;
	uint64_t hash;
	struct tally_pg_member *rows;
	size_t nrows;
	size_t rows_size;
	struct tally_pg_member *records;
	size_t nrecords;
	size_t records_size;
};

static inline bool
member_has(const struct tally_pg_member *member, uint32_t flag)
{
	return (member->item.flags & flag) != 0;
}

/* Tells of the records; passes on the rows that no record proves. */
TALLY_MUST_CHECK int
tally_pg_key_judge(struct tally_pg_key *group, struct tally_error *error);

/*
 * item.c: does the record's digest hold for the row, as for one that came or
 * was changed; or as for an old one?
 */
bool
tally_pg_key_holds(struct tally_pg_verifier *v,
    const struct tally_pg_item *record, const struct tally_pg_member *row);
bool
tally_pg_key_holds_old(struct tally_pg_verifier *v,
    const struct tally_pg_item *record, const struct tally_pg_member *row);

/* Have both the same key; are both records also of one chain? */
bool
tally_pg_key_is_same(const struct tally_pg_member *a,
    const struct tally_pg_member *b);
bool
tally_pg_key_is_same_line(const struct tally_pg_member *a,
    const struct tally_pg_member *b);

/* item.c: of a row's forms the last one is told, in this order. */
uint64_t
tally_pg_item_order(const struct tally_pg_item *row);

/* item.c: an item, with key and event, into a sorter. */
TALLY_MUST_CHECK int
tally_pg_item_put(struct tally_sort *sort, const struct tally_sort_key *at,
    const struct tally_pg_item *item, const char *key, const char *event,
    struct tally_error *error);

#endif
