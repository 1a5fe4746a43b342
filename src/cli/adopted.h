/* SPDX-License-Identifier: Apache-2.0 */
/* What adopting and verifying what was adopted have in common. */
#ifndef TALLY_CLI_ADOPTED_H
#define TALLY_CLI_ADOPTED_H

#include <tally/adopt.h>

#include "profile.h"
#include "verifying.h"

/* Rows of a query, each time anew. */
struct adopted_source {
	const struct foreign_options *options;
	struct foreign foreign;
	bool is_open;
};

/*
 * Fills in what an adoption needs besides its path: profile, format or begin,
 * and chain and from where they are NULL.  To be ended in any case.
 */
enum status
adopted_prepare(struct tally_adoption *adoption,
    const struct foreign_options *options, struct adopted_source *source);

void
adopted_end(struct tally_adoption *adoption, struct adopted_source *source);

/* A table that is adopted where it is. */
struct adopted_table {
	const char *conninfo;
	const char *name;
	const char *chain_by; /* NULL: as the profile says */
	bool apply;
	bool json; /* nothing is printed */
};

/* Attaches it, or says what that would be. */
enum status
adopted_attach(const struct tally_adoption *adoption,
    const struct tally_adopted *adopted, const struct adopted_table *table);

/*
 * tally verify --adopted: the log, and the source against what it holds of
 * it.
 */
enum status
adopted_verify(struct tally_adoption *adoption, const char *dir,
    struct verifying *verifying);

#endif
