/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables whose rows are read, and how they are asked for: for rows.c,
 * which reads them, and tables.c, which prepares that.
 */
#ifndef TALLY_PGCLIENT_TABLES_H
#define TALLY_PGCLIENT_TABLES_H

#include "pgclient/render.h"
#include "pgclient/rows.h"

/* What stands before the columns: ctid and xmin. */
#define FIELDS_BEFORE 2

/* A form on a table. */
struct tally_pg_view {
	struct tally_pg_form *form;
	struct tally_pg_renderer renderer;
};

/* An epoch's only_when on a table. */
struct tally_pg_cover {
	const struct tally_pg_use *use;
	int field;
};

/* A table of a source: itself, or a partition. */
struct tally_pg_table {
	struct tally_pg_source *source;
	uint32_t relation;
	uint64_t blocks;
	int nviews;
	struct tally_pg_view *views;
	int nclasses;
	int ncovers;
	struct tally_pg_cover *covers;
	int nfields;
	/* The key in all its forms, if that is one column; or NULL. */
	const char *key_column;
	const char *key_type;
	struct tally_pg_text sql; /* up to where ranges are named */
	struct tally_pg_table *next;
};

struct tally_pg_rows {
	struct tally_pg_table *tables;
	struct tally_pg_table **last;
};

/* Its rows could not be read, and why; the first reason counts. */
void
tally_pg_table_make_blind(struct tally_pg_verifier *v,
    struct tally_pg_source *source, const char *why);

#endif
