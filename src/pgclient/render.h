/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row's canonical event, key and chain (doc/format.md, section 6), made of
 * the fields of a COPY in text.
 */
#ifndef TALLY_PGCLIENT_RENDER_H
#define TALLY_PGCLIENT_RENDER_H

#include "pgclient/epoch.h"
#include "pgclient/record.h"

/* How rows of one table are written in one form. */
struct tally_pg_renderer {
	const struct tally_pg_epoch *epoch;
	int *fields;        /* of the epoch's columns: which field of the row */
	int *order;         /* the epoch's columns in the order of members */
	const char **names; /* likewise: ,"name": */
	char *tail;         /* },"table":"label"} */
	size_t tail_len;
};

struct tally_pg_rendered {
	struct tally_pg_text event; /* "{}": the row was never sealed so */
	struct tally_pg_text key;
	struct tally_pg_text chain; /* plain name */
};

/* fields: as above, the caller's.  TALLY_E_MEMORY. */
TALLY_MUST_CHECK int
tally_pg_renderer_init(struct tally_pg_renderer *renderer,
    struct tally_pg_arena *arena, const struct tally_pg_epoch *epoch,
    int *fields);

TALLY_MUST_CHECK int
tally_pg_render(const struct tally_pg_renderer *renderer,
    struct tally_hasher *hasher, const struct tally_pg_field *fields,
    struct tally_pg_rendered *out);

void
tally_pg_rendered_wipe(struct tally_pg_rendered *rendered);

/*
 * Splits a row of a COPY in text, in place, into at most max fields; returns
 * how many there are.
 */
int
tally_pg_row_split(char *row, size_t len, struct tally_pg_field *fields,
    int max);

/* With what the events of a row that was changed, or an old one, begin. */
#define TALLY_PG_UPDATE "{\"op\":\"update\","
#define TALLY_PG_BACKFILL "{\"op\":\"backfill\","

/*
 * The commitment to an update that leaves the row so: it is written like an
 * insertion, but for one member before.  event: the insertion; salt: NULL for
 * none.
 */
struct tally_hash
tally_pg_op_commitment(struct tally_hasher *hasher, const char *op,
    const uint8_t *salt, const char *event, size_t len);

/* Where "(block,number)" is, as tally_pg_record.tid. */
uint64_t
tally_pg_tid_parse(const struct tally_pg_field *field);

/* The key of the row that a deletion of the epoch's table deletes. */
bool
tally_pg_deletion_key(const char *event, size_t len,
    const struct tally_pg_epoch *epoch, struct tally_hasher *hasher,
    struct tally_pg_text *out_key);

bool
tally_pg_is_deletion(const char *event, size_t len);

#endif
