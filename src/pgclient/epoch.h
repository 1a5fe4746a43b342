/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An epoch: the whole configuration under which a table's rows are sealed, as
 * the attach event in tally:log states it (doc/format.md, section 8).
 */
#ifndef TALLY_PGCLIENT_EPOCH_H
#define TALLY_PGCLIENT_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "pgclient/text.h"

#define TALLY_PG_KEYS_MAX 32
#define TALLY_PG_COLUMNS_MAX 1600

/* Of a type's shape. */
struct tally_pg_fact {
	const char *text;
	const struct tally_pg_fact *next;
};

/* A column as attach froze it. */
struct tally_pg_column {
	const char *name; /* in the events of this epoch, for ever */
	int number;       /* in the attached relation */
	const char *type; /* format_type, qualified, no modifier */
	int64_t typmod;
	const struct tally_pg_fact *shape; /* shape.h; in the event's order */
};

struct tally_pg_epoch {
	uint32_t relation;
	const char *table; /* "schema.name", quoted as SQL has it */
	uint64_t cluster;  /* system identifier: where it was attached */
	const char *database;
	const char *label;
	const char *prefix;
	int ncolumns;
	struct tally_pg_column *columns; /* by number */
	int nkeys;
	int keys[TALLY_PG_KEYS_MAX]; /* positions in columns */
	int chain_by;                /* position in columns, or -1 */
	const char *only_when;       /* canonical text, or NULL */
	bool is_there;               /* its table, here and under its oid */
	bool is_era;                 /* of old rows (backfill) */
	bool is_tracked; /* then the three below, and keys, mean nothing */
	bool append_only;
	bool keep_event;
	bool salted;
	const char *moment; /* the members that xid and since are read from */
	uint64_t xid;       /* older row versions were there before ... */
	uint64_t since;     /* ... and those from here on perhaps not */
};

/* A detach event; its epoch ends where it begins. */
struct tally_pg_detach {
	uint32_t relation;
	const char *table;
	const char *label;
	uint64_t xid, since; /* as above */
};

/* Of one table, by its oid. */
bool
tally_pg_epoch_is_same_table(const struct tally_pg_epoch *a,
    const struct tally_pg_epoch *b);

bool
tally_pg_column_is_same(const struct tally_pg_column *a,
    const struct tally_pg_column *b);

/*
 * Reads an event strictly: NULL if it is of another kind, or not spelt as the
 * format has it, or memory is short (the arena keeps what was taken).
 */
struct tally_pg_epoch *
tally_pg_epoch_parse(struct tally_pg_arena *arena, const char *event,
    size_t len);
struct tally_pg_detach *
tally_pg_detach_parse(struct tally_pg_arena *arena, const char *event,
    size_t len);

/* What "rewrite" says: all rows of a table have this xid. */
struct tally_pg_rewrite {
	uint32_t relation;
	const char *label;
	const char *table;
	int64_t rows; /* that may be without a record */
	uint64_t xid;
};

bool
tally_pg_rewrite_parse(struct tally_pg_arena *arena, const char *event,
    size_t len, struct tally_pg_rewrite *out);

/*
 * Reads "retire", and passes on the records of each chain, from first to last;
 * returns what take does.  TALLY_END: it is of another kind, or malformed, and
 * then some may have been passed on.
 */
int
tally_pg_retire_parse(struct tally_pg_arena *arena, const char *event,
    size_t len,
    int (*take)(void *arg, const char *chain, int64_t first, int64_t last),
    void *arg);

/* An era, under which old rows of an attached table were sealed. */
struct tally_pg_epoch *
tally_pg_era_parse(struct tally_pg_arena *arena, const char *event, size_t len);

/* Does the era say the same as the attachment, its moment apart? */
bool
tally_pg_era_is_of(const struct tally_pg_epoch *era,
    const struct tally_pg_epoch *base);

/* Those of a tracked table. */
struct tally_pg_epoch *
tally_pg_track_parse(struct tally_pg_arena *arena, const char *event,
    size_t len);
struct tally_pg_detach *
tally_pg_untrack_parse(struct tally_pg_arena *arena, const char *event,
    size_t len);

#endif
