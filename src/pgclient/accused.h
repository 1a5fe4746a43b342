/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records that were named as bad, so that no finding follows from another.
 * They are known by where they lie.
 */
#ifndef TALLY_PGCLIENT_ACCUSED_H
#define TALLY_PGCLIENT_ACCUSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of more than these nothing is remembered: named twice, never left out. */
#define TALLY_PG_ACCUSED_MAX ((size_t)1 << 20)

struct tally_pg_chain;

struct tally_pg_accusation {
	uint64_t tid;                 /* 0: none */
	struct tally_pg_chain *chain; /* where it belongs; NULL: nobody knows */
	int64_t seq;
};

struct tally_pg_accused {
	struct tally_pg_accusation *slots;
	size_t size;
	size_t count;
};

/* Written by the main thread; read by workers when it is not. */
void
tally_pg_accused_add(struct tally_pg_accused *accused, uint64_t tid,
    struct tally_pg_chain *chain, int64_t seq);
void
tally_pg_accused_wipe(struct tally_pg_accused *accused);

/* NULL: the record was not named. */
const struct tally_pg_accusation *
tally_pg_accused_find(const struct tally_pg_accused *accused, uint64_t tid);

#endif
