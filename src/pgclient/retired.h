/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partitions that were retired, and tables that were rewritten: what tally:log
 * says of them (doc/format.md, section 8).
 */
#ifndef TALLY_PGCLIENT_RETIRED_H
#define TALLY_PGCLIENT_RETIRED_H

#include "pgclient/sources.h"
#include "pgclient/verifier.h"

/* Records of a chain whose rows may be gone. */
struct tally_pg_retired {
	int64_t chain; /* its id */
	int64_t first, last;
};

/* The last rewriting of a table. */
struct tally_pg_rewritten {
	uint32_t relation;
	uint32_t xmin; /* that all its rows had afterwards */
	int64_t rows;  /* that may be without a record */
	int64_t found; /* that are */
	int64_t seq;   /* in tally:log */
	const char *label;
	const char *table;
	struct tally_pg_rewritten *next;
};

/*
 * An event of tally:log.  TALLY_END: it is of another kind.  Main thread.
 */
TALLY_MUST_CHECK int
tally_pg_retired_replay(struct tally_pg_verifier *v, int64_t seq,
    const char *event, size_t len);

/* All were replayed: to be called before what follows. */
void
tally_pg_retired_sort(struct tally_pg_verifier *v);

/* Is it sealed that the row of this record goes? */
bool
tally_pg_retired_has(const struct tally_pg_verifier *v, int64_t chain,
    int64_t seq);

/*
 * The age, unless the row has its xmin from a rewriting since the epoch in
 * whose time it was written began.  Any worker.
 */
enum tally_pg_age
tally_pg_rewritten_age(const struct tally_pg_verifier *v, uint32_t relation,
    uint32_t xmin, const struct tally_pg_use *use, enum tally_pg_age age);

/* A row without a record that has; true: it is told by itself. */
bool
tally_pg_rewritten_take(struct tally_pg_verifier *v, uint32_t relation);

/* Tells of them, once for each table. */
void
tally_pg_rewritten_tell(struct tally_pg_verifier *v);

void
tally_pg_retired_close(struct tally_pg_verifier *v);

#endif
